import numpy as np
import pytest
import torch

from recue.core import ScoredSegment, Segment
from recue.core.errors import ConfigError
from recue.localize.suppress import hard_nms
from recue.models.layers.segments import best_steps, tiou_steps


def made(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first = rng.integers(0, 30, n)
    return first, first + rng.integers(1, 12, n), rng.permutation(n) - n / 2.0


@pytest.mark.parametrize("max_tiou", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 4, 100])
def test_the_best_few_are_those_of_suppression_in_seconds(n: int, max_tiou: float) -> None:
    first, stop, score = made(np.random.default_rng(3), 60)
    segments = [
        ScoredSegment(Segment(float(f), float(e)), float(s)) for f, e, s in zip(first, stop, score, strict=True)
    ]
    expected = [(s.segment.start_s, s.segment.end_s, s.score) for s in hard_nms(segments, max_tiou=max_tiou, n=n)]
    assert best_steps(first, stop, score, n=n, max_tiou=max_tiou) == expected


def test_minus_infinity_is_no_answer_and_nothing_is_changed() -> None:
    first, stop = np.arange(4), np.arange(4) + 1
    score = np.array([-np.inf, 0.25, -np.inf, 0.5])
    copy = score.copy()
    assert [(s.first, s.score) for s in best_steps(first, stop, score, n=9, max_tiou=0.5)] == [(3, 0.5), (1, 0.25)]
    np.testing.assert_array_equal(score, copy)
    assert best_steps(first, stop, np.full(4, -np.inf), n=2, max_tiou=0.5) == []
    assert best_steps(first[:0], stop[:0], score[:0], n=2, max_tiou=0.5) == []


def test_asking_for_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="n=0"):
        best_steps(np.arange(1), np.arange(1) + 1, np.ones(1), n=0, max_tiou=0.5)


def test_tiou_in_steps_is_tiou_in_seconds() -> None:
    rng = np.random.default_rng(4)
    (first, stop, _), (other, other_stop, _) = made(rng, 20), made(rng, 15)
    got = tiou_steps(
        torch.from_numpy(first)[:, None],
        torch.from_numpy(stop)[:, None],
        torch.from_numpy(other),
        torch.from_numpy(other_stop),
    )
    for i in range(20):
        for j in range(15):
            expected = Segment(first[i], stop[i]).tiou(Segment(other[j], other_stop[j]))
            assert float(got[i, j]) == pytest.approx(expected)
    empty = torch.tensor(3)
    assert float(tiou_steps(empty, empty, empty, empty)) == 0.0
