import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.localize.decode import best_segments
from support.plain_matching import triple_loop


def made(seed: int, lengths: list[int]) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Log-probabilities, padded with what must not be looked at."""
    logits = np.random.default_rng(seed).standard_normal((len(lengths), max(lengths) + 2, 4))
    values = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    for row, length in zip(values, lengths, strict=True):
        row[length:] = np.nan
    return [values[:, :, i] for i in range(3)], np.array(lengths)


# No deadline: the first example compiles the kernel.
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), cap=st.integers(1, 15))
def test_the_best_segment_is_that_of_three_plain_loops(seed: int, lengths: list[int], cap: int) -> None:
    arrays, n_steps = made(seed, lengths)
    found = best_segments(*arrays, n_steps, max_steps=cap)
    for row, length in enumerate(lengths):
        first, stop, score = triple_loop(*(array[row, :length].tolist() for array in arrays), cap)
        assert found[row][0][:2] == (first, stop)
        assert np.log(found[row][0].score) == pytest.approx(score)


def test_no_segment_is_longer_than_the_cap_or_leaves_the_sequence() -> None:
    arrays, n_steps = made(3, [5])
    found = best_segments(*arrays, n_steps, max_steps=3, n=100, max_tiou=1.0)[0]
    every = [(s, s + length) for s in range(5) for length in range(1, 4) if s + length <= 5]
    assert sorted(one[:2] for one in found) == every


def test_ties_go_to_the_earlier_start_and_the_shorter_segment() -> None:
    even = np.full((1, 6), -1.0)
    found = best_segments(even, even, even, np.array([6]), max_steps=3, n=4, max_tiou=1.0)[0]
    assert [s[:2] for s in found] == [(0, 1), (0, 2), (0, 3), (1, 2)]


@pytest.mark.parametrize("max_tiou", [0.0, 0.3, 1.0])
def test_n_best_are_those_of_a_greedy_walk_down_the_list(max_tiou: float) -> None:
    arrays, n_steps = made(4, [11, 2])
    found = best_segments(*arrays, n_steps, max_steps=6, n=7, max_tiou=max_tiou)
    for row, length in enumerate([11, 2]):
        start, end, inside = (array[row] for array in arrays)
        every = [
            (-(start[s] + end[e - 1] + inside[s:e].mean()), s, e)
            for s in range(length)
            for e in range(s + 1, min(length, s + 6) + 1)
        ]
        kept: list[tuple[int, int]] = []
        for _, s, e in sorted(every):
            overlaps = [max(0, min(e, b) - max(s, a)) / (max(e, b) - min(s, a)) for a, b in kept]
            if len(kept) < 7 and all(overlap <= max_tiou for overlap in overlaps):
                kept.append((s, e))
        assert [one[:2] for one in found[row]] == kept


def test_a_long_reference_loses_nothing_to_rounding() -> None:
    """Prefix sums of 20000 steps of float32 would be wrong in the third decimal."""
    rng = np.random.default_rng(0)
    values = np.log(rng.random((3, 1, 20_000), np.float32) * 1e-3).astype(np.float32)
    found = best_segments(*values, np.array([20_000]))[0][0]
    start, end, inside = values.astype(np.float64)[:, 0]
    exact = start[found.first] + end[found.stop - 1] + inside[found.first : found.stop].mean()
    assert np.log(found.score) == pytest.approx(exact, abs=1e-9)


def test_arrays_are_not_changed_and_may_be_read_only_views() -> None:
    arrays, n_steps = made(5, [8])
    reversed_views = [array[:, ::-1][:, 2:] for array in arrays]
    for array in reversed_views:
        array.flags.writeable = False
    before = [array.copy() for array in reversed_views]
    best_segments(*reversed_views, n_steps, n=3)
    for array, kept in zip(reversed_views, before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_tensors_are_taken_as_they_are() -> None:
    arrays, n_steps = made(6, [9, 4])
    tensors = [torch.tensor(array).requires_grad_() for array in arrays]
    assert best_segments(*tensors, torch.tensor(n_steps), n=3) == best_segments(*arrays, n_steps, n=3)


def test_what_makes_no_sense_is_refused() -> None:
    one, n_steps = np.zeros((1, 3)), np.array([3])
    for options in ({"max_steps": 0}, {"n": 0}, {"max_tiou": 1.5}, {"max_tiou": -0.1}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            best_segments(one, one, one, n_steps, **options)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="one shape"):
        best_segments(one, one[:, :2], one, n_steps)
    with pytest.raises(ShapeError, match=r"\[batch, time\]"):
        best_segments(one[0], one[0], one[0], n_steps)
    with pytest.raises(ShapeError, match="n_steps"):
        best_segments(one, one, one, np.array([3, 3]))
    for broken in (np.nan, -np.inf):
        with pytest.raises(ShapeError, match="diverged"):
            best_segments(one, one, np.array([[0.0, broken, 0.0]]), n_steps)
