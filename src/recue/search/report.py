"""What an ingest says: before it starts (the plan), while it runs (events), and after (the report)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from recue.core.record import VideoRecord

#: What is to be done with one file. `new` and `changed` are encoded, `moved` only gets its new path; `duplicate`
#: has the bytes of another file that is kept; `bad` cannot be read as a video.
FileStatus = Literal["new", "unchanged", "moved", "changed", "duplicate", "bad"]

#: `scan`: a file was looked at. `planned`: `plan` says what will be done.
#: `progress`: a bit more of `path` is done. `added`, `replaced`, `moved`, `removed`: the gallery was changed.
#: `retried`: the process died on it; it goes once more, alone. `failed`: `message` says why. `finished`: the end.
EventKind = Literal[
    "scan",
    "planned",
    "progress",
    "added",
    "replaced",
    "moved",
    "removed",
    "retried",
    "failed",
    "finished",
]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file and what is to be done with it.

    Attributes:
        path: Absolute.
        status: What is to be done.
        size_bytes: Length when it was looked at.
        mtime_ns: Modification time when it was looked at.
        duration_s: Seconds to encode; 0 where nothing is, or where it is not known.
        content_hash: Where it had to be read to tell; None leaves that to the process that encodes it.
        record: The catalogue's record of the same content, where there is one.
        replaces: The catalogue's records of what lay at this path before, where that content is nowhere else.
        reason: Why it is `bad`, or what it is a `duplicate` of.
    """

    path: Path
    status: FileStatus
    size_bytes: int = 0
    mtime_ns: int = 0
    duration_s: float = 0.0
    content_hash: str | None = None
    record: VideoRecord | None = None
    replaces: tuple[VideoRecord, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """What an ingest will do, how long it takes and how much disk it needs.

    Attributes:
        files: Every file that was found, sorted by path.
        missing: Records of files that lay under the given paths and are gone.
        total_s: Seconds of video to encode.
        estimated_s: Wall time; None while nothing is known about the speed of this machine.
        estimated_bytes: Disk for the new features; None while the length of a vector is not known.
        free_bytes: Free disk where the gallery lies; None where that cannot be asked.
    """

    files: tuple[PlannedFile, ...]
    missing: tuple[VideoRecord, ...] = ()
    total_s: float = 0.0
    estimated_s: float | None = None
    estimated_bytes: int | None = None
    free_bytes: int | None = None

    def with_status(self, *statuses: FileStatus) -> tuple[PlannedFile, ...]:
        """The files of these statuses, in order."""
        return tuple(file for file in self.files if file.status in statuses)

    @property
    def to_encode(self) -> tuple[PlannedFile, ...]:
        """The files that are new or changed, longest first."""
        return tuple(sorted(self.with_status("new", "changed"), key=lambda file: (-file.duration_s, file.path)))

    @property
    def n_new(self) -> int:
        """Files whose content the gallery does not have."""
        return len(self.with_status("new"))

    @property
    def n_unchanged(self) -> int:
        """Files the gallery has as they are."""
        return len(self.with_status("unchanged"))

    @property
    def n_moved(self) -> int:
        """Files the gallery has under another path."""
        return len(self.with_status("moved"))

    @property
    def n_changed(self) -> int:
        """Files the gallery has with other content."""
        return len(self.with_status("changed"))

    @property
    def n_duplicate(self) -> int:
        """Files whose content another file has too."""
        return len(self.with_status("duplicate"))

    @property
    def n_bad(self) -> int:
        """Files that cannot be read as a video."""
        return len(self.with_status("bad"))

    @property
    def n_missing(self) -> int:
        """Videos of the gallery whose file is gone."""
        return len(self.missing)


@dataclass(frozen=True, slots=True)
class IngestEvent:
    """One piece of news while an ingest runs. `done_s` never falls.

    Attributes:
        kind: See `EventKind`.
        path: The file it is about; empty where it is about all.
        done_s: Seconds of video that are done, of all files together.
        total_s: Seconds of video that were to be encoded.
        n_done: Files that are done, good or bad.
        n_total: Files that were to be encoded (for `scan`: found).
        message: A sentence, where there is something to say.
        plan: Only with `planned`.
    """

    kind: EventKind
    path: str = ""
    done_s: float = 0.0
    total_s: float = 0.0
    n_done: int = 0
    n_total: int = 0
    message: str = ""
    plan: IngestPlan | None = None


class FailedFile(NamedTuple):
    """A file that is not in the gallery, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did. All files are absolute paths.

    Attributes:
        added: Files whose video is new in the gallery.
        unchanged: Files that were there already.
        moved: Files that were there under another path.
        replaced: Files whose content had changed; the gallery has the new one.
        duplicates: Files whose content another file has too; not kept twice.
        failed: Files that could not be read, each with the reason. They are tried again next time.
        missing: Videos of the gallery whose file is gone; kept, unless pruning was asked for.
        removed: Videos that pruning took out.
        elapsed_s: Wall time.
        indexed_s: Seconds of video that were encoded.
        interrupted: It was stopped before its end; what it added stays.
    """

    added: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    failed: tuple[FailedFile, ...] = ()
    missing: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    elapsed_s: float = 0.0
    indexed_s: float = 0.0
    interrupted: bool = False

    @property
    def times_real_time(self) -> float:
        """Seconds of video encoded in a second of wall time."""
        return self.indexed_s / self.elapsed_s if self.elapsed_s > 0 else 0.0


class IngestInterrupted(KeyboardInterrupt):
    """The ingest was stopped by Ctrl-C or SIGTERM. The gallery is good and keeps what was added.

    Attributes:
        report: What was done until then.
    """

    def __init__(self, report: IngestReport) -> None:
        super().__init__(f"interrupted; {len(report.added) + len(report.replaced)} videos were added and are kept")
        self.report = report


def by_status(files: Iterable[PlannedFile], *statuses: FileStatus) -> tuple[str, ...]:
    """Paths of the files of these statuses."""
    return tuple(str(file.path) for file in files if file.status in statuses)
