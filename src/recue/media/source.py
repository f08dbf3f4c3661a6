"""Opening a file: the one place where the video library's complaints about a file become ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from recue.core.errors import MediaError, NotAVideoError

#: Demuxers that read any text as pictures, or that only point at other files.
_NO_VIDEO_FORMATS = {"tty": "a text file", "concat": "a playlist", "hls": "a playlist", "dash": "a playlist"}
_IMAGE_FORMATS = frozenset({"image2", "image2pipe", "ico"})
_IMAGE_BRANDS = frozenset({"avif", "heic", "heix", "heif", "mif1"})
_ATTACHED_PICTURE = 0x400


@dataclass(slots=True)
class Source:
    """An open file and its video stream.

    Attributes:
        path: The file, for messages.
        container: The video library's open container.
        stream: Its video stream: the first that is no attached picture.
    """

    path: Path
    container: Any
    stream: Any

    @property
    def tick(self) -> Fraction:
        """Length in seconds of one unit of the stream's timestamps."""
        return Fraction(self.stream.time_base)

    @property
    def nominal_rate(self) -> Fraction:
        """Average frames a second as the file says, or the best guess; 25 where it says nothing."""
        stream = self.stream
        return Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)

    def reopen(self) -> None:
        """Go back to the very start, with a fresh decoder: the one seek that works in every format."""
        self.container.close()
        self.container = open_container(self.path)
        self.stream = _video_stream(self.path, self.container)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Open a video file and pick its video stream.

    Raises:
        MediaError: the file is absent, a folder, or cannot be read.
        NotAVideoError: the file is empty, holds sound alone, a still image, text, or something unknown.
    """
    file = Path(path)
    container = open_container(file)
    source = None
    try:
        if is_image_container(container):
            raise NotAVideoError(f"'{file}' is a still image, not a video; pass it as an image (--image)")
        source = Source(file, container, _video_stream(file, container))
        yield source
    finally:
        (source.container if source else container).close()


def open_container(file: Path) -> Any:
    """Open any media file for reading.

    Raises:
        MediaError: the file is absent, a folder, or cannot be read.
        NotAVideoError: nothing known is inside.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise MediaError(f"'{file}' cannot be read: {error.strerror or error}; check the path") from error
    if file.is_dir():
        raise MediaError(f"'{file}' is a folder; name a video file")
    if size == 0:
        raise NotAVideoError(f"'{file}' is empty (0 bytes); copy or record it again")
    try:
        # Local files alone: a playlist must not make us fetch something. The prefix keeps a name like "a:b.mp4"
        # from being read as a protocol.
        container = av.open(
            f"file:{os.path.abspath(file)}",
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except av.error.PermissionError as error:
        raise MediaError(f"'{file}' cannot be read: {error.strerror}; check its permissions") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise NotAVideoError(_why_not(file)) from error
    for name in container.format.name.split(","):
        if name in _NO_VIDEO_FORMATS:
            container.close()
            raise NotAVideoError(f"'{file}' is {_NO_VIDEO_FORMATS[name]}, not a video; name a video file")
    return container


def is_image_container(container: Any) -> bool:
    """Whether an open file is one still picture."""
    names = set(container.format.name.split(","))
    if names & _IMAGE_FORMATS or any(name.endswith("_pipe") for name in names):
        return True
    return container.metadata.get("major_brand", "").strip() in _IMAGE_BRANDS


def _video_stream(file: Path, container: Any) -> Any:
    for stream in container.streams.video:
        if int(stream.disposition) & _ATTACHED_PICTURE:
            continue
        if stream.codec_context is None:
            raise MediaError(f"'{file}' uses a video codec this build cannot decode; convert it to H.264 first")
        return stream
    if container.streams.audio:
        raise NotAVideoError(f"'{file}' holds sound but no video; name a file with moving pictures")
    raise NotAVideoError(f"'{file}' holds no video stream; name a video file")


def _why_not(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        return f"'{file}' cannot be read: {error.strerror or error}; check its permissions"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return (
            f"'{file}' is an MP4 or MOV file without a readable index (moov): the recording or the copy was cut "
            "short; copy it again, or repair it with a recovery tool"
        )
    if not any(byte < 9 or 13 < byte < 32 for byte in head):
        return f"'{file}' is a text file, not a video; name a video file"
    return f"'{file}' is not a video file, or it is damaged at its very start; name a video file"
