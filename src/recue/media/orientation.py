"""Which way up: the display matrix that phones write instead of turning the picture."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored picture becomes upright: turned, then mirrored.

    Attributes:
        turns: Quarter turns clockwise, 0 to 3.
        mirrored: Whether it is mirrored left to right after turning.
    """

    turns: int = 0
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.turns % 2 == 1

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright view of a stored picture `[height, width, 3]`; no copy."""
        turned = np.rot90(image, -self.turns)
        return turned[:, ::-1] if self.mirrored else turned

    def matrix(self) -> list[int]:
        """The nine numbers that a file stores for it."""
        cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[self.turns]
        flip = -1 if self.mirrored else 1
        one = 1 << 16
        return [flip * cosine * one, sine * one, 0, -flip * sine * one, cosine * one, 0, 0, 0, 1 << 30]


def orientation_of(frame: Any) -> Orientation:
    """Read it off a decoded frame; upright as stored where the frame says nothing.

    The matrix `[a b u, c d v, x y w]` shows the stored point (p, q) at (a p + c q, b p + d q), with q and the
    result's second axis pointing down. Angles between right angles, which no camera writes, go to the nearest.
    """
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # The library knows less kinds of side data than its FFmpeg writes; it can still tell the angle.
        return Orientation(round(-frame.rotation / 90) % 4)
    if data is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if a * d == b * c:
        return Orientation()
    mirrored = a * d < b * c
    turns = round(math.atan2(b, -a if mirrored else a) / (math.pi / 2)) % 4
    return Orientation(turns, mirrored)
