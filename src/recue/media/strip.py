"""Single pictures and film strips, upright, in their own shape."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MediaError
from recue.core.frames import Skip
from recue.core.segment import Segment
from recue.media.decode import Reader
from recue.media.packets import measured_end
from recue.media.picture import Painter
from recue.media.probe import pixel_aspect, shown_size
from recue.media.source import Source, opened
from recue.media.span import declared_span
from recue.media.timeline import exact, on_screen, require_inside


def thumbnail(path: str | os.PathLike[str], at_s: float, *, height: int) -> UInt8[NDArray[np.uint8], "height width 3"]:
    """The picture on screen at an instant, `height` rows high, in its own shape.

    The very end of the video gives the last picture.

    Raises:
        MediaError: the file is absent, cannot be read, or no picture can be decoded there.
        NotAVideoError: there is no video in it.
        ConfigError: the instant lies outside the video, or the height is below 1.

    Cost: decoding from the key frame before.
    """
    with _at_rest(path, Segment(at_s, at_s), height, end_counts=True) as source:
        return next(_pictures(source, [exact(at_s)], height=height, skip="none"))


def film_strip(
    path: str | os.PathLike[str], segment: Segment, *, n: int, height: int
) -> UInt8[NDArray[np.uint8], "height width 3"]:
    """`n` pictures side by side, each from the middle of one of `n` equal parts of a segment.

    A segment that reaches beyond the video is cut to it. Pictures that the codec can leave out (non-reference
    frames) are replaced by the one before.

    Raises:
        MediaError: the file is absent, cannot be read, or no picture can be decoded there.
        NotAVideoError: there is no video in it.
        ConfigError: the segment does not touch the video; `n` or the height is below 1.

    Cost: decoding the segment from the key frame before, less the groups of pictures without a part's middle.
    """
    if n < 1:
        raise ConfigError(f"a film strip has at least one picture, got n={n}")
    with _at_rest(path, segment, height, end_counts=False) as source:
        start, end = declared_span(source)
        begin = max(exact(segment.start_s), start or Fraction(0))
        stop = exact(segment.end_s) if end is None else min(exact(segment.end_s), end)
        part = max(stop - begin, Fraction(0)) / n
        middles = [begin + part * (2 * i + 1) / 2 for i in range(n)]
        return np.concatenate(list(_pictures(source, middles, height=height, skip="nonref")), axis=1)


@contextmanager
def _at_rest(path: str | os.PathLike[str], segment: Segment, height: int, *, end_counts: bool) -> Iterator[Source]:
    """Open a video whose clock is known to hold a segment."""
    if height < 1:
        raise ConfigError(f"a picture is at least 1 row high, got height={height}")
    with opened(path) as source:
        start, end = declared_span(source)
        end = measured_end(source) if end is None else end
        if not (end_counts and exact(segment.start_s) == end):
            require_inside(path, segment, start or Fraction(0), end)
        yield source


def _pictures(source: Source, instants: list[Fraction], *, height: int, skip: Skip) -> Iterator[NDArray[np.uint8]]:
    reader = Reader(source, skip=skip)
    painter: Painter | None = None
    aspect = pixel_aspect(source)
    for _, picture in on_screen(reader, reader.pictures(instants[0]), iter(instants)):
        rows, columns, orientation = shown_size(source, picture.frame)
        if painter is None:
            # A squash to the picture's own shape: nothing is cut, nothing is padded.
            painter = Painter(height=height, width=max(1, round(columns * height / rows)), fit="squash")
        yield painter.paint(picture.frame, aspect=aspect, orientation=orientation)
    if painter is None:
        raise MediaError(f"'{source.path}': not one picture could be decoded there; it may be damaged")
