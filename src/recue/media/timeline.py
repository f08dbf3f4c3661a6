"""Instants and pictures: which picture is on screen when."""

from collections.abc import Iterator
from fractions import Fraction

from recue.core.clock import format_hms
from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.media.decode import Picture, Reader


def exact(seconds: float) -> Fraction:
    """The simple fraction that a float of seconds stands for.

    >>> exact(0.1)
    Fraction(1, 10)
    >>> exact(1001 / 30000)
    Fraction(1001, 30000)
    """
    return Fraction(seconds).limit_denominator(1_000_000)


def on_screen(
    reader: Reader, pictures: Iterator[Picture], instants: Iterator[Fraction]
) -> Iterator[tuple[Fraction, Picture]]:
    """For each instant the picture on screen then: the last that is not after it.

    A picture at most `reader.packets.slack` after an instant counts as not after it.

    Instants before the first picture get the first; instants after the last picture get the last, for ever: the
    caller knows where to stop.

    Args:
        reader: What `pictures` comes from; it is told what is needed next.
        pictures: In order of presentation.
        instants: Ascending.
    """
    instant = next(instants, None)
    held: Picture | None = None
    for picture in pictures:
        while held is not None and instant is not None and picture.shown > instant + reader.packets.slack:
            yield instant, held
            instant = next(instants, None)
        if instant is None:
            return
        reader.need = max(reader.need, instant)
        held = picture
    while held is not None and instant is not None:
        yield instant, held
        instant = next(instants, None)


def grid(anchor: Fraction, rate: Fraction, segment: Segment | None) -> Iterator[Fraction]:
    """The instants `anchor + k / rate` inside a segment, without end where there is none.

    A segment that falls between two instants gets the earlier one, so that it is never empty.
    """
    step = 1 / rate
    if segment is None:
        k = 0
        while True:
            yield anchor + k * step
            k += 1
    begin, end = exact(segment.start_s), exact(segment.end_s)
    k = max(0, -int((anchor - begin) // step))  # rounded up
    if anchor + k * step >= end:
        yield anchor + max(0, k - 1) * step
        return
    while anchor + k * step < end:
        yield anchor + k * step
        k += 1


def require_inside(path: object, segment: Segment, start: Fraction, end: Fraction | None) -> None:
    """Refuse a segment that does not touch the video.

    Raises:
        ConfigError: it lies before the start, or at or after the end.
    """
    begin, stop = exact(segment.start_s), exact(segment.end_s)
    if (stop <= start and begin < start) or (end is not None and begin >= end):
        known = f"{format_hms(float(start))} to {format_hms(float(end)) if end is not None else 'its end'}"
        raise ConfigError(
            f"{format_hms(segment.start_s)} to {format_hms(segment.end_s)} lies outside '{path}', which runs from "
            f"{known}; choose a stretch inside"
        )
