"""The copied cut: packets as they are, from the key frame before."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from recue.core.errors import MediaError
from recue.media.decode import Reader
from recue.media.packets import sound_packets
from recue.media.source import Source

#: Packets of other tracks to wait for once the pictures are through.
_MAX_TRAILING = 2000


def remux(source: Source, begin: Fraction, stop: Fraction, out: Path) -> tuple[Fraction, Fraction]:
    """Copy the packets of `[begin, stop)` and those from the key frame before; the copy starts at 0.

    Returns:
        From the key frame to the end of the last copied picture, on the input's clock.

    Raises:
        MediaError: the file has no timestamps, or nothing could be copied.
    """
    key = Reader(source).key_before(begin)
    if key is None:
        raise MediaError(f"'{source.path}' has no key frame or no timestamps to copy from; make an exact cut instead")
    source.reopen()
    if key.seek_to is not None:
        source.container.seek(key.seek_to, stream=source.stream)
    tracks = [source.stream]
    tracks += [track for track in source.container.streams.audio[:1] if track.codec_context is not None]
    with av.open(f"file:{out}", "w") as output:
        copies = {
            track.index: _Copy(track, output.add_stream_from_template(track), key.shown, stop) for track in tracks
        }
        video = copies[source.stream.index]
        n_trailing = 0
        for packet in sound_packets(source.container, tracks, lambda: None):
            copies[packet.stream_index].take(packet, output)
            n_trailing += video.is_done
            if all(copy.is_done for copy in copies.values()) or n_trailing > _MAX_TRAILING:
                break
    if video.end is None:
        raise MediaError(f"'{source.path}': nothing could be copied there; it may be damaged, make an exact cut")
    return key.shown, video.end


class _Copy:
    """One track on its way: what of it is taken, moved to start at 0."""

    def __init__(self, track: Any, copy: Any, start: Fraction, stop: Fraction) -> None:
        self._copy, self._start, self._stop = copy, start, stop
        self._tick = Fraction(track.time_base)
        self._shift = round(start / self._tick)
        self._is_video = track.type == "video"
        self._waits_for_key = self._is_video
        rate = Fraction(track.average_rate or 25) if self._is_video else Fraction(50)
        self._step = max(1, round(1 / rate / self._tick))
        delay = track.codec_context.reorder_depth if self._is_video else 0
        self._last_dts = -(delay + 1) * self._step
        self._latest = start
        self.end: Fraction | None = None
        self.is_done = False

    def take(self, packet: Any, output: Any) -> None:
        """Copy a packet if it belongs to the cut."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or self.is_done:
            return
        shown = stamp * self._tick
        decoded = (packet.dts if packet.dts is not None else stamp) * self._tick
        if self._waits_for_key:
            if not packet.is_keyframe or shown < self._start:
                return
            self._waits_for_key = False
        # A picture that comes after the end stays if earlier ones lean on it: those decoded after it, shown before.
        if decoded >= self._stop and shown > self._latest:
            self.is_done = True
            return
        # Pictures before the key frame lean on what was left behind.
        if shown < self._start:
            return
        self._latest = max(self._latest, shown)
        self.end = max(self.end or self._start, shown + (packet.duration or self._step) * self._tick)
        # Matroska leaves out decoding times; they only need to rise and to stay at or before the picture's.
        dts = packet.dts - self._shift if packet.dts is not None else self._last_dts + self._step
        pts = stamp - self._shift
        packet.dts = self._last_dts = max(min(dts, pts), self._last_dts + 1)
        packet.pts = max(pts, packet.dts)
        packet.stream = self._copy
        output.mux(packet)
