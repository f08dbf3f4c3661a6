"""Cut a stream of frames into overlapping blocks for a network that looks at a stretch of time.

Every frame belongs to exactly one block as content; on both sides a block also carries context, so that what the
network says about a step does not depend on where the blocks happen to be cut. Before the first frame and after the
last, the edge frame is repeated. Only one block's frames are held at a time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ShapeError
from recue.core.frames import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block.

    Attributes:
        images: uint8 `[context + content + context, height, width, 3]`.
        n_frames: Real frames of content; the rest of the content repeats the last one.
    """

    images: NDArray[np.uint8]
    n_frames: int


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


def blocks(images: Iterable[NDArray[np.uint8]], *, sizes: tuple[int, ...], context: int, lead: int) -> Iterator[Block]:
    """Cut a stream into blocks.

    Args:
        images: uint8 `[height, width, 3]` each, all of one size.
        sizes: Content lengths that may be used, rising. All blocks but the last have the largest; the last has the
            smallest that holds what is left.
        context: Frames on each side of the content.
        lead: Shifts the block this many frames earlier against its content, for a network whose output sits later
            in its input than the middle of the step.

    Yields:
        Blocks in order.

    Cost: holds `sizes[-1] + 2 * context` frames.
    """
    held: list[NDArray[np.uint8]] = []  # frames first, first + 1, ...
    first = content_start = 0
    source = iter(images)
    ended = False
    while True:
        stop = content_start + sizes[-1] + context - lead
        while not ended and first + len(held) < stop:
            image = next(source, None)
            if image is None:
                ended = True
            else:
                held.append(image)
        n_left = first + len(held) - content_start
        if n_left <= 0:
            return
        content = next(size for size in sizes if size >= min(n_left, sizes[-1]))
        wanted = np.arange(content_start - context - lead, content_start + content + context - lead)
        clipped = np.clip(wanted, first, first + len(held) - 1) - first
        yield Block(np.stack([held[index] for index in clipped]), min(n_left, content))
        content_start += content
        keep_from = max(0, content_start - context - lead - first)
        del held[:keep_from]
        first += keep_from
