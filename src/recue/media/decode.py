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
from recue.media.packets import KeyFrame, Packets
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
#: A group of packets longer than this is decoded without waiting for its end, to bound memory.
_MAX_GROUP = 600
_MAX_GROUP_BYTES = 64 << 20
#: Packets that a jump must save to be worth it (it costs about 2 ms, as much as reading 200).
_MIN_JUMP = 300


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame and its exact presentation time in seconds."""

    frame: Any
    shown: Fraction


class Reader:
    """Decodes one video from an instant on.

    Attributes:
        need: The consumer asks for no picture that left the screen before this instant. It only grows.
        packets: Where the pictures come from; knows the end, the damage, the slack of the clock.
    """

    def __init__(self, source: Source, *, skip: Skip = "none", fast_decode: bool = False, threads: int = 1) -> None:
        self.need = Fraction(0)
        self._skip, self._fast_decode, self._threads = skip, fast_decode, threads
        self.packets = packets = Packets(source, self._configure)
        self._honest = packets.context.name in _HONEST_KEYS and packets.is_timed
        # Where key frames cannot be trusted to stand alone, everything must be decoded.
        self._keys_only = skip == "nonkey" and self._honest
        self._shift: Fraction | None = None
        self._last_shown: Fraction | None = None
        self._n_untimed = 0

    def pictures(self, begin: Fraction) -> Iterator[Picture]:
        """Pictures in order of presentation, from the one on screen at `begin` (or an earlier one) on."""
        packets, self.need = self.packets, begin
        if self._honest and packets.seekable and begin > (packets.start or 0) + 1:
            packets.seek(begin)
        flowing = True
        while (group := self._next_group()) is not None:
            members, following = group
            is_whole = members[0].is_keyframe
            if self._honest and is_whole and following is not None and self.need >= following:
                flowing = False
                self._maybe_jump(following)
                continue
            if not flowing:
                if not is_whole:
                    continue
                # What the decoder still holds back lies before `need`. Emptied, it also leaves out by itself the
                # pictures shown before the key frame that lean on what was passed over.
                packets.context.flush_buffers()
                flowing = True
            for packet in members:
                yield from self._decoded(packet)
                if self._honest and following is not None and self.need >= following:
                    flowing = False
                    break
            if self._keys_only and flowing:
                yield from self._drained()
                packets.context.flush_buffers()
        if flowing:
            yield from self._drained()

    def key_before(self, instant: Fraction) -> KeyFrame | None:
        """The last key frame at or before an instant; None where there is none to trust.

        The reader is of no use for pictures afterwards.
        """
        return self.packets.key_before(instant) if self._honest else None

    def _configure(self, packets: Packets) -> None:
        context = packets.context
        context.thread_count = self._threads
        context.thread_type = "FRAME" if self._threads > 1 else "NONE"
        if self._fast_decode:
            context.options = {"skip_loop_filter": "all"}
        # Where times are counted, each picture must come out.
        if self._skip == "nonref" and packets.is_timed:
            context.skip_frame = "NONREF"

    def _next_group(self) -> tuple[list[Any], Fraction | None] | None:
        """The next key packet with what follows it, and the time of the key frame after; None at the end.

        The time is None where it is not known: at the end, and for a group too long to wait for.
        """
        members: list[Any] = []
        n_bytes = 0
        while (packet := self.packets.next()) is not None:
            if packet.is_keyframe and members:
                self.packets.push_back(packet)
                return members, self.packets.key_time(packet)
            if self._keys_only and not packet.is_keyframe:
                continue
            members.append(packet)
            n_bytes += packet.size
            if len(members) >= _MAX_GROUP or n_bytes >= _MAX_GROUP_BYTES:
                return members, None
        return (members, None) if members else None

    def _maybe_jump(self, following: Fraction) -> None:
        """Jump towards `need` if that saves reading many packets."""
        packets = self.packets
        is_far = self.need - following >= _MIN_JUMP * packets.frame_s
        if not (is_far and packets.seekable and packets.formats & _INDEXED_FORMATS):
            return
        before = packets.position
        packets.seek(self.need)
        after = packets.position
        if before is None or after is None or after < before:
            packets.seekable = False  # no progress: read through from now on

    def _decoded(self, packet: Any) -> Iterator[Picture]:
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, OSError):
            self.packets.damage.spot(self.packets.time_of(packet) or self.packets.end)
            return
        yield from self._timed(frames)

    def _drained(self) -> Iterator[Picture]:
        try:
            frames = self.packets.context.decode(None)
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError):
            self.packets.damage.spot(self.packets.end)
            return
        yield from self._timed(frames)

    def _timed(self, frames: list[Any]) -> Iterator[Picture]:
        for frame in frames:
            shown = self._shown(frame)
            if frame.is_corrupt:
                self.packets.damage.spot(shown)
            if self._last_shown is not None and shown <= self._last_shown:
                self.packets.damage.n_disordered += 1
                continue
            self._last_shown = shown
            yield Picture(frame, shown)

    def _shown(self, frame: Any) -> Fraction:
        packets = self.packets
        start, tick = packets.start or Fraction(0), packets.tick
        if packets.lags:
            # Only the decoding clock is steady here: pictures come out one a tick, late by the reordering.
            if frame.dts is None:
                return (self._last_shown or start) + packets.frame_s
            if self._shift is None:
                self._shift = frame.dts * tick - start
            return Fraction(frame.dts * tick - self._shift)
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None:
            packets.damage.without_times = 1 / packets.frame_s
            self._n_untimed += 1
            return start + (self._n_untimed - 1) * packets.frame_s
        return Fraction(stamp * tick)
