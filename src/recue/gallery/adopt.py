"""Give a gallery the content of another that was built beside it, in one step."""

import os
import shutil
from pathlib import Path

from recue.core.errors import GalleryError
from recue.gallery.embedded import WRITER_TIMEOUT_S, LanceGallery
from recue.gallery.lock import exclusive, uninterrupted
from recue.gallery.manifest import read_manifest, write_manifest
from recue.gallery.protocol import Gallery


def adopt_gallery(directory: Path, built: Path) -> Gallery:
    """Replace everything in the gallery at `directory` by the gallery at `built`, which goes away.

    Readers see the old content or the new, never a mixture; one that has it open with the old backbone is told to
    open it again. A kill at any point leaves one of the two, and calling again finishes the work.

    Args:
        directory: The gallery that stays.
        built: A complete gallery on the same file system, which nobody writes to any more.

    Raises:
        GalleryError: one of them is no gallery, another process keeps writing, or the disk refuses.
    """
    lock = exclusive(directory / "writer.lock", timeout_s=WRITER_TIMEOUT_S, what=f"the gallery {directory}")
    with lock, uninterrupted():
        old, new = read_manifest(directory), read_manifest(built)
        try:
            if (built / new.database).is_dir():  # else an earlier call was killed after this line
                os.rename(built / new.database, directory / new.database)
            if old.database != new.database:
                write_manifest(directory, new)  # the one step that counts
            for tables in directory.glob("tables-*"):
                if tables.name != new.database:
                    shutil.rmtree(tables, ignore_errors=True)
            shutil.rmtree(directory / "derived", ignore_errors=True)
            shutil.rmtree(built)
        except OSError as error:
            raise GalleryError(
                f"the rebuilt gallery {built} could not take the place of {directory}: {error.strerror or error}; "
                "run `recue index --rebuild` again to finish"
            ) from error
    return LanceGallery(directory)


def adoption_pending(built: Path) -> bool:
    """Whether `adopt_gallery` was killed half-way and must be called again."""
    try:
        return not (built / read_manifest(built).database).is_dir()
    except GalleryError:
        return False
