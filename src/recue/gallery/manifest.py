"""gallery.json: what makes a directory a gallery, and what may be read of it before any table."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from recue.core.errors import GalleryError
from recue.gallery.protocol import SourceInfo

FILE_NAME = "gallery.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of gallery.json.

    Attributes:
        source: What makes the features.
        database: Directory of the tables inside the gallery; a rebuilt gallery gets a new one.
        created_at: UTC, ISO 8601.
        engine: Name of the engine.
        format: Layout of the directory and the tables.
    """

    source: SourceInfo
    database: str
    created_at: str
    engine: str = "lance"
    format: int = FORMAT


def new_manifest(source: SourceInfo) -> Manifest:
    """A manifest for a gallery that starts empty."""
    return Manifest(source, f"tables-{secrets.token_hex(4)}", datetime.now(UTC).isoformat(timespec="seconds"))


def is_gallery(directory: Path) -> bool:
    """Whether a directory holds a gallery."""
    return (directory / FILE_NAME).is_file()


def read_manifest(directory: Path) -> Manifest:
    """Read gallery.json.

    Raises:
        GalleryError: there is none, it is damaged, or its format is from a newer recue.
    """
    path = directory / FILE_NAME
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise GalleryError(
            f"{directory} is not a recue gallery (it has no {FILE_NAME}); make one with `recue index VIDEOS "
            f"--gallery {directory}`"
        ) from None
    except OSError as error:
        raise GalleryError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise GalleryError(
            f"{path} is damaged (no JSON); restore it from a backup, or move {directory} away and index again"
        ) from error
    try:
        found = content["format"]
        if isinstance(found, int) and found > FORMAT:
            raise GalleryError(f"{directory} has gallery format {found}, this recue reads up to {FORMAT}; update recue")
        source = SourceInfo(
            name=str(content["source"]["name"]),
            fingerprint=str(content["source"]["fingerprint"]),
            dim=int(content["source"]["dim"]),
            step_s=float(content["source"]["step_s"]),
        )
        manifest = Manifest(
            source, str(content["database"]), str(content["created_at"]), str(content["engine"]), int(found)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GalleryError(
            f"{path} is damaged ({type(error).__name__}: {error}); restore it from a backup, or move {directory} "
            "away and index again"
        ) from error
    if manifest.engine != "lance":
        raise GalleryError(f"{directory} is kept by the engine '{manifest.engine}', this recue knows: lance")
    return manifest


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write gallery.json, whole or not at all."""
    write_json_atomically(directory / FILE_NAME, asdict(manifest))


def write_json_atomically(path: Path, content: object) -> None:
    """Write JSON beside `path`, flush it to the disk and rename it into place.

    Raises:
        GalleryError: the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise GalleryError(f"{path} cannot be written: {error.strerror or error}") from error
