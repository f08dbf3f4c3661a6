"""Opening, creating and starting over a gallery."""

import os
import shutil
from pathlib import Path

from recue.core.errors import ConfigError, FingerprintError, GalleryError
from recue.gallery import tables
from recue.gallery.embedded import WRITER_TIMEOUT_S, LanceGallery
from recue.gallery.location import list_galleries, resolve_location
from recue.gallery.lock import exclusive, uninterrupted
from recue.gallery.manifest import is_gallery, new_manifest, read_manifest, write_manifest
from recue.gallery.protocol import Gallery, SourceInfo


def open_gallery(
    location: str | os.PathLike[str] | None = None, *, create: bool = False, source: SourceInfo | None = None
) -> Gallery:
    """Open a gallery.

    Args:
        location: As `resolve_location` reads it: a name, a directory, or None for the default gallery.
        create: Make it where there is none.
        source: What the caller will make features with. Needed to create; where the gallery exists, it must fit.

    Raises:
        GalleryError: there is none and `create` is False; the directory is something else; it is damaged or of a
            newer format.
        FingerprintError: the gallery's features were made by something else than `source`.
        ConfigError: it must be created and `source` is missing.
    """
    directory = resolve_location(location)
    if not is_gallery(directory):
        if not create:
            raise _no_gallery(directory)
        if source is None:
            raise ConfigError(f"a new gallery needs to know its backbone: open_gallery({directory}, source=...)")
        _create(directory, source)
    gallery = LanceGallery(directory)
    if source is not None and source.fingerprint != gallery.info.source.fingerprint:
        raise FingerprintError(mismatch(directory, gallery.info.source, source))
    return gallery


def mismatch(directory: Path, made_by: SourceInfo, source: SourceInfo) -> str:
    """Why features of a source do not go into, or with, a gallery that another one made, and the ways out."""
    if made_by.name == source.name:
        return (
            f"the gallery {directory} was made by another version of '{source.name}' ({made_by.fingerprint}) than this "
            f"one ({source.fingerprint}), and their features cannot be compared; make them all again with "
            f"`recue index --rebuild --gallery {directory}`"
        )
    return (
        f"the gallery {directory} holds features of '{made_by.name}' ({made_by.fingerprint}), asked for was "
        f"'{source.name}' ({source.fingerprint}); leave the profile or backbone out to use the gallery's, choose "
        "another gallery, or make all features again with `recue index --rebuild`"
    )


def reset_gallery(location: str | os.PathLike[str] | None, source: SourceInfo) -> Gallery:
    """Empty a gallery and give it another backbone, in one step; what `recue index --rebuild` begins with.

    Raises:
        GalleryError: there is none, or another process keeps writing to it.
    """
    directory = resolve_location(location)
    if not is_gallery(directory):
        raise _no_gallery(directory)
    lock = exclusive(directory / "writer.lock", timeout_s=WRITER_TIMEOUT_S, what=f"the gallery {directory}")
    with lock, uninterrupted():
        old = read_manifest(directory)
        manifest = new_manifest(source)
        tables.create_tables(directory / manifest.database, source.dim)
        write_manifest(directory, manifest)
        shutil.rmtree(directory / old.database, ignore_errors=True)
        shutil.rmtree(directory / "derived", ignore_errors=True)
    return LanceGallery(directory)


def _create(directory: Path, source: SourceInfo) -> None:
    if directory.exists() and not directory.is_dir():
        raise GalleryError(f"{directory} is a file; a gallery is a directory, name another place")
    if directory.is_dir() and any(path.name != "writer.lock" for path in directory.iterdir()):
        raise GalleryError(
            f"{directory} holds other files and is no gallery; name a new or an empty directory for the gallery"
        )
    lock = exclusive(directory / "writer.lock", timeout_s=WRITER_TIMEOUT_S, what=f"the gallery {directory}")
    with lock, uninterrupted():
        if is_gallery(directory):  # another process was faster
            return
        manifest = new_manifest(source)
        tables.create_tables(directory / manifest.database, source.dim)
        write_manifest(directory, manifest)


def _no_gallery(directory: Path) -> GalleryError:
    if directory.is_dir() and any(directory.iterdir()):
        return GalleryError(
            f"{directory} is not a recue gallery; name a gallery's directory, or make a new one with "
            "`recue index VIDEOS --gallery DIR`"
        )
    names = ", ".join(gallery.name for gallery in list_galleries())
    known = f"galleries with a name: {names}; " if names else ""
    return GalleryError(f"there is no gallery at {directory}; {known}`recue index VIDEOS` makes one")
