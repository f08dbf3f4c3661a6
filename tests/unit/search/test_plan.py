"""The plan: what is new, moved, changed, missing, bad; on files of arbitrary bytes."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from recue.core.errors import MediaError
from recue.core.record import VideoRecord
from recue.search import plan as plan_module
from recue.search.plan import make_plan
from recue.search.report import IngestPlan, PlannedFile


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def record_of(path: Path, **changes: object) -> VideoRecord:
    """As the catalogue has a file after it was indexed."""
    digest = hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()
    stat = path.stat()
    fields = {
        "id": digest[:12],
        "name": path.name,
        "path": str(path),
        "content_hash": digest,
        "size_bytes": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "duration_s": 1.0,
        "start_s": 0.0,
        "width": 4,
        "height": 4,
        "rate": "25/1",
        "n_steps": 1,
        "added_at": "",
    }
    return VideoRecord(**(fields | changes))  # type: ignore[arg-type]


def walk(paths: Sequence[Path]) -> Iterable[Path]:
    for path in paths:
        yield from (each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def plan(
    paths: Sequence[Path], catalogue: Sequence[VideoRecord] = (), duration_s: Callable[[Path], float] | None = None
) -> IngestPlan:
    return make_plan(paths, catalogue, find=walk, duration_s=duration_s or (lambda path: 2.0))


def states(made: IngestPlan) -> dict[str, str]:
    return {file.path.name: file.status for file in made.files}


def the(made: IngestPlan, name: str) -> PlannedFile:
    return next(file for file in made.files if file.path.name == name)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read to the end."""
    read: list[str] = []
    original = plan_module.content_hash

    def spy(path: Path, **options: object) -> str:
        read.append(path.name)
        return original(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(plan_module, "content_hash", spy)
    return read


def test_new_files_of_different_sizes_are_not_read(tmp_path: Path, reads: list[str]) -> None:
    write(tmp_path / "a", "1")
    write(tmp_path / "sub" / "b", "22")
    made = plan([tmp_path])
    assert states(made) == {"a": "new", "b": "new"}
    assert (made.n_new, made.total_s, reads) == (2, 4.0, [])


def test_an_unchanged_file_is_not_read(tmp_path: Path, reads: list[str]) -> None:
    record = record_of(write(tmp_path / "a", "1"))
    made = plan([tmp_path], [record])
    assert states(made) == {"a": "unchanged"}
    assert the(made, "a").record == record
    assert (made.to_encode, made.total_s, made.missing, reads) == ((), 0.0, (), [])


def test_a_touched_file_is_read_and_unchanged(tmp_path: Path, reads: list[str]) -> None:
    path = write(tmp_path / "a", "1")
    record = record_of(path)
    os.utime(path, ns=(1, 1))
    made = plan([tmp_path], [record])
    assert states(made) == {"a": "unchanged"}
    assert (the(made, "a").mtime_ns, reads) == (1, ["a"])


def test_a_renamed_file_has_moved(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "old", "1"))
    (tmp_path / "old").rename(tmp_path / "new")
    made = plan([tmp_path], [record])
    assert states(made) == {"new": "moved"}
    assert the(made, "new").record == record
    assert made.missing == ()


def test_a_file_moved_from_outside_the_given_folders_has_moved(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "there" / "a", "1"))
    (tmp_path / "here").mkdir()
    (tmp_path / "there" / "a").rename(tmp_path / "here" / "a")
    assert states(plan([tmp_path / "here"], [record])) == {"a": "moved"}


def test_a_copy_beside_its_original_is_a_duplicate(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "z", "1"))
    write(tmp_path / "copy", "1")
    made = plan([tmp_path], [record])
    assert states(made) == {"copy": "duplicate", "z": "unchanged"}
    assert str(tmp_path / "z") in the(made, "copy").reason


def test_a_touched_original_keeps_its_place_before_a_copy(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "z", "1"))
    os.utime(tmp_path / "z", ns=(1, 1))
    write(tmp_path / "copy", "1")
    assert states(plan([tmp_path], [record])) == {"copy": "duplicate", "z": "unchanged"}


def test_a_copy_of_a_file_elsewhere_is_a_duplicate(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "there" / "a", "1"))
    write(tmp_path / "here" / "a", "1")
    assert states(plan([tmp_path / "here"], [record])) == {"a": "duplicate"}


def test_of_two_new_files_with_the_same_bytes_the_first_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "a", "1")
    write(tmp_path / "b", "1")
    write(tmp_path / "c", "2")
    assert states(plan([tmp_path])) == {"a": "new", "b": "duplicate", "c": "new"}


def test_duplicates_of_a_bad_file_are_bad(tmp_path: Path) -> None:
    write(tmp_path / "a", "")
    write(tmp_path / "b", "")

    def refuse(path: Path) -> float:
        raise MediaError(f"{path.name} is empty")

    made = plan([tmp_path], duration_s=refuse)
    assert states(made) == {"a": "bad", "b": "bad"}
    assert [file.reason for file in made.files] == ["a is empty", "a is empty"]


def test_a_file_with_other_content_has_changed(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "a", "1"))
    write(tmp_path / "a", "22")
    made = plan([tmp_path], [record])
    assert states(made) == {"a": "changed"}
    assert the(made, "a").replaces == (record,)
    assert made.to_encode == made.files


