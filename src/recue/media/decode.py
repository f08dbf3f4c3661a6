"""Reader: from packets to pictures with exact times, decoding no more than is asked for.

The consumer says by `need` which instant it asks for next. Packets are taken group by group, from one key frame to
the next; a group that shows nothing needed is passed over without decoding, and the rest of a group is, once the
needed picture is out. Reading a packet costs about 10 microseconds, decoding a 720p picture 2 milliseconds. Where
the next need lies so far ahead that even reading through costs more than a jump, it jumps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from recue.core.frames import Skip
from recue.media.damage import Damage
from recue.media.source import Source

#: Codecs whose packets, when marked as key frames, really decode without what came before.
# fmt: off
_HONEST_KEYS = frozenset([
    "h264", "hevc", "av1", "vp8", "vp9", "vp6", "vp6f", "theora", "mpeg1video", "mpeg2video", "mpeg4", "h263",
    "flv1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "wmv3", "vc1", "mjpeg", "mjpegb", "png", "prores", "dnxhd",
    "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "cinepak",
])
# fmt: on
#: Formats where a seek by time lands on a key frame at or before it by an index, without a search in the file.
_INDEXED_FORMATS = frozenset({"mov", "matroska", "avi"})
_MS_TICKS = (Fraction(1, 2000), Fraction(1, 500))
#: A group of packets longer than this is decoded without waiting for its end, to bound memory.
_MAX_GROUP = 600
_MAX_GROUP_BYTES = 64 << 20
#: Packets that a jump must save to be worth it (it costs about 2 ms, as much as reading 200).
_MIN_JUMP = 300
#: Unreadable spots in a row after which the rest of a file is given up.
_MAX_FAILURES = 100


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """When a key frame is shown, and the timestamp to seek to that surely lands at or before it (None: the start)."""

    shown: Fraction
    seek_to: int | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame and its exact presentation time in seconds."""

    frame: Any
    shown: Fraction


