"""Film strips for a page: a few frames of a segment as inline JPEG pictures."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recue import media
from recue.core.errors import RecueError
from recue.core.segment import Segment

_TILE_HEIGHT = 112
_STILL_HEIGHT = 224
_QUALITY = 78


@dataclass(frozen=True, slots=True)
class Strip:
    """Pictures for one segment, or why there are none.

    Attributes:
        tiles: `data:` addresses, in time order; one for an image.
        aspect: Width of a tile over its height.
        problem: Why there are no tiles; empty where there are.
    """

    tiles: tuple[str, ...] = ()
    aspect: float = 16 / 9
    problem: str = ""


def strip_of(path: str | Path, segment: Segment, *, n_tiles: int = 8) -> Strip:
    """Frames of a segment, evenly spaced.

    A file that is gone or damaged gives a strip that says so: a page is worth having without one picture.

    Cost: `n_tiles` seeks.
    """
    try:
        return _strip(media.film_strip(path, segment, n=n_tiles, height=_TILE_HEIGHT), n_tiles)
    except RecueError as error:
        return Strip(problem=str(error))


def still_of(path: str | Path, at_s: float | None) -> Strip:
    """One picture: of a video the one shown at `at_s`; of an image, with None, the image. Otherwise as `strip_of`."""
    try:
        if at_s is None:
            return _strip(media.read_image(path, height=_STILL_HEIGHT, width=None), 1)
        return _strip(media.thumbnail(path, at_s, height=_STILL_HEIGHT), 1)
    except RecueError as error:
        return Strip(problem=str(error))


def _strip(image: NDArray[np.uint8], n_tiles: int) -> Strip:
    height, width = image.shape[:2]
    tile_width = width // n_tiles
    tiles = [image[:, k * tile_width : (k + 1) * tile_width] for k in range(n_tiles)]
    return Strip(tiles=tuple(_data_uri(tile) for tile in tiles), aspect=tile_width / height)


def _data_uri(tile: NDArray[np.uint8]) -> str:
    jpeg = media.encode_jpeg(np.ascontiguousarray(tile), quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
