"""Is a gallery whole: every video's features, nothing left over, the files still there."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from recue.core import FeatureSequence, VideoRecord
from recue.core.errors import ShapeError
from recue.gallery.protocol import Problem, SourceInfo
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


def check_features(
    rows: Sequence[CatalogueRow],
    read: Callable[[Sequence[int]], Iterator[StepBlock]],
    revisions: Sequence[int],
    *,
    source: SourceInfo,
) -> list[Problem]:
    """Every video's features are whole, and every feature is a video's."""
    problems = []
    for row in rows:
        problem, _ = assemble(row, list(read([row.revision])), source=source)
        if problem:
            message = f"the features of '{row.record.name}' are damaged ({problem}); remove it and index it again"
            problems.append(Problem("features", message, row.record.id, row.record.path))
    orphans = set(revisions) - {row.revision for row in rows}
    if orphans:
        problems.append(Problem("orphan", f"features of {len(orphans)} unfinished adds; the next add sweeps them"))
    return problems


def check_files(records: Sequence[VideoRecord]) -> list[Problem]:
    """Every file is where it was and looks as it did."""
    problems = []
    for record in records:
        try:
            found = os.stat(record.path)
        except OSError:
            message = f"{record.path} is not there any more; index its new place, or remove it from the gallery"
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
