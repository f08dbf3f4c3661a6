"""Frames at an asked rate, at the asked size, with exact times."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import MediaError
from recue.core.frames import Frame, FrameSampling
from recue.core.segment import Segment
from recue.media.decode import Picture, Reader
from recue.media.orientation import orientation_of
from recue.media.packets import Packets, measured_end
from recue.media.picture import Painter
from recue.media.probe import pixel_aspect
from recue.media.source import Source, opened
from recue.media.span import declared_span
from recue.media.timeline import exact, grid, on_screen, require_inside

_Paint = Callable[[Picture], NDArray[np.uint8]]


def sample(
    path: str | os.PathLike[str],
    sampling: FrameSampling,
    *,
    segment: Segment | None = None,
    warnings: list[str] | None = None,
    threads: int = 1,
) -> Iterator[Frame]:
    """For each instant of the grid `start + k / rate`, the frame on screen then.

    The grid starts at the video's first presentation time, also when only a segment is asked for, so the same
    stretch always gives the same frames: those with `due_s` inside the segment, or the one before it where the
    segment falls between two instants. Consecutive frames may share one `image` array where the picture did not
    change; do not write to it. Where the clock of the file ticks in milliseconds, a picture up to 1 ms after an
    instant counts as on screen.

    Args:
        path: The video.
        sampling: Rate, size, and what the decoder may leave out.
        segment: Only this stretch; it is found by seeking.
        warnings: Gets a sentence for each thing that went wrong without stopping us (damaged spots, a file cut
            short, made-up times), when the frames are through.
        threads: Decoder threads. One is the cheapest: two cost a quarter more work in all.

    Yields:
        Frames in order; the `until_s` of the last is the end of the video or of the segment.

    Raises:
        MediaError: the file is absent, cannot be read, or not one picture can be decoded.
        NotAVideoError: there is no video in it.
        ConfigError: the segment does not touch the video.

    Cost: one frame's time of memory, whatever the length. From 720p H.264 about 1/16 core-second a second; see
        `FrameSampling.skip` and `fast_decode` for less. At low rates groups of pictures without a wanted instant
        are passed over without decoding.
    """
    with opened(path) as source:
        start, end = declared_span(source)
        if segment is not None:
            end = measured_end(source) if end is None else end
            require_inside(path, segment, start or Fraction(0), end)
            segment = Segment(segment.start_s, min(segment.end_s, float(end)))
        reader = Reader(source, skip=sampling.skip, fast_decode=sampling.fast_decode, threads=threads)
        packets = reader.packets
        try:
            begin = exact(segment.start_s) if segment is not None else (start or Fraction(0))
            if segment is not None and start is not None and sampling.rate_fps is not None:
                begin = next(grid(start, sampling.rate_fps, segment))
            pictures = reader.pictures(begin)
            first = next(pictures, None)
            if first is None:
                raise MediaError(f"'{path}': not one picture could be decoded; it may be damaged, copy it again")
            anchor = first.shown if start is None else start
            pictures = _chain(first, pictures)
            paint = _painter(source, sampling, first)
            if sampling.rate_fps is None:
                frames = _every(packets, pictures, paint, segment)
            else:
                instants = grid(anchor, sampling.rate_fps, segment)
                frames = _on_grid(packets, on_screen(reader, pictures, instants), paint, 1 / sampling.rate_fps)
            is_empty = True
            for frame in _ended(frames, packets, segment, end):
                is_empty = False
                yield frame
            if is_empty:
                raise MediaError(
                    f"'{path}' holds no picture from {float(begin):.3f} s on: it is cut short at "
                    f"{float(packets.end):.3f} s; copy it again, or choose an earlier stretch"
                )
        finally:
            if warnings is not None:
                warnings.extend(
                    packets.damage.sentences(decoded_end=packets.end, declared_end=end if packets.exhausted else None)
                )


def _painter(source: Source, sampling: FrameSampling, first: Picture) -> _Paint:
    painter = Painter(height=sampling.height, width=sampling.width, fit=sampling.fit)
    aspect, orientation = pixel_aspect(source), orientation_of(first.frame)
    return lambda picture: painter.paint(picture.frame, aspect=aspect, orientation=orientation)


def _on_grid(
    packets: Packets, shown: Iterator[tuple[Fraction, Picture]], paint: _Paint, step: Fraction
) -> Iterator[Frame]:
    painted: tuple[Picture, NDArray[np.uint8]] | None = None
    for due, picture in shown:
        if packets.exhausted and due >= packets.end:
            return
        if painted is None or painted[0] is not picture:
            painted = (picture, paint(picture))
        yield Frame(painted[1], float(due), float(picture.shown), float(due + step))


def _every(packets: Packets, pictures: Iterator[Picture], paint: _Paint, segment: Segment | None) -> Iterator[Frame]:
    """Each picture as it comes; of a segment those that appear in it, or else the one on screen."""
    begin = exact(segment.start_s) if segment else None
    stop = exact(segment.end_s) if segment else None
    earlier, is_empty = None, True
    for picture in pictures:
        if begin is not None and picture.shown < begin - packets.slack:
            earlier = picture
            continue
        if stop is not None and picture.shown >= stop:
            break
        is_empty = False
        shown_s = float(picture.shown)
        yield Frame(paint(picture), shown_s, shown_s, shown_s)
    if is_empty and earlier is not None:
        shown_s = float(earlier.shown)
        yield Frame(paint(earlier), shown_s, shown_s, shown_s)


def _ended(frames: Iterator[Frame], packets: Packets, segment: Segment | None, end: Fraction | None) -> Iterator[Frame]:
    """Give each frame its end: the next one's start, and for the last the end of the segment or the video."""
    held: Frame | None = None
    for frame in frames:
        if held is not None:
            yield replace(held, until_s=frame.due_s)
        held = frame
    if held is None:
        return
    ends = [held.until_s] if held.until_s > held.due_s else []
    if packets.exhausted:
        ends.append(float(packets.end))
    elif end is not None:
        ends.append(float(end))
    if segment is not None:
        ends.append(segment.end_s)
    ends = [instant for instant in ends if instant > held.due_s]
    yield replace(held, until_s=min(ends) if ends else held.due_s)


def _chain(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest
