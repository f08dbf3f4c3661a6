"""The exact cut: decode, trim, encode again."""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av

from recue.core.errors import MediaError
from recue.media.decode import Picture, Reader
from recue.media.orientation import Orientation, orientation_of
from recue.media.sound import Sound
from recue.media.source import Source, opened

_CRF = "18"
#: Pixel formats that the encoder takes as they are; others become 8-bit 4:2:0.
_KEPT_FORMATS = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"})


def recode(source: Source, begin: Fraction, stop: Fraction, out: Path) -> tuple[Fraction, Fraction]:
    """Write `[begin, stop)` as H.264 and AAC, starting at 0.

    The picture on screen at `begin` opens the cut, even if it came earlier; the last one is shown until `stop`.

    Raises:
        MediaError: not one picture could be decoded.
    """
    reader = Reader(source)
    pictures = _between(reader, begin, stop)
    first = next(pictures, None)
    if first is None:
        raise MediaError(f"'{source.path}': not one picture could be decoded there; it may be damaged")
    with av.open(f"file:{out}", "w") as output:
        video = _Pictures(output, source, first.frame, begin)
        # A reader of its own: sound and pictures lie in no agreed order.
        with opened(source.path) as again:
            tone = Sound.of(again, output, begin, stop)
            held: Picture | None = None
            for picture in _with(first, pictures):
                if held is not None:
                    video.write(held, picture.shown)
                    if tone is not None:
                        tone.write_until(picture.shown)
                held = picture
            assert held is not None
            stop = min(stop, max(reader.packets.end, held.shown)) if reader.packets.exhausted else stop
            if stop <= begin:
                raise MediaError(f"'{source.path}' is cut short: its pictures end at {float(stop):.3f} s")
            video.write(held, stop)
            video.finish()
            if tone is not None:
                tone.write_until(stop)
                tone.finish()
    return begin, stop


def _between(reader: Reader, begin: Fraction, stop: Fraction) -> Iterator[Picture]:
    """The picture on screen at `begin` (or the first after), then all before `stop`."""
    held: Picture | None = None
    for picture in reader.pictures(begin):
        if picture.shown > begin + reader.packets.slack:
            if held is not None:
                yield held
                held = None
            if picture.shown >= stop:
                return
            yield picture
        else:
            held = picture
    if held is not None:
        yield held


def _with(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest


def _add_video(output: Any, source: Source, frame: Any) -> Any:
    stream = output.add_stream("libx264", rate=source.nominal_rate.limit_denominator(1 << 15))
    kept = frame.format.name in _KEPT_FORMATS
    stream.pix_fmt = frame.format.name if kept else "yuv420p"
    halves_columns, halves_rows = "444" not in stream.pix_fmt, "420" in stream.pix_fmt
    # Colour at half resolution needs even sides: an odd one loses its last line.
    stream.width = frame.width - frame.width % 2 if halves_columns else frame.width
    stream.height = frame.height - frame.height % 2 if halves_rows else frame.height
    # Ticks as long as frames (AVI) are too coarse for a cut between two frames.
    stream.codec_context.time_base = source.tick / max(1, ceil(source.tick * 10_000))
    stream.codec_context.thread_count = 1
    stream.codec_context.color_range = frame.color_range
    stream.codec_context.colorspace = frame.colorspace
    if source.stream.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = source.stream.sample_aspect_ratio
    # No B-frames: with them MP4 cannot say exactly when the last picture ends.
    stream.options = {"crf": _CRF, "preset": "veryfast", "bf": "0"}
    orientation = orientation_of(frame)
    if orientation != Orientation():
        stream.set_display_matrix(orientation.matrix())
    return stream


class _Pictures:
    """Encodes pictures at their own times, each with the length it is shown for."""

    def __init__(self, output: Any, source: Source, first: Any, begin: Fraction) -> None:
        self._output, self._stream, self._begin = output, _add_video(output, source, first), begin
        self._tick = Fraction(self._stream.codec_context.time_base)
        self._lengths: dict[int, int] = {}

    def write(self, picture: Picture, until: Fraction) -> None:
        """Encode one picture, shown until an instant on the input's clock."""
        stream = self._stream
        pts = self._ticks(max(picture.shown, self._begin))
        self._lengths[pts] = max(1, self._ticks(until) - pts)
        frame = picture.frame.reformat(width=stream.width, height=stream.height, format=stream.pix_fmt, threads=1)
        frame.pict_type = 0  # the encoder chooses its own key frames
        frame.pts, frame.time_base = pts, self._tick
        self._mux(stream.encode(frame))

    def finish(self) -> None:
        """Encode what is held back."""
        self._mux(self._stream.encode(None))

    def _ticks(self, instant: Fraction) -> int:
        return round((instant - self._begin) / self._tick)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            # The encoder gives all the same length; the last one's decides where the cut ends.
            packet.duration = self._lengths.pop(packet.pts, packet.duration)
            self._output.mux(packet)
