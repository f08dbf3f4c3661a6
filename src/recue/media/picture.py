"""From a decoded frame to the asked picture: scaled, cut or padded, upright, RGB."""

from fractions import Fraction
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from recue.core.frames import Fit


class Painter:
    """Brings decoded frames to one size; holds the scaler's tables between frames.

    The scaler goes straight from the stored picture to the target size; turning upright comes last, when the
    picture is small.
    """

    def __init__(self, *, height: int, width: int, fit: Fit) -> None:
        self._height, self._width, self._fit = height, width, fit
        self._scaler = VideoReformatter()

    def paint(self, frame: Any, *, aspect: Fraction = Fraction(1), turns: int = 0) -> NDArray[np.uint8]:
        """One picture.

        Args:
            frame: A decoded frame.
            aspect: Width over height of a stored pixel.
            turns: Quarter turns counter-clockwise that make it upright.

        Returns:
            `[height, width, 3]`, contiguous and owned.
        """
        height, width = (self._height, self._width) if turns % 2 == 0 else (self._width, self._height)
        scaled_height, scaled_width = fitted(
            frame.height, frame.width * aspect, height=height, width=width, fit=self._fit
        )
        scaled = self._scaler.reformat(
            frame, scaled_width, scaled_height, "rgb24", interpolation=Interpolation.BILINEAR, threads=1
        )
        plane = scaled.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        image = rows[:scaled_height, : scaled_width * 3].reshape(scaled_height, scaled_width, 3)
        if self._fit == "crop":
            top, left = (scaled_height - height) // 2, (scaled_width - width) // 2
            image = image[top : top + height, left : left + width]
        if self._fit == "pad" and image.shape[:2] != (height, width):
            canvas = np.zeros((height, width, 3), np.uint8)
            top, left = (height - scaled_height) // 2, (width - scaled_width) // 2
            canvas[top : top + scaled_height, left : left + scaled_width] = image
            image = canvas
        # A copy either way: the plane goes back to the decoder's pool.
        return np.array(np.rot90(image, turns), order="C")


def fitted(
    stored_height: int, stored_width: int | Fraction, *, height: int, width: int, fit: Fit
) -> tuple[int, int]:
    """Rows and columns to scale to, before cropping or padding.

    >>> fitted(720, 1280, height=224, width=224, fit="crop")
    (224, 398)
    >>> fitted(720, 1280, height=224, width=224, fit="pad")
    (126, 224)
    >>> fitted(720, 1280, height=224, width=224, fit="squash")
    (224, 224)
    """
    if fit == "squash":
        return height, width
    by_height, by_width = Fraction(height, stored_height), Fraction(width) / stored_width
    factor = max(by_height, by_width) if fit == "crop" else min(by_height, by_width)
    rows, columns = max(1, round(stored_height * factor)), max(1, round(stored_width * factor))
    if fit == "crop":
        return max(rows, height), max(columns, width)
    return min(rows, height), min(columns, width)
