from fractions import Fraction

import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.evaluation.chance import expected_hit_rate
from recue.evaluation.metrics import share_above, tiou_matrix
from recue.localize.trivial import Chance, ChanceLength, valid_steps
from support.sequences import noise, sequence

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
TRUTHS = np.array([[1.03, 3.51], [3.51, 6.2], [9.0, 9.0], [11.7, 14.1]])


def made_times() -> np.ndarray:
    """Steps of uneven length, so that no tIoU falls on a threshold."""
    return np.cumsum(np.r_[0.1, np.random.default_rng(0).uniform(0.2, 0.5, 50)])


@pytest.mark.parametrize(("length", "max_steps"), [("any", 64), ("any", 6), ("any", None), ("query", None)])
def test_closed_form_is_the_mean_over_every_valid_segment(length: ChanceLength, max_steps: int | None) -> None:
    times_s = made_times()
    steps = valid_steps(50, 7, length=length, max_steps=max_steps)
    every = times_s[steps]
    expected = share_above(tiou_matrix(every, TRUTHS).max(axis=1), THRESHOLDS)
    got = expected_hit_rate(times_s, TRUTHS, THRESHOLDS, n_query=7, length=length, max_steps=max_steps)
    np.testing.assert_allclose(got, expected)
    assert got[0] > 0


@pytest.mark.parametrize("step_s", [1.0, 0.1, 1 / 3, 16 / 25, 16 * 1001 / 30000])
@pytest.mark.parametrize("start_s", [0.0, 1234.5])
def test_where_truths_are_made_of_steps_a_tie_is_no_hit(step_s: float, start_s: float) -> None:
    """tIoU in whole steps is a fraction of integers, so that Python decides exactly what lies above a threshold."""
    n, cap = 40, 30
    exact = [Fraction(k, 10) for k in (5, 6, 7, 8, 9)]
    times_s = start_s + step_s * np.arange(n + 1)
    steps = valid_steps(n, 1, max_steps=cap)
    n_ties = 0
    for a, b in ((3, 4), (10, 20), (7, 25), (0, 40), (33, 40)):
        both = np.clip(np.minimum(steps[:, 1], b) - np.maximum(steps[:, 0], a), 0, None)
        tiou = [Fraction(int(i), int(e - s) + b - a - int(i)) for i, (s, e) in zip(both, steps, strict=True)]
        n_ties += sum(t in exact for t in tiou)
        expected = [sum(t > h for t in tiou) / len(steps) for h in exact]
        truth = times_s[[[a, b]]]
        got = expected_hit_rate(times_s, truth, THRESHOLDS, max_steps=cap)
        np.testing.assert_allclose(got, expected, err_msg=f"{a}:{b}")
        enumerated = share_above(tiou_matrix(times_s[steps], truth)[:, 0], THRESHOLDS)
        np.testing.assert_allclose(enumerated, expected, err_msg=f"{a}:{b}")
    assert n_ties > 20


@pytest.mark.parametrize("length", ["any", "query"])
def test_closed_form_agrees_with_drawn_segments(length: ChanceLength) -> None:
    rng = np.random.default_rng(1)
    query, reference = sequence(noise(rng, 6)), sequence(noise(rng, 40), step_s=0.37)
    drawn = Chance(n=40_000, max_steps=10, length=length).localize(query, reference)
    bounds = np.array([[s.segment.start_s, s.segment.end_s] for s in drawn])
    sampled = share_above(tiou_matrix(bounds, TRUTHS).max(axis=1), THRESHOLDS)
    exact = expected_hit_rate(reference.times_s, TRUTHS, THRESHOLDS, n_query=6, length=length, max_steps=10)
    error = np.sqrt(exact * (1 - exact) / 40_000)
    assert (np.abs(sampled - exact) <= 4 * error).all()
    assert exact[0] > 0.02


def test_no_truth_is_never_hit() -> None:
    assert expected_hit_rate(made_times(), np.zeros((0, 2)), THRESHOLDS).tolist() == [0.0] * 5


def test_where_the_closed_form_does_not_hold_it_refuses() -> None:
    with pytest.raises(ConfigError, match=r"\[0\.5, 1\)"):
        expected_hit_rate(made_times(), TRUTHS, (0.3,))
    with pytest.raises(ConfigError, match="overlap"):
        expected_hit_rate(made_times(), np.array([[0.0, 2.0], [1.0, 3.0]]), (0.5,))
