"""What an ingest and its worker processes tell each other."""

from dataclasses import dataclass
from pathlib import Path

from recue.core import errors
from recue.core.errors import RecueError
from recue.search.encode import Encoded


@dataclass(frozen=True, slots=True)
class Load:
    """To a worker, first and once: make this source ready."""

    spec: str
    threads: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """From a worker: the source is ready."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """From a worker: the source could not be made ready, so no file can be encoded."""

    error_type: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> "LoadFailed":
        """Keep what can travel: errors do not all survive pickling."""
        if isinstance(error, RecueError):
            return cls(type(error).__name__, str(error))
        return cls("RecueError", f"{type(error).__name__}: {error}")

    def error(self) -> RecueError:
        """The error again, of the same type."""
        kind = getattr(errors, self.error_type, RecueError)
        error: RecueError = kind.__new__(kind)
        error.args = (self.message,)
        return error


@dataclass(frozen=True, slots=True)
class Task:
    """To a worker: encode this file, if it still has this size and time; `only_s`: no more than its beginning."""

    path: Path
    size_bytes: int
    mtime_ns: int
    content_hash: str | None
    only_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """From a worker: so many seconds of the current file are done."""

    done_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """From a worker: the file is encoded. One message, some 15 MB an hour of video at most."""

    content_hash: str
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: the file could not be encoded."""

    reason: str


@dataclass(frozen=True, slots=True)
class Died:
    """In place of a message: the worker process is gone."""

    status: int | None

    @property
    def reason(self) -> str:
        """A sentence about how it ended."""
        if self.status is not None and self.status < 0:
            hint = "; the system may have run out of memory" if self.status == -9 else ""
            return f"the process that read it was ended by signal {-self.status}{hint}"
        return f"the process that read it ended with status {self.status}"
