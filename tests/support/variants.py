"""Thirty small videos that differ in every way a reader must not mind, and their truth."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from support.videos import Written, write_video

#: Every way a video can differ that a reader must not mind. Four seconds each, small.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("a.mp4", {}),
    "b-frames": ("a.mp4", {"b_frames": 3}),
    "open-gop": ("a.mp4", {"b_frames": 3, "options": {"x264-params": "open-gop=1:keyint=20:scenecut=0"}}),
    "late-start": ("a.mp4", {"start_s": 5, "b_frames": 2}),
    "variable-rate": ("a.mp4", {"variable_rate": True, "b_frames": 2}),
    "ntsc": ("a.mp4", {"rate": Fraction(30000, 1001), "b_frames": 2}),
    "one-key-frame": ("a.mp4", {"keyint": 1000}),
    "ten-bit": ("a.mp4", {"pixel_format": "yuv420p10le"}),
    "odd-size": ("a.mp4", {"size": (101, 77), "pixel_format": "yuv444p"}),
    "turned": ("a.mp4", {"rotation": 90}),
    "upside-down": ("a.mp4", {"rotation": 180}),
    "turned-mirrored": ("a.mp4", {"rotation": 270, "mirrored": True}),
    "wide-pixels": ("a.mp4", {"pixel_aspect": Fraction(2, 1)}),
    "sound": ("a.mp4", {"audio": True, "start_s": 1}),
    "hevc": ("a.mp4", {"codec": "libx265", "b_frames": 2}),
    "prores": ("a.mov", {"codec": "prores", "pixel_format": "yuv422p10le"}),
    "matroska": ("a.mkv", {"rate": Fraction(30000, 1001), "b_frames": 2, "start_s": 3}),
    "matroska-variable": ("a.mkv", {"variable_rate": True}),
    "webm": ("a.webm", {"codec": "libvpx-vp9", "audio": True}),
    "avi": ("a.avi", {"codec": "mpeg4"}),
    "avi-b-frames": ("a.avi", {"b_frames": 2}),
    "avi-mjpeg": ("a.avi", {"codec": "mjpeg"}),
    "transport-stream": ("a.ts", {"b_frames": 2, "start_s": 10}),
    "mpeg2-stream": ("a.ts", {"codec": "mpeg2video", "b_frames": 2}),
    "mpeg1": ("a.mpg", {"codec": "mpeg1video"}),
    "flash": ("a.flv", {}),
    "windows-media": ("a.wmv", {"codec": "wmv2"}),
    "gif": ("a.gif", {"codec": "gif", "rate": 10}),
    "animated-png": ("a.apng", {"codec": "apng", "pixel_format": "rgb24", "rate": 10}),
    "bare-stream": ("a.h264", {"container": "h264", "b_frames": 2}),
}


@dataclass(frozen=True)
class Variant:
    """A written video, its truth, and how it was asked for."""

    name: str
    written: Written
    size: tuple[int, int]
    options: dict[str, Any]

    @property
    def path(self) -> Path:
        return self.written.path

    def numbers_at(self, instant_s: float, *, start_s: float) -> set[int]:
        """The frame on screen, on a clock that starts at `start_s` (some containers move it).

        Two frames where the instant falls on a change of picture and the container rounds times to milliseconds.
        """
        origin = self.written.times_s[0]
        shown = [float(time - origin) + start_s for time in self.written.times_s]
        slacks = (0.0005, 0.0015) if self.rounds else (1e-6,)
        return {max(sum(time <= instant_s + slack for time in shown) - 1, 0) for slack in slacks}

    @property
    def rounds(self) -> bool:
        """Whether the container keeps times in milliseconds."""
        return self.path.suffix in (".mkv", ".webm", ".flv", ".wmv")


def write_variant(name: str, folder: Path) -> Variant:
    """Write one of `VARIANTS` into a folder."""
    file, options = VARIANTS[name]
    size = options.get("size", (96, 72))
    return Variant(name, write_video(folder / file, **{"seconds": 4, "size": size} | options), size, options)
