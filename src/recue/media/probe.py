"""What a file says of itself, without decoding the pictures."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from recue.media.source import Source, opened


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A video's vital facts.

    Attributes:
        path: The file.
        start_s: First presentation time on the video's clock; often 0, not always.
        duration_s: Length in seconds; the video ends at `start_s + duration_s`.
        width: Columns as shown: upright, stored pixels widened to their display shape.
        height: Rows as shown.
        rate: Average frames a second, exact.
        rotation_deg: Counter-clockwise degrees the stored picture is turned by to be upright: 0, 90, 180, 270.
        codec: Name of the codec: `h264`.
        pixel_format: Name of the stored pixel format: `yuv420p`.
        has_audio: Whether there is sound beside the pictures.
        n_frames: Number of pictures as the file declares it; None where it does not.
        variable_rate: Whether the distance between pictures varies; None where the file has no index to tell.
    """

    path: Path
    start_s: float
    duration_s: float
    width: int
    height: int
    rate: Fraction
    rotation_deg: int
    codec: str
    pixel_format: str
    has_audio: bool
    n_frames: int | None
    variable_rate: bool | None


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read a video's vital facts from its headers.

    Raises:
        MediaError: the file is absent or cannot be read.
        NotAVideoError: there is no video in it.
    """
    with opened(path) as source:
        stream = source.stream
        start, duration = span(source)
        return VideoInfo(
            path=Path(path),
            start_s=float(start),
            duration_s=float(duration),
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            rate=Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 25),
            rotation_deg=0,
            codec=stream.codec_context.name,
            pixel_format=stream.codec_context.pix_fmt or "",
            has_audio=bool(source.container.streams.audio),
            n_frames=stream.frames or None,
            variable_rate=None,
        )


def span(source: Source) -> tuple[Fraction, Fraction]:
    """First presentation time and length as the file declares them, exact."""
    stream, container = source.stream, source.container
    tick = stream.time_base
    start = Fraction(stream.start_time or 0) * tick
    if stream.duration:
        return start, stream.duration * tick
    if container.duration:
        end = Fraction((container.start_time or 0) + container.duration, 1_000_000)
        return start, max(end - start, Fraction(0))
    return start, Fraction(0)
