"""Still images."""

import io
import os
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from recue.core.errors import MediaError
from recue.core.frames import Fit
from recue.media.exif import exif_orientation
from recue.media.orientation import orientation_of
from recue.media.picture import Painter
from recue.media.source import is_image_container


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one still picture, by its content. False for anything else, an absent file included."""
    try:
        # Nameless, so that only what is inside counts: by its name, any "a.jpg" would do.
        with Path(path).open("rb") as file, av.open(_Nameless(file), metadata_errors="replace") as container:
            return is_image_container(container)
    except (av.error.FFmpegError, OSError, ValueError):
        return False


def read_image(path: str | os.PathLike[str], *, height: int, width: int | None, fit: Fit = "crop") -> NDArray[np.uint8]:
    """A still image, upright, at the asked size: `[height, width, 3]`, RGB. Without a width, in its own shape.

    Raises:
        MediaError: the file is absent, or no image that can be decoded.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise MediaError(f"'{file}' cannot be read: {error.strerror}; check the path") from error
    try:
        # From memory: a name like "a%03d.png" would be taken for a pattern.
        with av.open(io.BytesIO(data)) as container:
            frame = next(container.decode(video=0))
    except (av.error.FFmpegError, StopIteration, IndexError, ValueError) as error:
        raise MediaError(f"'{file}' is no image that can be decoded; give a JPEG, PNG or WebP file") from error
    orientation = exif_orientation(data) or orientation_of(frame)
    if width is None:
        rows, columns = (frame.width, frame.height) if orientation.swaps_sides else (frame.height, frame.width)
        width, fit = max(1, round(columns * height / rows)), "squash"
    return Painter(height=height, width=width, fit=fit).paint(frame, orientation=orientation)


class _Nameless:
    """An open file that keeps its name to itself."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
