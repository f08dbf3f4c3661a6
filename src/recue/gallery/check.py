"""Is a gallery whole: every video's features, nothing left over, the derived banks, the files."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recue.core import FeatureBank, FeatureSequence, VideoRecord
from recue.core.errors import ShapeError
from recue.core.protocols import Transform
from recue.gallery.derived import DerivedBank
from recue.gallery.protocol import Problem, SourceInfo
from recue.gallery.store import Store
from recue.gallery.tables import CatalogueRow, StepBlock


def assemble(
    row: CatalogueRow, blocks: Sequence[StepBlock], *, source: SourceInfo
) -> tuple[str | None, FeatureSequence | None]:
    """Put a video's rows in order: what is wrong with them, or the sequence."""
    n_found = sum(len(block.step) for block in blocks)
    if n_found != row.record.n_steps:
        return f"{n_found} steps are there, {row.record.n_steps} were written", None
    step = np.concatenate([block.step for block in blocks])
    order = np.argsort(step)
    if not np.array_equal(step[order], np.arange(n_found)):
        return "steps are missing and others are there twice", None
    values = np.concatenate([block.values for block in blocks])[order]
    bounds_s = np.concatenate([block.bounds_s for block in blocks])[order]
    if not np.array_equal(bounds_s[1:, 0], bounds_s[:-1, 1]):
        return "the steps do not follow one another", None
    try:
        times_s = np.concatenate([bounds_s[:, 0], bounds_s[-1:, 1]])
        return None, FeatureSequence(values, times_s, source.name, source.fingerprint)
    except ShapeError as error:
        return str(error), None


def check_tables(store: Store, banks: Sequence[DerivedBank], *, source: SourceInfo) -> list[Problem]:
    """Every video's features are whole, every feature is a video's, every bank says what the table says.

    One pass over the features, in bounded memory but for one flag and two times a step. A video that looks wrong is
    looked at again alone: a writer may have replaced it meanwhile.
    """
    rows = store.catalogue()
    tallies = {row.revision: _Tally.of(row) for row in rows.values()}
    opened = [compared for bank in banks if (compared := _Compared.of(bank)) is not None]
    strangers: set[int] = set()
    for block in store.steps():
        for revision, part in _by_revision(block):
            if revision in tallies:
                tallies[revision].take(part)
            else:
                strangers.add(revision)
            for compared in opened:
                compared.take(revision, part)
    now = {row.revision: row for row in store.catalogue().values()}
    problems = []
    for revision, tally in tallies.items():
        if tally.is_whole() or revision not in now:
            continue
        problem, _ = assemble(now[revision], list(store.steps([revision])), source=source)
        if problem:
            record = now[revision].record
            message = (
                f"the features of '{record.name}' are damaged ({problem}); take it out of the gallery "
                f"(`recue remove {record.id}`) and index it again"
            )
            problems.append(Problem("features", message, record.id, record.path))
    orphans = (strangers - set(now)) & set(store.step_revisions())
    if orphans:
        message = f"features of {len(orphans)} unfinished adds are left over; the next add sweeps them"
        problems.append(Problem("orphan", message))
    return problems + [problem for compared in opened for problem in compared.problems()]


def check_files(records: Sequence[VideoRecord]) -> list[Problem]:
    """Every file is where it was and looks as it did."""
    problems = []
    for record in sorted(records, key=lambda record: record.path):
        try:
            found = os.stat(record.path)
        except OSError:
            message = f"{record.path} is gone; index its new place, or take it out with `recue remove`"
            problems.append(Problem("file", message, record.id, record.path))
            continue
        if (found.st_size, found.st_mtime_ns) != (record.size_bytes, record.mtime_ns):
            message = f"{record.path} has changed since it was indexed; index it again"
            problems.append(Problem("file", message, record.id, record.path))
    return problems


def size_bytes(directory: Path) -> int:
    """Bytes of all files under a directory; files that vanish meanwhile do not count."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


@dataclass(slots=True)
class _Tally:
    """What was seen of one video's steps."""

    seen: NDArray[np.bool_]
    bounds_s: NDArray[np.float64]
    n_rows: int = 0
    is_finite: bool = True

    @classmethod
    def of(cls, row: CatalogueRow) -> "_Tally":
        n_steps = max(row.record.n_steps, 0)
        return cls(np.zeros(n_steps, dtype=bool), np.full((n_steps, 2), np.nan))

    def take(self, part: StepBlock) -> None:
        self.n_rows += len(part.step)
        inside = (part.step >= 0) & (part.step < len(self.seen))
        self.seen[part.step[inside]] = True
        self.bounds_s[part.step[inside]] = part.bounds_s[inside]
        self.is_finite = self.is_finite and bool(np.isfinite(part.values).all())

    def is_whole(self) -> bool:
        starts_s, ends_s = self.bounds_s[:, 0], self.bounds_s[:, 1]
        return (
            0 < self.n_rows == len(self.seen)
            and bool(self.seen.all())
            and self.is_finite
            and bool((ends_s > starts_s).all())
            and np.array_equal(starts_s[1:], ends_s[:-1])
            and bool(np.isfinite(self.bounds_s).all())
        )


@dataclass(slots=True)
class _Compared:
    """A derived bank beside the table; one that is behind is no problem, one that differs is."""

    directory: Path
    bank: FeatureBank
    transform: Transform | None
    first_rows: dict[int, tuple[int, int]]
    differing: int = 0

    @classmethod
    def of(cls, derived: DerivedBank) -> "_Compared | None":
        state = derived.read_state()
        if state is None:
            return None
        try:
            bank = derived.open(state)
        except OSError:
            return None
        first_rows = {
            entry.revision: (int(first), entry.n_steps)
            for entry, first in zip(state.entries, bank.offsets[:-1], strict=True)
        }
        return cls(derived.directory, bank, derived.transform, first_rows)

    def take(self, revision: int, part: StepBlock) -> None:
        if revision not in self.first_rows:
            return
        first, n_steps = self.first_rows[revision]
        inside = (part.step >= 0) & (part.step < n_steps)
        at = first + part.step[inside]
        expected = part.values[inside] if self.transform is None else self.transform.apply(part.values[inside])
        held = self.bank.values[at]
        # A product over blocks of another size may round otherwise.
        tolerance = 0.0 if self.transform is None else 1e-3 * float(np.abs(expected).max(initial=1e-6))
        near = (np.abs(held.astype(np.float32) - expected.astype(np.float32)) <= tolerance).all(axis=1)
        self.differing += int((~(near & (self.bank.bounds_s[at] == part.bounds_s[inside]).all(axis=1))).sum())

    def problems(self) -> Iterator[Problem]:
        if self.differing:
            yield Problem(
                "derived",
                f"{self.differing} steps of {self.directory} differ from the table; delete that directory, the "
                "next search makes it again",
                path=str(self.directory),
            )


def _by_revision(block: StepBlock) -> Iterator[tuple[int, StepBlock]]:
    """The parts of a block that belong to one video each."""
    order = np.argsort(block.revision, kind="stable")
    revision = block.revision[order]
    cuts = np.flatnonzero(np.diff(revision)) + 1
    for rows in np.split(order, cuts):
        if len(rows):
            yield (
                int(block.revision[rows[0]]),
                StepBlock(block.revision[rows], block.step[rows], block.bounds_s[rows], block.values[rows]),
            )
