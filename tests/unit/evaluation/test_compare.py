import numpy as np
import pytest

from recue.core import ScoredSegment, Segment
from recue.datasets.task import Clip, Question
from recue.evaluation import benchmark
from recue.evaluation.compare import comparisons, difference
from recue.evaluation.results import Answered, Asked
from recue.localize.frame_level import FrameLevel
from recue.localize.trivial import ConstantWindow
from support.relocalization import planted_dataset


def asked(video: str, *truths: tuple[int, int]) -> Asked:
    seconds = tuple(Segment(float(a), float(b)) for a, b in truths)
    return Asked(Question(Clip("q", 0, 2, "a"), video, (0, 10), truths), Segment(0.0, 2.0), Segment(0.0, 10.0), seconds)


def answered(tiou: float) -> Answered:
    return Answered(Clip("q", 0, 2, "a"), (ScoredSegment(Segment(0.0, 4.0), 1.0),), tiou)


def test_a_paired_difference() -> None:
    questions = [*(asked(f"r{k}", (0, 4)) for k in range(40)), asked("s")]
    good = [answered(0.85 if k % 4 else 0.55) for k in range(41)]
    bad = [answered(0.55) for _ in range(41)]
    apart = difference(questions, [good], [bad, bad], thresholds=(0.5, 0.8))
    assert apart.at == pytest.approx((0.0, 0.75))
    assert apart.value == pytest.approx(0.375)
    assert 0 < apart.interval.low < 0.375 < apart.interval.high
    assert (apart.at_intervals[0].low, apart.at_intervals[0].high) == (0.0, 0.0)
    back = difference(questions, [bad], [good], thresholds=(0.5, 0.8))
    assert back.value == pytest.approx(-apart.value)
    assert back.interval.high < 0


def test_pairing_sees_what_separate_intervals_hide() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(30) < 0.5
    # Better on three questions, worse on none.
    better = base.copy()
    better[np.flatnonzero(~base)[:6]] = True
    questions = [asked(f"r{k}", (0, 4)) for k in range(30)]
    runs = [[[answered(0.9 if hit else 0.1) for hit in hits]] for hits in (better, base)]
    apart = difference(questions, *runs, thresholds=(0.5,))
    assert apart.interval.low > 0


def test_every_localizer_is_compared_with_what_looks_at_nothing_and_those_before_it() -> None:
    report = benchmark.run(
        {"window": ConstantWindow(), "frames": FrameLevel()}, planted_dataset(), n_seeds=2, n_resamples=10
    )
    made = comparisons(report, n_resamples=50)
    assert [(one.first, one.second) for one in made] == [
        ("window", "chance"),
        ("window", "constant window"),
        ("frames", "chance"),
        ("frames", "constant window"),
        ("frames", "window"),
    ]
    for one in made:
        apart = report.row(one.first).metrics.map_at_1_mean - report.row(one.second).metrics.map_at_1_mean
        assert one.difference.value == pytest.approx(apart)
