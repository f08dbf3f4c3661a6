"""Which files are videos: the walk over folders."""

import os
from collections.abc import Iterable
from pathlib import Path

from recue.core.errors import MediaError

#: File endings taken from a folder, lower case. A file named explicitly is taken whatever its ending.
# fmt: off
VIDEO_SUFFIXES: frozenset[str] = frozenset([
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m2t", ".m2ts", ".m2v", ".m4v",
    ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv",
    ".ts", ".vob", ".webm", ".wmv", ".y4m",
])
# fmt: on


def find_videos(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Absolute paths of the videos in files and folders, each once, sorted.

    Folders are walked to the bottom by suffix (`VIDEO_SUFFIXES`); hidden files and folders (a leading dot) are
    left out, links to folders are not followed. A file named explicitly is taken whatever its suffix: whether it
    is a video is for `probe` to say.

    Raises:
        MediaError: a path does not exist.
    """
    found: set[Path] = set()
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir():
            found.update(_walk(path))
        elif path.exists():
            found.add(Path(os.path.abspath(path)))
        else:
            raise MediaError(f"'{path}' does not exist; name a video file or a folder of videos")
    return sorted(found)


def _walk(folder: Path) -> Iterable[Path]:
    for root, folders, names in os.walk(os.path.abspath(folder)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES:
                yield Path(root, name)
