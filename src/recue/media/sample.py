"""Frames at an asked rate, at the asked size, with exact times."""

import os
from collections.abc import Iterator
from fractions import Fraction

from recue.core.frames import Frame, FrameSampling
from recue.core.segment import Segment
from recue.media.picture import Painter
from recue.media.probe import span
from recue.media.source import opened

#: Containers that keep times in milliseconds put a picture up to this far from its true time. A picture this
#: little after an instant of the grid still counts as on screen then.
_SLACK = Fraction(1, 1000)


def sample(
    path: str | os.PathLike[str],
    sampling: FrameSampling,
    *,
    segment: Segment | None = None,
    warnings: list[str] | None = None,
    threads: int = 1,
) -> Iterator[Frame]:
    """For each instant of the grid `start + k / rate`, the frame on screen then."""
    with opened(path) as source:
        start, length = span(source)
        stream = source.stream
        context = stream.codec_context
        context.thread_count = threads
        context.skip_frame = {"none": "DEFAULT", "nonref": "NONREF", "nonkey": "NONKEY"}[sampling.skip]
        painter = Painter(height=sampling.height, width=sampling.width, fit=sampling.fit)
        stop = min(start + length, Fraction(segment.end_s)) if segment else start + length
        begin = max(start, Fraction(segment.start_s)) if segment else start
        step = 1 / sampling.rate_fps if sampling.rate_fps else None
        k = -int(-(begin - start) // step) if step else 0
        held = None
        for frame in source.container.decode(stream):
            shown = frame.pts * frame.time_base
            if held is not None:
                image = None
                if step is None and begin <= held[1] < stop:
                    image = painter.paint(held[0])
                    yield Frame(image, float(held[1]), float(held[1]), float(min(shown, stop)))
                while step is not None and (due := start + k * step) < min(stop, shown - _SLACK):
                    image = painter.paint(held[0]) if image is None else image
                    yield Frame(image, float(due), float(held[1]), float(min(due + step, stop)))
                    k += 1
                if shown > stop:
                    return
            held = (frame, shown)
        if held is None:
            return
        image = painter.paint(held[0])
        if step is None and begin <= held[1] < stop:
            yield Frame(image, float(held[1]), float(held[1]), float(stop))
        while step is not None and (due := start + k * step) < stop:
            yield Frame(image, float(due), float(held[1]), float(min(due + step, stop)))
            k += 1
