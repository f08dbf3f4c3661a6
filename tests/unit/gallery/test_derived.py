import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from recue.core import FeatureBank
from recue.core.errors import GalleryError
from recue.gallery import derived
from recue.gallery.derived import DerivedBank, Entry
from recue.gallery.tables import StepBlock, UnsteadyReadError
from support.galleries import SOURCE, Doubled, make_features


class Table:
    """Stands for the table: features by revision, handed over in shuffled blocks, and a diary of what was read."""

    def __init__(self) -> None:
        self.read_revisions: list[int] = []

    def entry(self, revision: int) -> Entry:
        return Entry(f"video-{revision}", revision, 3 + revision % 5)

    def read(self, revisions: Sequence[int]) -> Iterator[StepBlock]:
        self.read_revisions += revisions
        rows = [(revision, step) for revision in revisions for step in range(self.entry(revision).n_steps)]
        np.random.default_rng(0).shuffle(rows)
        for first in range(0, len(rows), 4):
            yield self.block(rows[first : first + 4])

    def block(self, rows: Sequence[tuple[int, int]]) -> StepBlock:
        features = {revision: self.features(revision) for revision, _ in rows}
        return StepBlock(
            revision=np.array([revision for revision, _ in rows]),
            step=np.array([step for _, step in rows], dtype=np.int32),
            bounds_s=np.array([features[r].times_s[s : s + 2] for r, s in rows]),
            values=np.array([features[r].values[s] for r, s in rows]).astype(np.float16),
        )

    def features(self, revision: int):  # type: ignore[no-untyped-def]
        return make_features(revision, self.entry(revision).n_steps)


@pytest.fixture
def table() -> Table:
    return Table()


def plain(directory: Path) -> DerivedBank:
    return DerivedBank(directory, source=SOURCE, transform=None, dtype="float16")


def bring(bank: DerivedBank, table: Table, revisions: Sequence[int]) -> FeatureBank:
    return bank.up_to_date([table.entry(revision) for revision in revisions], table.read)


def assert_bank(bank: FeatureBank, table: Table, revisions: Sequence[int]) -> None:
    assert sorted(bank.video_ids) == sorted(f"video-{revision}" for revision in revisions)
    for position, video_id in enumerate(bank.video_ids):
        features = table.features(int(video_id.removeprefix("video-")))
        np.testing.assert_array_equal(bank.values[bank.rows(position)], features.values.astype(np.float16))
        np.testing.assert_array_equal(bank.bounds_s[bank.rows(position), 1], features.times_s[1:])


def files(bank: DerivedBank) -> set[str]:
    return {path.name for path in bank.directory.iterdir()}


def test_only_what_is_new_is_read(tmp_path: Path, table: Table) -> None:
    assert_bank(bring(plain(tmp_path), table, [5, 3, 9]), table, [5, 3, 9])
    first = files(plain(tmp_path))
    table.read_revisions.clear()
    assert_bank(bring(plain(tmp_path), table, [5, 3, 9]), table, [5, 3, 9])
    assert table.read_revisions == []
    assert_bank(bring(plain(tmp_path), table, [3, 9, 4, 5]), table, [3, 4, 5, 9])
    assert table.read_revisions == [4]
    assert files(plain(tmp_path)) == first  # the same files, longer


def test_what_was_removed_is_copied_around(tmp_path: Path, table: Table) -> None:
    held = bring(plain(tmp_path), table, [1, 2, 3, 4, 5, 6])
    table.read_revisions.clear()
    for left in ([1, 3, 4, 6], [3, 4], [], [3]):
        assert_bank(bring(plain(tmp_path), table, left), table, left)
        assert len(files(plain(tmp_path))) == 4  # the old files are gone
    assert table.read_revisions == [3]
    assert_bank(held, table, [1, 2, 3, 4, 5, 6])


def test_an_older_state_stays_readable_while_it_grows(tmp_path: Path, table: Table) -> None:
    bring(plain(tmp_path), table, [1, 2])
    state = plain(tmp_path).read_state()
    assert state is not None
    bring(plain(tmp_path), table, [1, 2, 3])
    assert_bank(plain(tmp_path).open(state), table, [1, 2])


def test_transforms_and_formats_have_banks_of_their_own(tmp_path: Path, table: Table) -> None:
    bring(plain(tmp_path), table, [1])
    doubled = DerivedBank(tmp_path, source=SOURCE, transform=Doubled(), dtype="float32")
    bank = bring(doubled, table, [1])
    expected = table.features(1).values.astype(np.float16)[:, :2].astype(np.float32) * 2
    np.testing.assert_array_equal(bank.values, expected)
    assert doubled.directory != plain(tmp_path).directory