class Reader:
    """Decodes one video from an instant on.

    Attributes:
        need: The consumer asks for no picture that left the screen before this instant. It only grows.
        end: Latest end of a picture announced by the packets read so far: at the end of the file, its true end.
        damage: What went wrong so far.
        exhausted: Whether the file was read to its end.
        slack: How much later than its true time a picture may be stamped: containers that keep milliseconds
            round both the start and the picture. 0 where ticks are finer, or as long as frames.
    """

    def __init__(self, source: Source, *, skip: Skip = "none", fast_decode: bool = False, threads: int = 1) -> None:
        self.need = Fraction(0)
        self.end = Fraction(0)
        self.damage = Damage()
        self.exhausted = False
        self._source, self._skip, self._fast_decode, self._threads = source, skip, fast_decode, threads
        self._tick = source.tick
        self.slack = source.tick if _MS_TICKS[0] <= source.tick <= _MS_TICKS[1] else Fraction(0)
        self._frame_s = 1 / source.nominal_rate
        self._start: Fraction | None = None
        if source.stream.start_time is not None:
            self._start = source.stream.start_time * self._tick
        self._shift: Fraction | None = None
        self._last_shown: Fraction | None = None
        self._n_untimed = 0
        self._last_dts: int | None = None
        self._offset = 0
        self._ahead: list[Any] = []
        self._prepare()

    def pictures(self, begin: Fraction) -> Iterator[Picture]:
        """Pictures in order of presentation, from the one on screen at `begin` (or an earlier one) on."""
        self.need = begin
        if self._seekable and begin > (self._start or 0) + 1:
            self._seek(begin)
        flowing, floor = True, None
        while (group := self._next_group()) is not None:
            packets, following = group
            is_whole = packets[0].is_keyframe
            if self._honest and is_whole and following is not None and self.need >= following:
                flowing = False
                self._maybe_jump(following)
                continue
            if not flowing:
                if not is_whole:
                    continue
                # What the decoder still holds back lies before `need`; what it would show before the key frame
                # leans on what was passed over.
                self._context.flush_buffers()
                flowing, floor = True, self._key_time(packets[0])
            for packet in packets:
                yield from self._decoded(packet, floor)
                if self._honest and following is not None and self.need >= following:
                    flowing = False
                    break
            if self._keys_only and flowing:
                yield from self._drained(floor)
                self._context.flush_buffers()
        if flowing:
            yield from self._drained(floor)

    def key_before(self, instant: Fraction) -> KeyFrame | None:
        """The last key frame at or before an instant; None without timestamps or such a frame.

        The reader is of no use for pictures afterwards.
        """
        if not self._seekable:
            return None
        seek_to = self._seek(instant) if instant > (self._start or 0) + 1 else None
        found = None
        while (packet := self._next_packet()) is not None:
            shown = self._key_time(packet) if packet.is_keyframe else None
            if shown is not None and shown <= instant:
                found = shown
            if self._last_dts is not None and self._last_dts * self._tick > instant:
                break
        return None if found is None else KeyFrame(found, seek_to)

    def read_to_end(self) -> None:
        """Read all packets without decoding one, so that `end` is known."""
        while self._next_packet() is not None:
            pass
        self.exhausted = True

    # Packets.

    def _prepare(self) -> None:
        """Set up the decoder of the (re)opened file."""
        self._context = context = self._source.stream.codec_context
        context.thread_count = self._threads
        context.thread_type = "FRAME" if self._threads > 1 else "NONE"
        if self._fast_decode:
            context.options = {"skip_loop_filter": "all"}
        formats = set(self._source.container.format.name.split(","))
        # AVI stores no presentation times; where pictures are reordered, the made ones lag by the reordering.
        self._lags = "avi" in formats and context.reorder_depth > 0
        is_timed = not self._lags and self._start is not None
        self._honest = context.name in _HONEST_KEYS and is_timed
        self._seekable = self._honest
        # Where times are counted, or key frames cannot be trusted to stand alone, everything must be decoded.
        self._keys_only = self._skip == "nonkey" and self._honest
        if self._skip == "nonref" and is_timed:
            context.skip_frame = "NONREF"
        self._indexed = bool(formats & _INDEXED_FORMATS)
        self._demux = self._source.container.demux(self._source.stream)

    def _next_group(self) -> tuple[list[Any], Fraction | None] | None:
        """The next key packet with what follows it, and the time of the key frame after; None at the end.

        The time is None where it is not known: at the end, and for a group too long to wait for.
        """
        packets: list[Any] = []
        n_bytes = 0
        while (packet := self._next_packet()) is not None:
            if packet.is_keyframe and packets:
                self._ahead.append(packet)
                return packets, self._key_time(packet)
            if self._keys_only and not packet.is_keyframe:
                continue
            packets.append(packet)
            n_bytes += packet.size
            if len(packets) >= _MAX_GROUP or n_bytes >= _MAX_GROUP_BYTES:
                return packets, None
        self.exhausted = True
        return (packets, None) if packets else None

    def _next_packet(self) -> Any:
        """The next packet with something in it, its clock made continuous; None at the end."""
        if self._ahead:
            return self._ahead.pop(0)
        failures = 0
        while failures < _MAX_FAILURES:
            try:
                packet = next(self._demux, None)
            except (av.error.FFmpegError, OSError):
                # The library can mostly go on behind a bad spot.
                failures += 1
                self.damage.spot(self.end)
                self._demux = self._source.container.demux(self._source.stream)
                continue
            if packet is None:
                return None
            if packet.size == 0:
                continue
            self._keep_clock(packet)
            if packet.is_corrupt:
                self.damage.spot(self._time_of(packet) or self.end)
            return packet
        return None

    def _keep_clock(self, packet: Any) -> None:
        """Close backward jumps of the clock (joined recordings), and remember the latest end."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None:
            self.end += self._frame_s
            return
        last, second = self._last_dts, int(1 / self._tick)
        if last is not None and stamp + self._offset < last - second:
            self._offset = last + max(1, int(self._frame_s / self._tick)) - stamp
            self.damage.n_jumps += 1
            self._seekable = False
        if self._offset:
            if packet.pts is not None:
                packet.pts += self._offset
            if packet.dts is not None:
                packet.dts += self._offset
        self._last_dts = stamp + self._offset
        shown = self._time_of(packet)
        if shown is not None and not packet.is_discard:
            length = packet.duration * self._tick if packet.duration else self._frame_s
            self.end = max(self.end, shown + length)

    def _time_of(self, packet: Any) -> Fraction | None:
        stamp = packet.pts if packet.pts is not None and not self._lags else packet.dts
        return None if stamp is None else Fraction(stamp * self._tick)

    def _key_time(self, packet: Any) -> Fraction | None:
        """When a key frame is shown; None if only its decoding time is known and that may be another."""
        if packet.pts is None and self._context.reorder_depth > 0:
            return None
        return self._time_of(packet)

    # Seeking.

    def _seek(self, instant: Fraction) -> int | None:
        """Place the next packet at a key frame at or before an instant, or at the start.

        Returns:
            The timestamp that led there; None for the start.
        """
        start = self._start or Fraction(0)
        for back in (0, 1, 4, 16, 64):
            if instant - back <= start:
                break
            target = int((instant - back) / self._tick)
            try:
                self._source.container.seek(target, stream=self._source.stream)
            except (av.error.FFmpegError, OSError):
                break
            self._demux = self._source.container.demux(self._source.stream)
            self._ahead, self._last_dts = [], None
            for _ in range(_MAX_GROUP):
                packet = self._next_packet()
                if packet is None or packet.is_keyframe:
                    break
            if packet is not None and packet.is_keyframe:
                shown = self._key_time(packet)
                if shown is not None and shown <= instant:
                    self._ahead = [packet]
                    return target
        self._source.reopen()
        self._ahead, self._last_dts, self._offset = [], None, 0
        self._prepare()
        self._seekable = False
        return None

    def _maybe_jump(self, following: Fraction) -> None:
        """Jump towards `need` if that saves reading many packets."""
        if not (self._seekable and self._indexed) or self.need - following < _MIN_JUMP * self._frame_s:
            return
        before = self._last_dts
        self._seek(self.need)
        if before is None or self._last_dts is None or self._last_dts < before:
            self._seekable = False  # no progress: read through from now on

    # Pictures.

    def _decoded(self, packet: Any, floor: Fraction | None) -> Iterator[Picture]:
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, OSError):
            self.damage.spot(self._time_of(packet) or self.end)
            return
        yield from self._timed(frames, floor)

    def _drained(self, floor: Fraction | None) -> Iterator[Picture]:
        try:
            frames = self._context.decode(None)
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError):
            self.damage.spot(self.end)
            return
        yield from self._timed(frames, floor)

    def _timed(self, frames: list[Any], floor: Fraction | None) -> Iterator[Picture]:
        for frame in frames:
            shown = self._shown(frame)
            if frame.is_corrupt:
                self.damage.spot(shown)
            if floor is not None and shown < floor:
                continue
            if self._last_shown is not None and shown <= self._last_shown:
                self.damage.n_disordered += 1
                continue
            self._last_shown = shown
            yield Picture(frame, shown)

    def _shown(self, frame: Any) -> Fraction:
        start = self._start or Fraction(0)
        if self._lags:
            # Only the decoding clock is steady here: pictures come out one a tick, late by the reordering.
            if frame.dts is None:
                return (self._last_shown or start) + self._frame_s
            if self._shift is None:
                self._shift = frame.dts * self._tick - start
            return Fraction(frame.dts * self._tick - self._shift)
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None:
            self.damage.without_times = self._source.nominal_rate
            self._n_untimed += 1
            return start + (self._n_untimed - 1) * self._frame_s
        return Fraction(stamp * self._tick)
