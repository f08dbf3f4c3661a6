"""The exact cut: decode, trim, encode again."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av
import numpy as np

from recue.core.errors import MediaError
from recue.media.decode import Picture, Reader
from recue.media.orientation import Orientation, orientation_of
from recue.media.source import Source, opened

_CRF = "18"
#: Pixel formats that the encoder takes as they are; others become 8-bit 4:2:0.
_KEPT_FORMATS = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"})

#: Samples a second that the encoder takes as they are.
_KEPT_SOUND_RATES = (16000, 22050, 24000, 32000, 44100, 48000)


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
            tone = _Sound.of(again, output, begin, stop)
            held: Picture | None = None
            for picture in _with(first, pictures):
                if held is not None:
                    video.write(held, picture.shown)
                    if tone is not None:
                        tone.write_until(picture.shown)
                held = picture
            assert held is not None
            stop = min(stop, max(reader.packets.end, held.shown)) if reader.packets.exhausted else stop
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


class _Sound:
    """Trims the first sound track to the cut and encodes it alongside."""

    def __init__(self, source: Source, output: Any, track: Any, begin: Fraction, stop: Fraction) -> None:
        self._begin, self._stop, self._output = begin, stop, output
        context = track.codec_context
        layout = context.layout.name if context.layout.nb_channels <= 2 else "stereo"
        rate: int = context.sample_rate if context.sample_rate in _KEPT_SOUND_RATES else 48000
        self._rate = rate
        self._stream = output.add_stream("aac", rate=rate, layout=layout)
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        self._frames = self._decoded(source, track, begin)
        self._next: Any = None
        self._written = 0

    @classmethod
    def of(cls, source: Source, output: Any, begin: Fraction, stop: Fraction) -> "_Sound | None":
        for track in source.container.streams.audio:
            if track.codec_context is not None and track.codec_context.sample_rate:
                return cls(source, output, track, begin, stop)
        return None

    def write_until(self, instant: Fraction) -> None:
        """Encode what sounds before an instant on the input's clock."""
        while True:
            if self._next is None:
                self._next = next(self._frames, None)
            if self._next is None or self._next[0] >= instant:
                return
            self._write(*self._next)
            self._next = None

    def finish(self) -> None:
        """Encode what is held back."""
        self._output.mux(self._stream.encode(None))

    def _write(self, shown: Fraction, samples: Any) -> None:
        skip = max(0, round((self._begin - shown) * self._rate))
        keep = min(samples.shape[1], round((self._stop - shown) * self._rate))
        if keep <= skip:
            return
        position = round((shown - self._begin) * self._rate) + skip
        # Rounding must not make neighbours overlap.
        position = max(position, self._written)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, skip:keep]), format="fltp", layout=self._stream.layout.name
        )
        frame.sample_rate, frame.pts, frame.time_base = self._rate, position, Fraction(1, self._rate)
        self._written = position + keep - skip
        self._output.mux(self._stream.encode(frame))

    def _decoded(self, source: Source, track: Any, begin: Fraction) -> Iterator[tuple[Fraction, Any]]:
        """Start time and samples `[channels, n]` of each block of sound, from about a second before `begin`."""
        tick = Fraction(track.time_base)
        with suppress(av.error.FFmpegError):
            source.container.seek(int(max(begin - 1, Fraction(0)) / tick), stream=track)
        for packet in source.container.demux(track):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue  # a damaged block of sound is a short silence
            for frame in frames:
                if frame.pts is None:
                    continue
                shown = Fraction(frame.pts) * Fraction(frame.time_base)
                for block in self._resampler.resample(frame):
                    yield shown, block.to_ndarray()
                    shown += Fraction(block.samples, self._rate)
