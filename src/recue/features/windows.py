"""Cut a stream of frames into chunks for a network that looks at a stretch of time."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ShapeError
from recue.core.frames import Frame


class StepClock:
    """Collects the bounds of steps of `n` frames while the frames go by; O(steps) memory."""

    def __init__(self, frames_per_step: int) -> None:
        self._n = frames_per_step
        self._count = 0
        self._starts_s: list[float] = []
        self._end_s = 0.0

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Pass the frames on."""
        for frame in frames:
            if self._count % self._n == 0:
                self._starts_s.append(frame.due_s)
            self._count += 1
            self._end_s = frame.until_s
            yield frame

    def times_s(self) -> NDArray[np.float64]:
        """`[steps + 1]` bounds; the last step ends with the last frame.

        Raises:
            ShapeError: no frame went by.
        """
        if not self._starts_s:
            raise ShapeError("the stream of frames is empty: there is nothing to encode")
        return np.array([*self._starts_s, self._end_s], dtype=np.float64)


def chunks(images: Iterable[NDArray[np.uint8]], *, length: int, before: int, after: int) -> Iterator[NDArray[np.uint8]]:
    """Cut a stream into chunks of one length, with its edge frames repeated around it.

    Args:
        images: uint8 `[height, width, 3]` each, all of one size.
        length: Frames of a chunk.
        before: How often the first frame is repeated before it.
        after: The least number of times the last frame is repeated after it; more fill up the last chunk.

    Yields:
        uint8 `[length, height, width, 3]`; nothing if the stream is empty. Each is overwritten by the next.

    Cost: holds one chunk.
    """
    source = iter(images)
    image = next(source, None)
    if image is None:
        return
    chunk = np.empty((length, *image.shape), dtype=np.uint8)
    filled = 0
    for picture in _with_edges(image, source, before, after):
        chunk[filled] = picture
        filled += 1
        if filled == length:
            yield chunk
            filled = 0
    if filled:
        chunk[filled:] = chunk[filled - 1]
        yield chunk


def _with_edges(
    first: NDArray[np.uint8], rest: Iterable[NDArray[np.uint8]], before: int, after: int
) -> Iterator[NDArray[np.uint8]]:
    for _ in range(before + 1):
        yield first
    last = first
    for last in rest:
        yield last
    for _ in range(after):
        yield last
