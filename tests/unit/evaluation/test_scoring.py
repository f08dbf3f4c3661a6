import numpy as np
import pytest

from recue.core import ScoredSegment, Segment
from recue.core.errors import ConfigError, ShapeError
from recue.datasets.task import Clip, Question
from recue.evaluation.metrics import bootstrap_interval
from recue.evaluation.results import Answered, Asked, groups_of
from recue.evaluation.scoring import mean_intervals, score


def asked(video: str, *truths: tuple[float, float], label: str = "a") -> Asked:
    question = Question(Clip("q", 0, 2, label), video, (0, 10), tuple((int(a), int(b)) for a, b in truths))
    return Asked(question, Segment(0.0, 2.0), Segment(0.0, 10.0), tuple(Segment(a, b) for a, b in truths))


def answered(*segments: tuple[float, float], tiou: float = 0.0) -> Answered:
    scored = tuple(ScoredSegment(Segment(a, b), 1.0 - 0.1 * k) for k, (a, b) in enumerate(segments))
    return Answered(Clip("q", 0, 2, "a"), scored, tiou)


@pytest.mark.parametrize("seed", [0, 3])
def test_intervals_of_columns_are_those_of_the_plain_bootstrap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, groups = rng.random((40, 3)), rng.integers(9, size=40) * 5
    fast = mean_intervals(values, groups, n_resamples=200, seed=seed)
    for column, interval in enumerate(fast):
        plain = bootstrap_interval(
            lambda drawn, c=column: float(values[drawn, c].mean()), groups, n_resamples=200, seed=seed
        )
        assert (interval.low, interval.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ShapeError, match="one item or more"):
        mean_intervals(np.zeros((0, 2)), np.zeros(0, np.int64))
    with pytest.raises(ConfigError, match="1 draw or more"):
        mean_intervals(np.zeros((2, 2)), np.zeros(2, np.int64), n_resamples=0)
    with pytest.raises(ConfigError, match="level in"):
        mean_intervals(np.zeros((2, 2)), np.zeros(2, np.int64), level=1.0)


def test_runs_are_averaged_and_absent_questions_are_left_out_of_what_is_found() -> None:
    questions = [asked("r", (0, 4)), asked("r", (4, 8)), asked("s")]
    first = [answered((0, 4), tiou=1.0), answered((0, 4), tiou=0.0), answered((1, 2))]
    second = [answered((0, 3), tiou=0.75), answered((4, 8), tiou=1.0), answered()]
    reached = score(questions, [first, second], thresholds=(0.5, 0.8), n_resamples=10)
    assert (reached.n_present, reached.n_absent) == (2, 1)
    assert reached.map_at_1 == (0.75, 0.5)
    assert reached.map_at_1_mean == 0.625
    assert reached.mean_tiou == pytest.approx((1.0 + 0.75 + 0.0 + 1.0) / 4)
    assert reached.recall_1 == 0.75
    # All questions have the score 1, so the first run refuses none; in the second the absent one has no answer.
    assert reached.rejection == 0.5
    assert reached.map_at_1_interval is not None
    # One reference: there is nothing to draw.
    assert reached.map_at_1_interval.low == reached.map_at_1_interval.high == 0.625


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 such questions of 1"):
        score([asked("r")], [[answered()]], thresholds=(0.5,))
    with pytest.raises(ConfigError, match="0 runs"):
        score([asked("r", (0, 1))], [], thresholds=(0.5,))
    with pytest.raises(ShapeError, match="as many answers"):
        score([asked("r", (0, 1))], [[]], thresholds=(0.5,))


def test_questions_on_one_stretch_are_one_group() -> None:
    other = Asked(Question(Clip("q", 0, 2, "a"), "r", (0, 9), ()), Segment(0.0, 2.0), Segment(0.0, 9.0), ())
    assert groups_of([asked("s"), asked("r"), other, asked("r", (0, 1))]).tolist() == [2, 1, 0, 1]
