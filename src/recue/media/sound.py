"""Sound for an exact cut: trimmed to the sample, encoded alongside the pictures."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from recue.media.packets import sound_packets
from recue.media.source import Source

#: Samples a second that the encoder takes as they are.
_KEPT_RATES = (16000, 22050, 24000, 32000, 44100, 48000)


class Sound:
    """Trims the first sound track to the cut and encodes it alongside."""

    def __init__(self, source: Source, output: Any, track: Any, begin: Fraction, stop: Fraction) -> None:
        self._begin, self._stop, self._output = begin, stop, output
        context = track.codec_context
        layout = context.layout.name if context.layout.nb_channels <= 2 else "stereo"
        rate: int = context.sample_rate if context.sample_rate in _KEPT_RATES else 48000
        self._rate = rate
        self._stream = output.add_stream("aac", rate=rate, layout=layout)
        self._layout = layout
        self._frames = self._decoded(source, track, begin)
        self._next: Any = None
        self._written = 0

    @classmethod
    def of(cls, source: Source, output: Any, begin: Fraction, stop: Fraction) -> "Sound | None":
        """The first sound track that can be decoded; None where there is none."""
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
        resampler, kind = None, None
        for packet in sound_packets(source.container, track, lambda: None):
            try:
                for frame in packet.decode():
                    if (frame.layout.name, frame.format.name, frame.sample_rate) != kind:
                        kind = (frame.layout.name, frame.format.name, frame.sample_rate)
                        resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
                    for block in resampler.resample(frame) if resampler else ():
                        if block.pts is not None:
                            yield Fraction(block.pts * block.time_base), block.to_ndarray()
            except (av.error.FFmpegError, OSError, ValueError):
                # A damaged block of sound is a short silence.
                resampler, kind = None, None
