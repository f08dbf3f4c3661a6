"""VideoWriter: pictures in, an H.264 file out, one frame at a time."""

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MediaError


class VideoWriter:
    """Writes H.264 in MP4 at a constant rate; frame k is shown at exactly `k / rate` seconds.

    The file appears under its name when the writer closes without an error; until then it carries `.partial`, and
    an error removes it. One encoder thread, so the same pictures give the same file.

    Args:
        path: Where; its folder exists, its suffix is `.mp4`.
        width: Columns of every picture, even.
        height: Rows of every picture, even.
        rate: Frames a second.
        crf: Quality of x264, 0 (lossless) to 51.
        preset: Speed of x264.
        key_frame_every: Largest distance between key frames, in frames.

    Raises:
        ConfigError: a size that is odd or below 2, a rate not above 0, or another suffix.
        MediaError: the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        width: int,
        height: int,
        rate: Fraction,
        crf: int = 20,
        preset: str = "veryfast",
        key_frame_every: int = 48,
    ) -> None:
        self.path = Path(path)
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise ConfigError(f"H.264 here needs even sizes of 2 or more, got {width}x{height}; round them to even")
        if rate <= 0:
            raise ConfigError(f"a video needs a rate above 0 frames a second, got {rate}")
        if self.path.suffix.lower() != ".mp4":
            raise ConfigError(f"videos are written as .mp4, got '{self.path.name}'")
        self.width, self.height, self.rate = width, height, rate
        self.n_frames = 0
        self._partial = self.path.with_name(self.path.name + ".partial")
        try:
            self._partial.touch()  # the library opens the file only at the first picture
            self._container: Any = av.open(str(self._partial), "w", format="mp4")
        except (av.error.FFmpegError, OSError) as error:
            raise MediaError(f"'{self.path}' cannot be written: {error}; check the folder") from error
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.gop_size = key_frame_every
        stream.codec_context.thread_count = 1
        stream.options = {"preset": preset, "crf": str(crf), "threads": "1"}
        self._stream: Any = stream

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def write(self, image: UInt8[NDArray[np.uint8], "height width 3"]) -> None:
        """Append one RGB picture.

        Raises:
            ConfigError: it has another size, or is not uint8.
            MediaError: the encoder or the disk refuses it.
        """
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ConfigError(
                f"'{self.path.name}' takes uint8 pictures of {self.width}x{self.height}, "
                f"got {image.dtype} {image.shape}"
            )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = self.n_frames, 1 / self.rate
        self._mux(frame)
        self.n_frames += 1

    def close(self) -> None:
        """Finish the file and put it under its name.

        Raises:
            MediaError: no picture was written, or the disk refuses the end of the file.
        """
        if self.n_frames == 0:
            self.abandon()
            raise MediaError(f"'{self.path}' would be a video without a picture; nothing was written")
        self._mux(None)
        try:
            self._container.close()
            self._partial.replace(self.path)
        except (av.error.FFmpegError, OSError) as error:
            self.abandon()
            raise MediaError(f"'{self.path}' cannot be written: {error}; is the disk full?") from error

    def abandon(self) -> None:
        """Remove what was written so far."""
        with suppress(av.error.FFmpegError, OSError):  # the file goes away in any case
            self._container.close()
        self._partial.unlink(missing_ok=True)

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                # Without it the last frame would end when it starts.
                packet.duration = packet.duration or 1
                self._container.mux(packet)
        except (av.error.FFmpegError, OSError) as error:
            self.abandon()
            raise MediaError(f"'{self.path}' cannot be written: {error}; is the disk full?") from error