def test_other_content_of_the_same_length_has_changed(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "a", "1"))
    write(tmp_path / "a", "2")
    os.utime(tmp_path / "a", ns=(1, 1))
    assert states(plan([tmp_path], [record])) == {"a": "changed"}


def test_two_files_that_swapped_names_have_moved(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a", "1"), write(tmp_path / "b", "2")
    os.utime(two, ns=(1, 1))
    records = [record_of(one), record_of(two)]
    one.rename(tmp_path / "c")
    two.rename(tmp_path / "a")
    (tmp_path / "c").rename(tmp_path / "b")
    made = plan([tmp_path], records)
    assert states(made) == {"a": "moved", "b": "moved"}
    assert [file.record.name for file in made.files if file.record] == ["b", "a"]
    assert all(file.replaces == () for file in made.files)


def test_a_file_moved_away_and_a_new_one_in_its_place(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "a", "1"))
    (tmp_path / "a").rename(tmp_path / "b")
    write(tmp_path / "a", "new")
    made = plan([tmp_path], [record])
    assert states(made) == {"a": "new", "b": "moved"}
    assert the(made, "a").replaces == ()


def test_a_file_overwritten_by_a_copy_of_another_loses_its_record(tmp_path: Path) -> None:
    records = [record_of(write(tmp_path / "a", "1")), record_of(write(tmp_path / "b", "22"))]
    write(tmp_path / "b", "1")
    made = plan([tmp_path], records)
    assert states(made) == {"a": "unchanged", "b": "duplicate"}
    assert the(made, "b").replaces == (records[1],)


def test_what_a_kill_between_adding_and_removing_left_is_removed(tmp_path: Path) -> None:
    before = record_of(write(tmp_path / "a", "old"))
    after = record_of(write(tmp_path / "a", "new content"))
    made = plan([tmp_path], [before, after])
    assert states(made) == {"a": "unchanged"}
    assert (the(made, "a").record, the(made, "a").replaces) == (after, (before,))


def test_missing_are_the_gone_files_under_the_given_folders_alone(tmp_path: Path) -> None:
    records = [record_of(write(tmp_path / where / "x", where)) for where in ("one", "two", "three/deep")]
    write(tmp_path / "one" / "y", "yyyyyyy")
    for record in records:
        Path(record.path).unlink()
    made = plan([tmp_path / "one", tmp_path / "three"], records)
    assert [record.path for record in made.missing] == [records[0].path, records[2].path]
    assert states(made) == {"y": "new"}


def test_a_gone_folder_is_missing_and_an_unknown_path_is_bad(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "gone" / "x", "1"))
    Path(record.path).unlink()
    (tmp_path / "gone").rmdir()
    made = plan([tmp_path / "gone", tmp_path / "typo"], [record])
    assert made.missing == (record,)
    assert states(made) == {"typo": "bad"}
    assert "does not exist" in made.files[0].reason


def test_a_file_that_cannot_be_probed_is_bad_and_keeps_its_old_record(tmp_path: Path) -> None:
    record = record_of(write(tmp_path / "a", "1"))
    write(tmp_path / "a", "garbage")
    write(tmp_path / "b", "12345")

    def probe(path: Path) -> float:
        if path.name == "a":
            raise MediaError("a is damaged")
        return 3.0

    made = plan([tmp_path], [record], duration_s=probe)
    assert states(made) == {"a": "bad", "b": "new"}
    assert (the(made, "a").replaces, the(made, "a").reason) == ((), "a is damaged")
    assert (made.n_bad, made.total_s) == (1, 3.0)


def test_the_longest_go_first(tmp_path: Path) -> None:
    for name in ("1", "22", "333"):
        write(tmp_path / name, name)
    made = plan([tmp_path], duration_s=lambda path: float(len(path.name)))
    assert [file.path.name for file in made.to_encode] == ["333", "22", "1"]


def test_a_path_given_twice_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "1")
    assert len(plan([path, tmp_path, path]).files) == 1


def test_it_can_be_stopped(tmp_path: Path) -> None:
    write(tmp_path / "a", "1")
    with pytest.raises(InterruptedError):
        make_plan([tmp_path], [], find=walk, duration_s=lambda path: 1.0, stop=lambda: True)


def test_every_file_is_told(tmp_path: Path) -> None:
    for name in ("1", "22", "333"):
        write(tmp_path / name, name)
    told: list[tuple[str, int, int]] = []
    make_plan(
        [tmp_path],
        [],
        find=walk,
        duration_s=lambda path: 1.0,
        on_scan=lambda path, n, total: told.append((path.name, n, total)),
    )
    assert told == [("1", 1, 3), ("22", 2, 3), ("333", 3, 3)]


def test_a_name_that_is_no_text_is_bad_and_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", "one")
    odd = tmp_path / os.fsdecode(b"bad\xff.mp4")
    try:
        write(odd, "two")
    except OSError:
        pytest.skip("this file system takes only names that are UTF-8")
    made = plan([tmp_path])
    assert states(made) == {"a.mp4": "new", odd.name: "bad"}
    assert "not UTF-8; rename" in the(made, odd.name).reason
