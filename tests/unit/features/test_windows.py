"""Chunks and step bounds of streams of frames."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from recue.core import Frame
from recue.core.errors import ShapeError
from recue.features.windows import StepClock, chunks


def numbered(n: int) -> Iterator[NDArray[np.uint8]]:
    for index in range(n):
        yield np.full((1, 1, 3), index + 1, dtype=np.uint8)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 11])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 3)])
def test_edges_are_repeated_and_nothing_is_lost(n_frames: int, before: int, after: int) -> None:
    made = [chunk[:, 0, 0, 0].tolist() for chunk in chunks(numbered(n_frames), length=4, before=before, after=after)]
    assert {len(chunk) for chunk in made} == {4}
    flat = [number for chunk in made for number in chunk]
    wanted = [1] * before + list(range(1, n_frames + 1)) + [n_frames] * after
    assert flat[: len(wanted)] == wanted
    assert flat[len(wanted) :] == [n_frames] * (len(flat) - len(wanted))
    assert len(flat) - len(wanted) < 4


def test_an_empty_stream_gives_nothing() -> None:
    assert list(chunks(numbered(0), length=4, before=2, after=2)) == []


def test_only_one_chunk_is_read_ahead() -> None:
    n_read = 0

    def counted() -> Iterator[NDArray[np.uint8]]:
        nonlocal n_read
        for image in numbered(100):
            n_read += 1
            yield image

    made = chunks(counted(), length=4, before=0, after=0)
    next(made)
    assert n_read <= 4
    next(made)
    assert n_read <= 8


@pytest.mark.parametrize(("n_frames", "bounds"), [(1, [5, 6]), (4, [5, 9]), (5, [5, 9, 10]), (8, [5, 9, 13])])
def test_step_bounds(n_frames: int, bounds: list[float]) -> None:
    clock = StepClock(4)
    frames = [Frame(np.zeros((1, 1, 3), np.uint8), 5.0 + t, 5.0 + t, 6.0 + t) for t in range(n_frames)]
    assert list(clock.watch(frames)) == frames
    assert clock.times_s().tolist() == bounds


def test_no_bounds_without_frames() -> None:
    clock = StepClock(4)
    assert list(clock.watch([])) == []
    with pytest.raises(ShapeError, match="nothing to encode"):
        clock.times_s()
