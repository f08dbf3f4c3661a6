"""A video's vital facts: what its headers say, and what its first picture shows."""

import os
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

from recue.core.errors import MediaError
from recue.media.decode import Reader
from recue.media.orientation import Orientation, orientation_of
from recue.media.packets import measured_end
from recue.media.source import Source, opened
from recue.media.span import declared_span

#: Index entries that are looked at to tell whether the rate varies and how far apart key frames are.
_MAX_ENTRIES = 5000


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A video's vital facts.

    Attributes:
        path: The file.
        start_s: First presentation time on the video's clock; often 0, not always.
        duration_s: Length in seconds; the video ends at `start_s + duration_s`.
        width: Columns as shown: upright, and with square pixels.
        height: Rows as shown.
        rate: Average frames a second, exact.
        rotation_deg: Clockwise degrees by which the stored picture is turned to be upright: 0, 90, 180, 270.
        codec: Name of the codec: `h264`.
        pixel_format: Name of the stored pixel format: `yuv420p`.
        has_audio: Whether there is sound beside the pictures.
        n_frames: Number of pictures as the file declares it; None where it does not.
        variable_rate: Whether the distance between pictures varies; None where the file has no index to tell.
        key_interval_s: Mean distance between key frames; None where the file has no index to tell.
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
    key_interval_s: float | None

    @property
    def end_s(self) -> float:
        """When the last picture ends."""
        return self.start_s + self.duration_s


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read a video's vital facts.

    Cost: the headers and one picture, some milliseconds; a file that does not say how long it is (a bare stream,
    an MPEG program stream) is read through without decoding.

    Raises:
        MediaError: the file is absent, cannot be read, or no picture in it can be decoded.
        NotAVideoError: there is no video in it.
    """
    with opened(path) as source:
        context = source.stream.codec_context
        facts = {"codec": context.name, "pixel_format": context.pix_fmt or ""}
        n_frames, has_audio = source.stream.frames or None, bool(source.container.streams.audio)
        variable, key_interval = _from_index(source)
        start, end = declared_span(source)
        picture = next(Reader(source).pictures(start or Fraction(0)), None)
        if picture is None:
            raise MediaError(f"'{path}' holds no picture that can be decoded; it may be damaged, copy it again")
        height, width, orientation = shown_size(source, picture.frame)
        if start is None:
            start = picture.shown
        if end is None:
            end = measured_end(source)
        return VideoInfo(
            path=Path(path),
            start_s=float(start),
            duration_s=float(max(end - start, Fraction(0))),
            width=width,
            height=height,
            rate=source.nominal_rate,
            rotation_deg=orientation.turns * 90,
            has_audio=has_audio,
            n_frames=n_frames,
            variable_rate=variable,
            key_interval_s=key_interval,
            **facts,
        )


def pixel_aspect(source: Source) -> Fraction:
    """Width over height of a stored pixel; 1 where the file says nothing or something absurd."""
    aspect = Fraction(source.stream.sample_aspect_ratio or 1)
    return aspect if Fraction(1, 5) <= aspect <= 5 else Fraction(1)


def shown_size(source: Source, frame: object) -> tuple[int, int, Orientation]:
    """Rows and columns as shown, and what turns the stored picture upright."""
    orientation = orientation_of(frame)
    height: int = frame.height  # type: ignore[attr-defined]
    width = max(1, round(frame.width * pixel_aspect(source)))  # type: ignore[attr-defined]
    if orientation.swaps_sides:
        height, width = width, height
    return height, width, orientation


def _from_index(source: Source) -> tuple[bool | None, float | None]:
    """Whether the rate varies, and the mean distance between key frames, from the first index entries."""
    entries = list(islice(source.stream.index_entries, _MAX_ENTRIES))
    if len(entries) < 3:
        return None, None
    times = [entry.timestamp for entry in entries]
    keys = [entry.timestamp for entry in entries if entry.is_keyframe]
    span = (times[-1] - times[0]) * source.tick
    key_interval = float(span) if keys else None
    if len(keys) > 1:
        key_interval = float((keys[-1] - keys[0]) * source.tick / (len(keys) - 1))
    if len(keys) == len(entries) and source.container.format.name.startswith(("matroska", "flv")):
        return None, key_interval  # these index key frames alone
    steps = [later - earlier for earlier, later in pairwise(times)]
    spread = max(steps) - min(steps)
    # One tick is rounding, unless ticks are as long as frames.
    return spread > 1 or spread * source.tick > Fraction(1, 200), key_interval
