"""The derived bank: the steps of all videos in one flat file, mapped into memory.

The table stays the truth; deleting any of this is harmless. A bank is a directory:

    bank.json            what is in the files: which revision holds which rows, in order
    values-GEN.bin       `[step, dim]`, float16 or float32, little-endian
    bounds-GEN.bin       `[step, 2]`, float64: start and end of each step
    lock                 held while bringing it up to date

Rows that bank.json counts are never changed in place: what is new goes behind them, what was removed makes new
files under a new GEN. So a reader that mapped an older state keeps it, whatever the others do.
"""

import hashlib
import json
import mmap
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core import FeatureBank
from recue.core.errors import GalleryError
from recue.core.protocols import Transform
from recue.gallery.lock import exclusive
from recue.gallery.manifest import write_json_atomically
from recue.gallery.protocol import BankDtype, SourceInfo
from recue.gallery.tables import StepBlock, UnsteadyReadError

FORMAT = 1
FILE_NAME = "bank.json"
#: Banks of different transforms kept side by side; the least recently used one goes first.
MAX_BANKS = 4
#: Rows read from the table in one query (128 MiB at 1024 dimensions).
ROWS_PER_READ = 65_536
REVISIONS_PER_READ = 512
#: A writer's clean-up may take the files under a read; the next finds the new ones.
READ_ATTEMPTS = 3
LOCK_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a video lies in a bank: entries follow one another without a gap."""

    video_id: str
    revision: int
    n_steps: int


@dataclass(frozen=True, slots=True)
class BankState:
    """The content of bank.json."""

    generation: str
    entries: tuple[Entry, ...]

    @property
    def n_steps(self) -> int:
        """Rows that count."""
        return sum(entry.n_steps for entry in self.entries)


#: Reads the rows of some revisions from the table, in any order.
ReadSteps = Callable[[Sequence[int]], Iterator[StepBlock]]


class DerivedBank:
    """One bank on disk.

    Args:
        banks_dir: Directory of all banks of a gallery.
        source: What made the features.
        transform: Applied to each vector; None keeps them.
        dtype: Of the values.
    """

    def __init__(self, banks_dir: Path, *, source: SourceInfo, transform: Transform | None, dtype: BankDtype) -> None:
        made_by = transform.fingerprint if transform else "plain"
        key = hashlib.blake2b(f"{source.fingerprint}\n{made_by}".encode(), digest_size=8).hexdigest()
        self.directory = banks_dir / f"{key}-{dtype}"
        self._source = source
        self.transform = transform
        self._dtype = np.dtype(dtype)
        self._dim = transform.dim if transform else source.dim
        self._meta = {
            "format": FORMAT,
            "source": source.fingerprint,
            "transform": made_by,
            "dim": self._dim,
            "dtype": dtype,
        }

    def up_to_date(self, wanted: Sequence[Entry], read: ReadSteps) -> FeatureBank:
        """The bank of exactly the wanted revisions, made or extended as needed.

        Raises:
            UnsteadyReadError: the table lacks steps of a wanted revision.
            GalleryError: another process keeps the bank locked, or the disk refuses.
        """
        wanted_set = set(wanted)
        bank = self._try_open(wanted_set)
        if bank is not None:
            return bank
        with exclusive(self.directory / "lock", timeout_s=LOCK_TIMEOUT_S, what=f"the derived bank {self.directory}"):
            bank = self._try_open(wanted_set)
            if bank is not None:
                return bank
            try:
                return self._bring_up_to_date(wanted, read)
            except OSError as error:
                if isinstance(error, GalleryError):
                    raise
                raise GalleryError(
                    f"the derived bank {self.directory} cannot be written: {error.strerror or error}"
                ) from error

    def read_state(self) -> BankState | None:
        """What bank.json says; None where it is absent, damaged or of another make: then it is made again."""
        try:
            content = json.loads((self.directory / FILE_NAME).read_bytes())
            if any(content[name] != value for name, value in self._meta.items()):
                return None
            entries = tuple(Entry(str(e[0]), int(e[1]), int(e[2])) for e in content["entries"])
            state = BankState(str(content["generation"]), entries)
            for path, row_bytes in zip(self._files(state.generation), self._row_bytes(), strict=True):
                if path.stat().st_size < state.n_steps * row_bytes:
                    return None
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return state

    def open(self, state: BankState) -> FeatureBank:
        """Map the rows that a state counts.

        Raises:
            OSError: its files are gone: another process has moved on.
        """
        values_path, bounds_path = self._files(state.generation)
        n = state.n_steps
        return FeatureBank(
            values=_mapped(values_path, self._dtype, n, self._dim),
            bounds_s=_mapped(bounds_path, np.dtype(np.float64), n, 2),
            offsets=np.cumsum([0, *(entry.n_steps for entry in state.entries)], dtype=np.int64),
            video_ids=tuple(entry.video_id for entry in state.entries),
            fingerprint=self._source.fingerprint,
        )

    def _try_open(self, wanted: set[Entry]) -> FeatureBank | None:
        state = self.read_state()
        if state is None or len(state.entries) != len(wanted) or set(state.entries) != wanted:
            return None
        try:
            bank = self.open(state)
        except OSError:
            return None
        with suppress(OSError):  # when it was last used; a gallery one may only read has no use for that
            os.utime(self.directory / FILE_NAME)
        return bank

    def _bring_up_to_date(self, wanted: Sequence[Entry], read: ReadSteps) -> FeatureBank:
        state = self.read_state() or BankState(secrets.token_hex(4), ())
        wanted_set, held = set(wanted), set(state.entries)
        kept = tuple(entry for entry in state.entries if entry in wanted_set)
        new = tuple(entry for entry in wanted if entry not in held)
        generation = state.generation
        if len(kept) < len(state.entries):
            generation = secrets.token_hex(4)
            self._copy(state, kept, generation)
        moved_on = BankState(generation, kept + new)
        if new:
            self._append(BankState(generation, kept).n_steps, new, read, generation)
        elif not kept:
            for path in self._files(generation):
                path.touch()
        for path in self._files(generation):
            _flush(path)
        write_json_atomically(
            self.directory / FILE_NAME,
            {
                **self._meta,
                "generation": generation,
                "entries": [[e.video_id, e.revision, e.n_steps] for e in moved_on.entries],
            },
        )
        keep = {path.name for path in self._files(generation)} | {FILE_NAME, "lock"}
        for path in self.directory.iterdir():
            if path.name not in keep:
                path.unlink(missing_ok=True)
        self._retire_others()
        return self.open(moved_on)

    def _append(self, first_row: int, new: Sequence[Entry], read: ReadSteps, generation: str) -> None:
        """Write the rows of the new entries from `first_row` on, a bounded block at a time."""
        n_new = sum(entry.n_steps for entry in new)
        paths = self._files(generation)
        for path, row_bytes in zip(paths, self._row_bytes(), strict=True):
            with open(path, "ab") as file:
                # Asked for at once: a full disk is then an error here, not a bus error while writing to the map.
                os.posix_fallocate(file.fileno(), first_row * row_bytes, n_new * row_bytes)
        values = np.memmap(paths[0], self._dtype, "r+", shape=(first_row + n_new, self._dim))
        bounds_s = np.memmap(paths[1], np.float64, "r+", shape=(first_row + n_new, 2))
        row = first_row
        for group in _groups(new):
            stop = row + sum(entry.n_steps for entry in group)
            for attempts_left in reversed(range(READ_ATTEMPTS)):
                try:
                    self._fill(values[row:stop], bounds_s[row:stop], group, read)
                    break
                except UnsteadyReadError:
                    if not attempts_left:
                        raise
            row = stop
        values.flush()
        bounds_s.flush()

    def _fill(
        self, values: NDArray[np.floating], bounds_s: NDArray[np.float64], group: Sequence[Entry], read: ReadSteps
    ) -> None:
        revisions = np.array([entry.revision for entry in group])
        sizes = np.array([entry.n_steps for entry in group])
        firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        order = np.argsort(revisions)
        seen = np.zeros(len(values), dtype=bool)
        for block in read([entry.revision for entry in group]):
            entry_of = order[np.searchsorted(revisions, block.revision, sorter=order)]
            inside = (block.step >= 0) & (block.step < sizes[entry_of])
            rows = (firsts[entry_of] + block.step)[inside]
            kept = block.values if inside.all() else block.values[inside]
            values[rows] = kept if self.transform is None else self.transform.apply(kept)
            bounds_s[rows] = block.bounds_s[inside]
            seen[rows] = True
        if not seen.all():
            missing = int(np.searchsorted(firsts, int(seen.argmin()), side="right")) - 1
            raise UnsteadyReadError(
                f"the features of video {group[missing].video_id} are damaged: steps are missing from the table; "
                "`recue remove` it and index it again (`recue info --verify` lists every such video)"
            )

    def _copy(self, state: BankState, kept: Sequence[Entry], generation: str) -> None:
        """New files with the kept rows alone; the kernel copies, sharing blocks where the file system can."""
        runs: list[list[int]] = []
        row, keep = 0, set(kept)
        for entry in state.entries:
            if entry in keep:
                if runs and runs[-1][1] == row:
                    runs[-1][1] += entry.n_steps
                else:
                    runs.append([row, row + entry.n_steps])
            row += entry.n_steps
        for old, new, row_bytes in zip(
            self._files(state.generation), self._files(generation), self._row_bytes(), strict=True
        ):
            with open(old, "rb") as source, open(new, "wb") as target:
                for first, stop in runs:
                    _copy_range(source.fileno(), target.fileno(), first * row_bytes, (stop - first) * row_bytes)

    def _retire_others(self) -> None:
        banks = [path for path in self.directory.parent.iterdir() if path.is_dir() and path != self.directory]
        banks.sort(key=_last_used, reverse=True)
        for path in banks[MAX_BANKS - 1 :]:
            shutil.rmtree(path, ignore_errors=True)

    def _files(self, generation: str) -> tuple[Path, Path]:
        return self.directory / f"values-{generation}.bin", self.directory / f"bounds-{generation}.bin"

    def _row_bytes(self) -> tuple[int, int]:
        return self._dim * self._dtype.itemsize, 2 * 8


def _groups(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    n_rows = 0
    for entry in entries:
        if group and (n_rows + entry.n_steps > ROWS_PER_READ or len(group) == REVISIONS_PER_READ):
            yield group
            group, n_rows = [], 0
        group.append(entry)
        n_rows += entry.n_steps
    if group:
        yield group


def _mapped(path: Path, dtype: np.dtype[Any], n_rows: int, n_columns: int) -> NDArray[Any]:
    """Rows of a file as a read-only array that keeps the map alive."""
    if n_rows == 0:
        return np.empty((0, n_columns), dtype=dtype)
    n_bytes = n_rows * n_columns * dtype.itemsize
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), n_bytes, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
    return np.frombuffer(mapped, dtype=dtype).reshape(n_rows, n_columns)


def _copy_range(source: int, target: int, first: int, n_bytes: int) -> None:
    while n_bytes > 0:
        done = os.copy_file_range(source, target, n_bytes, offset_src=first)
        if done == 0:
            raise OSError(f"a derived file ends {n_bytes} bytes early")
        first += done
        n_bytes -= done


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _last_used(bank: Path) -> float:
    """The modification time of bank.json, touched at each use; of the directory while it is being made."""
    for path in (bank / FILE_NAME, bank):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