@pytest.mark.parametrize("damage", ["no-json", "half-json", "wrong-json", "short-file", "no-file", "nothing"])
def test_a_damaged_bank_is_made_again(tmp_path: Path, table: Table, damage: str) -> None:
    bring(plain(tmp_path), table, [1, 2])
    directory = plain(tmp_path).directory
    manifest, values = directory / "bank.json", next(directory.glob("values-*"))
    if damage == "no-json":
        manifest.unlink()
    elif damage == "half-json":
        manifest.write_bytes(manifest.read_bytes()[:-5])
    elif damage == "wrong-json":
        manifest.write_text('{"format": 1, "entries": [[1]]}')
    elif damage == "short-file":
        os.truncate(values, 7)
    elif damage == "no-file":
        values.unlink()
    else:
        shutil.rmtree(tmp_path)
    assert_bank(bring(plain(tmp_path), table, [1, 2, 3]), table, [1, 2, 3])


def test_what_a_killed_extension_left_is_written_over(tmp_path: Path, table: Table) -> None:
    bring(plain(tmp_path), table, [1, 2])
    for path in plain(tmp_path).directory.glob("*.bin"):
        with open(path, "ab") as file:
            file.write(b"\xff" * 1000)
    (plain(tmp_path).directory / "values-dead.bin").write_bytes(b"\xff" * 10)
    assert_bank(bring(plain(tmp_path), table, [1, 2]), table, [1, 2])
    assert_bank(bring(plain(tmp_path), table, [1, 2, 3]), table, [1, 2, 3])
    assert len(files(plain(tmp_path))) == 4


def test_missing_steps_are_an_error_that_names_the_video(tmp_path: Path, table: Table) -> None:
    bring(plain(tmp_path), table, [1])

    def read(revisions: Sequence[int]) -> Iterator[StepBlock]:
        yield table.block([(r, s) for r in revisions for s in range(table.entry(r).n_steps) if (r, s) != (3, 1)])

    wanted = [table.entry(revision) for revision in (1, 2, 3, 4)]
    with pytest.raises(GalleryError, match="video-3"):
        plain(tmp_path).up_to_date(wanted, read)
    assert_bank(bring(plain(tmp_path), table, [1, 2, 3, 4]), table, [1, 2, 3, 4])


def test_a_read_that_loses_its_files_is_tried_again(tmp_path: Path, table: Table) -> None:
    failures = [UnsteadyReadError("cleaned up"), UnsteadyReadError("cleaned up")]

    def read(revisions: Sequence[int]) -> Iterator[StepBlock]:
        blocks = table.read(revisions)
        yield next(blocks)
        if failures:
            raise failures.pop()
        yield from blocks

    assert_bank(plain(tmp_path).up_to_date([table.entry(1), table.entry(2)], read), table, [1, 2])


def test_reads_are_bounded(tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "ROWS_PER_READ", 10)
    monkeypatch.setattr(derived, "REVISIONS_PER_READ", 3)
    calls: list[int] = []

    def read(revisions: Sequence[int]) -> Iterator[StepBlock]:
        calls.append(len(revisions))
        return table.read(revisions)

    revisions = [0, 5, 10, 15, 1, 9, 4, 3]  # of 3, 3, 3, 3, 4, 7, 7, 6 steps
    bank = plain(tmp_path).up_to_date([table.entry(revision) for revision in revisions], read)
    assert_bank(bank, table, revisions)
    assert calls == [3, 2, 1, 1, 1]


def test_a_full_disk_is_an_error_and_keeps_what_was(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(plain(tmp_path), table, [1])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(GalleryError, match="No space left"):
            bring(plain(tmp_path), table, [1, 2])
    assert_bank(bring(plain(tmp_path), table, [1]), table, [1])


def test_the_least_used_banks_go(tmp_path: Path, table: Table) -> None:
    class Numbered(Doubled):
        def __init__(self, number: int) -> None:
            self.fingerprint = f"numbered-{number}"

    made = [DerivedBank(tmp_path, source=SOURCE, transform=Numbered(n), dtype="float32") for n in range(7)]
    for moment, bank in enumerate(made[:4]):
        bring(bank, table, [1])
        os.utime(bank.directory / "bank.json", (moment, moment))
    bring(made[0], table, [1])  # used again
    for bank in made[4:]:
        bring(bank, table, [1])
    left = [n for n, bank in enumerate(made) if bank.directory.exists()]
    assert left == [0, 4, 5, 6]
    assert derived.MAX_BANKS == 4
