"""Packets: what lies in a file before decoding, on one continuous clock, with every bad spot survived and counted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from recue.media.damage import Damage
from recue.media.source import Source
from recue.media.span import declared_span

#: Containers whose ticks are milliseconds: they round the times of pictures.
_MS_TICKS = (Fraction(1, 2000), Fraction(1, 500))
#: Formats that lose data without a trace where a file is damaged: their readers go on at the next sound spot.
_SILENT_FORMATS = frozenset({"matroska", "mpegts", "mpeg", "flv", "asf", "avi"})
#: Pictures that must have come steadily before a gap between two of them is worth a word.
_MIN_STEADY = 50
#: Seconds by which a timestamp must be off to be called wild.
_WILD_S = 10
#: Unreadable spots in a row after which the rest of a file is given up.
_MAX_FAILURES = 100
#: Packets to look at after a seek before the place is called hopeless.
_MAX_PEEK = 600
#: Seconds before the wanted instant that are tried one after the other.
_STEPS_BACK_S = (0, 1, 4, 16, 64)


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """When a key frame is shown, and the timestamp to seek to that surely lands at or before it (None: the start)."""

    shown: Fraction
    seek_to: int | None


def sound_packets(container: Any, streams: Any, on_bad_spot: Callable[[], None]) -> Iterator[Any]:
    """The packets with something in them, from where the container stands; goes on behind unreadable spots."""
    failures = 0
    packets = container.demux(streams)
    while failures < _MAX_FAILURES:
        try:
            packet = next(packets, None)
        except IndexError:
            # A stream that shows up late, as in broadcasts: the library has no place for it, and it is not ours.
            packets = container.demux(streams)
            continue
        except (av.error.FFmpegError, OSError):
            failures += 1
            on_bad_spot()
            packets = container.demux(streams)
            continue
        if packet is None:
            return
        failures = 0
        if packet.size:
            yield packet


class Packets:
    """The video packets of an open file, in decoding order.

    Args:
        source: The open file.
        configure: Called to set up the decoder, `context`, each time the file is opened anew.

    Attributes:
        start: The stream's first presentation time in seconds; None where the file has no timestamps.
        frame_s: Nominal distance between pictures.
        end: Latest end of a picture announced by the packets so far: at the end of the file, its true end.
        exhausted: Whether the end of the file was reached.
        damage: What went wrong so far.
        slack: How much later than its true time a picture may be stamped: containers that keep milliseconds
            round both the start and the picture. 0 where ticks are finer, or as long as frames.
        lags: AVI stores no presentation times; where pictures are reordered, those made up lag by the reordering.
        is_timed: Whether the file itself says when each picture is shown.
        seekable: Whether seeking by time leads somewhere sensible.
        formats: Names of the container's format.
        context: The decoder of the stream; another one after a seek that had to reopen the file.
    """

    def __init__(self, source: Source, configure: "Callable[[Packets], None] | None" = None) -> None:
        self.source = source
        self.tick = tick = source.tick
        self.start = None if source.stream.start_time is None else source.stream.start_time * tick
        self.frame_s = 1 / source.nominal_rate
        self.end = Fraction(0)
        self.exhausted = False
        self.damage = Damage()
        self.slack = tick if _MS_TICKS[0] <= tick <= _MS_TICKS[1] else Fraction(0)
        self.formats = frozenset(source.container.format.name.split(","))
        self.lags = "avi" in self.formats and source.stream.codec_context.reorder_depth > 0
        self.is_timed = self.start is not None and not self.lags
        self.seekable = self.is_timed
        end = declared_span(source)[1]
        self._far = int(_WILD_S / tick)
        self._last_sane = None if end is None else int(end / tick) + self._far
        # Presentation times go up and down by some frames, where a file stores no decoding times beside them.
        self._reorder = int(max(Fraction(1), 16 * self.frame_s) / tick)
        self._is_silent = bool(self.formats & _SILENT_FORMATS)
        self._configure = configure
        self._n_steady, self._steady_step = 0, Fraction(0)
        self._demux: Any = None
        self._ahead: Any = None
        self._begin()

    @property
    def position(self) -> Fraction | None:
        """Decoding time of the last packet read; None right after the start."""
        return None if self._last_dts is None else self._last_dts * self.tick

    def next(self) -> Any:
        """The next packet with something in it; None at the end."""
        if self._ahead is not None:
            packet, self._ahead = self._ahead, None
            return packet
        for packet in self._demux:
            self._keep_clock(packet)
            if packet.is_corrupt:
                self.damage.spot(self.time_of(packet) or self.end)
            return packet
        self.exhausted = True
        return None

    def push_back(self, packet: Any) -> None:
        """Let `next` give this packet again."""
        self._ahead = packet

    def time_of(self, packet: Any) -> Fraction | None:
        """When a packet's picture is shown, or else decoded; None without a timestamp."""
        stamp = packet.pts if packet.pts is not None and not self.lags else packet.dts
        return None if stamp is None else Fraction(stamp * self.tick)

    def key_time(self, packet: Any) -> Fraction | None:
        """When a key frame is shown; None if only its decoding time is known and that may be another."""
        if packet.pts is None and self.context.reorder_depth > 0:
            return None
        return self.time_of(packet)

    def seek(self, instant: Fraction) -> int | None:
        """Go to a key frame at or before an instant; to the start where that cannot be done.

        Returns:
            The timestamp that led there; None for the start.
        """
        start = self.start or Fraction(0)
        for back in _STEPS_BACK_S:
            if instant - back <= start:
                break
            target = int((instant - back) / self.tick)
            try:
                self.source.container.seek(target, stream=self.source.stream)
            except (av.error.FFmpegError, OSError):
                break
            self._begin()
            for _ in range(_MAX_PEEK):
                packet = self.next()
                if packet is None or packet.is_keyframe:
                    break
            if packet is not None and packet.is_keyframe:
                shown = self.key_time(packet)
                if shown is not None and shown <= instant:
                    self.push_back(packet)
                    return target
        self.source.reopen()
        self._begin()
        self.seekable = False
        return None

    def key_before(self, instant: Fraction) -> KeyFrame | None:
        """The last key frame at or before an instant; None without timestamps or such a frame."""
        if not self.seekable:
            return None
        seek_to = self.seek(instant) if instant > (self.start or 0) + 1 else None
        found = None
        while (packet := self.next()) is not None:
            shown = self.key_time(packet) if packet.is_keyframe else None
            if shown is not None and shown <= instant:
                found = shown
            if self.position is not None and self.position > instant:
                break
        return None if found is None else KeyFrame(found, seek_to)

    def read_to_end(self) -> None:
        """Read all packets, so that `end` is known."""
        while self.next() is not None:
            pass

    def _begin(self) -> None:
        """Forget where the last packet was: the file was opened, or sought in."""
        self.context = self.source.stream.codec_context
        if self._configure is not None and not self.context.is_open:
            self._configure(self)
        self._demux = sound_packets(self.source.container, self.source.stream, self._note_bad_spot)
        self._ahead = None
        self._last_dts: int | None = None
        self._latest: Fraction | None = None
        self._offset = 0
        self._suspect: int | None = None
        self.exhausted = False

    def _note_bad_spot(self) -> None:
        self.damage.spot(self.end)

    def _keep_clock(self, packet: Any) -> None:
        """Close jumps of the clock, put wild timestamps in line, and remember the latest end."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            self.end += self.frame_s
            return
        if self._is_wild(stamp):
            if self._suspect is not None and abs(stamp - self._suspect) < self._reorder:
                # Two that agree: the clock was set anew, as where two recordings were joined.
                self._offset = self._next_stamp() - stamp
                self.damage.n_jumps += 1
                self.seekable = False
                self._suspect = None
            else:
                self._suspect = stamp
                packet.dts = packet.pts = self._next_stamp() - self._offset
            stamp = packet.dts if packet.dts is not None else packet.pts
        else:
            is_torn = packet.pts is not None and not -self._reorder <= packet.pts - stamp <= self._far
            if is_torn:
                packet.pts = stamp
            if is_torn or self._suspect is not None:
                self.damage.spot(self.end)
            self._suspect = None
        if self._offset:
            if packet.pts is not None:
                packet.pts += self._offset
            if packet.dts is not None:
                packet.dts += self._offset
        self._last_dts = stamp + self._offset
        shown = self.time_of(packet)
        if shown is not None and not packet.is_discard:
            if self._is_silent:
                self._watch_gap(shown)
            self.end = max(self.end, shown + (packet.duration * self.tick if packet.duration else self.frame_s))

    def _is_wild(self, stamp: int) -> bool:
        """Whether a timestamp cannot follow the last one: far back, or far on and beyond the end of the file."""
        last, value = self._last_dts, stamp + self._offset
        if last is None:
            return False
        if value < last - self._reorder:
            return True
        return self._last_sane is not None and value > max(last + self._far, self._last_sane + self._offset)

    def _next_stamp(self) -> int:
        return (self._last_dts or 0) + max(1, int(self.frame_s / self.tick))

    def _watch_gap(self, shown: Fraction) -> None:
        latest, self._latest = self._latest, max(self._latest or shown, shown)
        if latest is None or shown <= latest:
            return
        step = shown - latest
        if self._n_steady < _MIN_STEADY or step <= 2 * self._steady_step:
            self._n_steady += 1
            self._steady_step = max(self._steady_step, step)
        elif step > 4 * self._steady_step:
            self.damage.gap(latest, shown)


def measured_end(source: Source) -> Fraction:
    """Read a file through, without decoding, to learn where it ends; the source is left reopened."""
    source.reopen()
    packets = Packets(source)
    packets.read_to_end()
    source.reopen()
    return packets.end
