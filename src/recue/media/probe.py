"""A video's vital facts: what its headers say, and what its first picture shows."""

import os
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

from recue.core.errors import MediaError
from recue.media.decode import Reader
from recue.media.orientation import Orientation, orientation_of
from recue.media.packets import Packets
from recue.media.source import Source, opened

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


def declared_span(source: Source) -> tuple[Fraction | None, Fraction | None]:
    """First presentation time and end as the file declares them, exact; None for what it does not."""
    stream, container = source.stream, source.container
    start = None if stream.start_time is None else stream.start_time * source.tick
    if container.format.name == "mpeg":
        return start, None  # program streams are guessed at from their bit rate, and wrong by parts of a second
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        # Its duration is scaled down to the bytes that are there; the count of frames tells what is missing.
        return start, (start or 0) + stream.frames / Fraction(stream.average_rate)
    if stream.duration:
        return start, (start or 0) + stream.duration * source.tick
    written = _written_duration(stream.metadata.get("DURATION", ""))
    if written is not None:
        # Matroska counts it from the start of the file, not of the stream.
        return start, max(written, start or Fraction(0))
    if container.duration and container.format.name.startswith("matroska"):
        return start, max(Fraction(container.duration, 1_000_000), start or Fraction(0))
    if container.duration:
        return start, Fraction((container.start_time or 0) + container.duration, 1_000_000)
    return start, None


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


def _written_duration(text: str) -> Fraction | None:
    parts = text.split(":")
    try:
        hours, minutes, seconds = int(parts[0]), int(parts[1]), Fraction(parts[2])
    except (IndexError, ValueError, ZeroDivisionError):
        return None
    length = 3600 * hours + 60 * minutes + seconds
    return length if length > 0 else None


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


def measured_end(source: Source) -> Fraction:
    """Read a file through, without decoding, to learn where it ends; the source is left reopened."""
    source.reopen()
    packets = Packets(source)
    packets.read_to_end()
    source.reopen()
    return packets.end
