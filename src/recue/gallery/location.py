"""Where galleries are: names under recue's home, or directories anywhere."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from recue.core.errors import ConfigError
from recue.gallery.manifest import is_gallery

DEFAULT_NAME = "default"

_NAME = re.compile(r"[^\s./\\~][^/\\\0]*")


@dataclass(frozen=True, slots=True)
class GalleryLocation:
    """A named gallery that exists."""

    name: str
    path: Path


def home_dir() -> Path:
    """recue's own directory: `RECUE_HOME`, or the user's data directory."""
    given = os.environ.get("RECUE_HOME")
    return Path(given).expanduser().absolute() if given else platformdirs.user_data_path("recue")


def galleries_dir() -> Path:
    """Where named galleries lie."""
    return home_dir() / "galleries"


def resolve_location(name_or_dir: str | os.PathLike[str] | None = None) -> Path:
    """The directory that is meant; it need not exist.

    None is the gallery named `default`. A word without a separator is a named gallery, unless the current directory
    holds a gallery of that name. Anything else, and any path object, is a directory.

    Raises:
        ConfigError: empty, or no possible name.
    """
    if name_or_dir is None:
        return galleries_dir() / DEFAULT_NAME
    if isinstance(name_or_dir, os.PathLike):
        return Path(name_or_dir).expanduser().absolute()
    if not name_or_dir.strip():
        raise ConfigError("a gallery is a name or a directory, got an empty text")
    directory = Path(name_or_dir).expanduser().absolute()
    has_separator = "/" in name_or_dir or os.sep in name_or_dir or name_or_dir in (".", "..", "~")
    if has_separator or is_gallery(directory):
        return directory
    if not _NAME.fullmatch(name_or_dir):
        raise ConfigError(
            f"'{name_or_dir}' is no name for a gallery: a name does not begin with a space, a dot or a tilde; "
            f"for a directory write ./{name_or_dir}"
        )
    return galleries_dir() / name_or_dir


def list_galleries() -> list[GalleryLocation]:
    """The named galleries, by name."""
    root = galleries_dir()
    if not root.is_dir():
        return []
    found = [GalleryLocation(path.name, path) for path in root.iterdir() if is_gallery(path)]
    return sorted(found, key=lambda gallery: gallery.name)
