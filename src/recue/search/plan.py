"""What an ingest would do: which files are new, moved, changed, missing, bad, before anything is encoded."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from recue.core.errors import MediaError, RecueError
from recue.core.record import VideoRecord
from recue.search.hashing import content_hash
from recue.search.report import FileStatus, IngestPlan, PlannedFile

Given = TypeVar("Given")
Answer = TypeVar("Answer")

#: Files that are hashed or probed at once; both wait for the disk more than they compute.
_N_THREADS = 4


def make_plan(
    paths: Iterable[str | Path],
    catalogue: Sequence[VideoRecord],
    *,
    find: Callable[[Sequence[Path]], Iterable[Path]],
    duration_s: Callable[[Path], float],
    on_scan: Callable[[Path, int, int], None] = lambda path, n_done, n_total: None,
    stop: Callable[[], bool] = lambda: False,
) -> IngestPlan:
    """Compare the files under `paths` with the catalogue.

    A file at a known path with the known size and modification time is taken as unchanged, unread. Any other is
    hashed only if its size is that of a record or of another file, because files of different sizes differ; so a
    folder of new videos is not read twice before the work starts. A content hash that the catalogue knows makes the
    file unchanged, moved (the old path is gone, or holds something else now) or a duplicate (both are there).

    Args:
        paths: Files and folders. One that does not exist is a `bad` file, or `missing` if the catalogue knows it.
        catalogue: What the gallery has.
        find: Files in folders, such as `recue.media.find_videos`.
        duration_s: Length of a file to encode; its `RecueError` makes the file `bad`.
        on_scan: Called with a path and how many of how many files were looked at.
        stop: Asked now and then; answering True raises `InterruptedError`.

    Returns:
        A plan without estimates.

    Raises:
        InterruptedError: `stop` said so.

    Cost: a stat a file; a probe of what is new; a read of what could be known under another name.
    """
    given = list(dict.fromkeys(_absolute(path) for path in paths))
    present = [path for path in given if path.exists()]
    absent = [path for path in given if not path.exists()]
    found = sorted({_absolute(path) for path in find(present)}) if present else []

    looked_at = _look_at(found, catalogue, stop=stop)
    decided = list(_classify(looked_at, catalogue))

    def probed(file: PlannedFile) -> PlannedFile:
        if file.status not in ("new", "changed"):
            return file
        try:
            return replace(file, duration_s=duration_s(file.path))
        except RecueError as error:
            return replace(file, status="bad", replaces=(), reason=str(error))

    files = []
    for n_done, file in enumerate(_in_threads(probed, decided, stop=stop), start=1):
        files.append(file)
        on_scan(file.path, n_done, len(decided))

    files = _share_fate(files)
    missing = _missing(catalogue, given, files)
    files += [
        PlannedFile(path, "bad", reason=f"'{path}' does not exist; check the path")
        for path in absent
        if not any(_is_under(Path(record.path), path) for record in catalogue)
    ]
    files.sort(key=lambda file: file.path)
    to_encode = (file.duration_s for file in files if file.status in ("new", "changed"))
    return IngestPlan(files=tuple(files), missing=missing, total_s=sum(to_encode))


@dataclass(frozen=True, slots=True)
class _Looked:
    """A file as it was found: its content hash where it is known or had to be read."""

    path: Path
    size_bytes: int = 0
    mtime_ns: int = 0
    content_hash: str | None = None
    error: str = ""


def _look_at(found: Sequence[Path], catalogue: Sequence[VideoRecord], *, stop: Callable[[], bool]) -> list[_Looked]:
    by_path = _by_path(catalogue)
    stats = [_stat(path) for path in found]
    sizes = Counter(file.size_bytes for file in stats)
    known_sizes = {record.size_bytes for record in catalogue}

    def identify(file: _Looked) -> _Looked:
        if file.error:
            return file
        for record in by_path.get(str(file.path), ()):
            if (record.size_bytes, record.mtime_ns) == (file.size_bytes, file.mtime_ns):
                return replace(file, content_hash=record.content_hash)
        if file.size_bytes not in known_sizes and sizes[file.size_bytes] == 1:
            return file
        try:
            return replace(file, content_hash=content_hash(file.path, stop=stop))
        except MediaError as error:
            return replace(file, error=str(error))

    return list(_in_threads(identify, stats, stop=stop))


def _stat(path: Path) -> _Looked:
    try:
        str(path).encode()
    except UnicodeEncodeError:  # bytes that are no text; neither a catalogue nor a page can hold it
        return _Looked(path, error=f"'{path}' has a name that is not UTF-8; rename the file or its folder")
    try:
        stat = path.stat()
    except OSError as error:
        return _Looked(path, error=f"'{path}' cannot be read: {error.strerror or error}")
    return _Looked(path, size_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns)


def _classify(looked_at: Sequence[_Looked], catalogue: Sequence[VideoRecord]) -> Iterator[PlannedFile]:
    by_path = _by_path(catalogue)
    by_hash = {record.content_hash: record for record in catalogue}
    in_batch = {str(file.path): file for file in looked_at}

    keeper: dict[str, str] = {}  # content hash -> the path that keeps it
    for record in by_hash.values():
        at_old_path = in_batch.get(record.path)
        if at_old_path.content_hash == record.content_hash if at_old_path else _still_there(record):
            keeper[record.content_hash] = record.path
    for file in looked_at:
        if file.content_hash is not None:
            keeper.setdefault(file.content_hash, str(file.path))

    for file in looked_at:
        path = str(file.path)
        found = PlannedFile(file.path, "new", file.size_bytes, file.mtime_ns, content_hash=file.content_hash)
        if file.error:
            yield replace(found, status="bad", reason=file.error)
            continue
        # Content that lay here before and is not kept elsewhere is gone for good. (Two records of one path are
        # what an ingest leaves that was killed between adding the new content and removing the old.)
        lost = tuple(record for record in by_path.get(path, ()) if record.content_hash not in keeper)
        content = file.content_hash
        known = by_hash.get(content) if content else None
        if content and keeper[content] != path:
            reason = f"the same bytes as '{keeper[content]}'"
            yield replace(found, status="duplicate", record=known, replaces=lost, reason=reason)
        elif known:
            status: FileStatus = "unchanged" if known.path == path else "moved"
            yield replace(found, status=status, record=known, replaces=lost)
        else:
            yield replace(found, status="changed" if lost else "new", replaces=lost)


def _by_path(catalogue: Sequence[VideoRecord]) -> dict[str, list[VideoRecord]]:
    by_path: dict[str, list[VideoRecord]] = {}
    for record in catalogue:
        by_path.setdefault(record.path, []).append(record)
    return by_path


def _share_fate(files: Sequence[PlannedFile]) -> list[PlannedFile]:
    """A duplicate of a file that turned out bad is as bad."""
    bad = {file.content_hash: file for file in files if file.status == "bad" and file.content_hash}
    return [
        replace(file, status="bad", replaces=(), reason=bad[file.content_hash].reason)
        if file.status == "duplicate" and file.record is None and file.content_hash in bad
        else file
        for file in files
    ]


def _still_there(record: VideoRecord) -> bool:
    try:
        stat = os.stat(record.path)
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (record.size_bytes, record.mtime_ns)


def _missing(
    catalogue: Sequence[VideoRecord], given: Sequence[Path], files: Sequence[PlannedFile]
) -> tuple[VideoRecord, ...]:
    moved = {file.record.id for file in files if file.status == "moved" and file.record}
    return tuple(
        record
        for record in catalogue
        if record.id not in moved
        and any(_is_under(Path(record.path), path) for path in given)
        and not os.path.exists(record.path)
    )


def _is_under(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _absolute(path: str | Path) -> Path:
    # Symbolic links are kept: the path that the user gave is the one to show.
    return Path(os.path.abspath(os.path.expanduser(path)))


def _in_threads(
    work: Callable[[Given], Answer], items: Sequence[Given], *, stop: Callable[[], bool]
) -> Iterator[Answer]:
    """`map` in a few threads, in order, giving up between items when `stop` says so."""
    pool = ThreadPoolExecutor(_N_THREADS, thread_name_prefix="recue-plan")
    try:
        for future in [pool.submit(work, item) for item in items]:
            if stop():
                raise InterruptedError("stopped while the files were looked at")
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
