"""From a decoded frame to the asked picture: scaled, cut or padded, upright, RGB."""

from fractions import Fraction
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from recue.core.frames import Fit
from recue.media.orientation import Orientation

_UPRIGHT = Orientation()


class Painter:
    """Brings decoded frames to one size; keeps the scaler's tables between frames.

    Scaling goes from the stored picture straight to the target size, by area averaging, so that nothing aliases;
    turning upright comes last, when the picture is small. Colour takes a second, cheap step: the scaler is 2.4
    times faster (0.37 against 0.88 ms from 720p to 224 rows, one core) when it stays in the stored colour family
    and a same-size conversion makes the RGB, and no less accurate (44.5 against 42.8 dB to an exact area average).
    """

    def __init__(self, *, height: int, width: int, fit: Fit) -> None:
        self._height, self._width, self._fit = height, width, fit
        self._scaler, self._to_rgb = VideoReformatter(), VideoReformatter()

    def paint(
        self, frame: Any, *, aspect: Fraction = Fraction(1), orientation: Orientation = _UPRIGHT
    ) -> NDArray[np.uint8]:
        """One picture.

        Args:
            frame: A decoded frame.
            aspect: Width over height of a stored pixel.
            orientation: What makes it upright.

        Returns:
            `[height, width, 3]`, contiguous and owned by the caller.
        """
        height, width = self._height, self._width
        if orientation.swaps_sides:
            height, width = width, height
        rows, columns = fitted(frame.height, frame.width * aspect, height=height, width=width, fit=self._fit)
        image = self._scaled(frame, rows, columns)
        if self._fit == "crop":
            top, left = (rows - height) // 2, (columns - width) // 2
            image = image[top : top + height, left : left + width]
        elif (rows, columns) != (height, width):
            canvas = np.zeros((height, width, 3), np.uint8)
            top, left = (height - rows) // 2, (width - columns) // 2
            canvas[top : top + rows, left : left + columns] = image
            image = canvas
        # A copy either way: the library's buffer goes back to its pool.
        return np.array(orientation.apply(image), order="C")

    def _scaled(self, frame: Any, rows: int, columns: int) -> NDArray[np.uint8]:
        if not frame.format.is_rgb and frame.format.name != "pal8":
            # One thread: the default would start as many as there are cores, for a third of a millisecond.
            frame = self._scaler.reformat(frame, columns, rows, "yuv422p", interpolation=Interpolation.AREA, threads=1)
        frame = self._to_rgb.reformat(frame, columns, rows, "rgb24", interpolation=Interpolation.AREA, threads=1)
        plane = frame.planes[0]
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return lines[:rows, : columns * 3].reshape(rows, columns, 3)


def fitted(stored_height: int, stored_width: int | Fraction, *, height: int, width: int, fit: Fit) -> tuple[int, int]:
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
