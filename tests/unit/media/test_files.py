from pathlib import Path

import pytest

from recue.core.errors import MediaError
from recue.media import VIDEO_SUFFIXES, find_videos


def test_folders_are_walked_by_suffix(tmp_path: Path) -> None:
    for name in (
        "b.mp4",
        "a.MKV",
        "sub/c.avi",
        "sub/deep/d.webm",
        "notes.txt",
        ".hidden.mp4",
        ".trash/e.mp4",
        "x.mp4.part",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_videos([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.MKV", "b.mp4", "sub/c.avi", "sub/deep/d.webm"]
    assert all(path.is_absolute() for path in found)


def test_named_files_are_taken_as_they_are_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("notes.txt", "b.mp4", ".hidden.mp4"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    found = find_videos(["notes.txt", tmp_path / "b.mp4", ".", ".hidden.mp4"])
    assert found == [tmp_path / ".hidden.mp4", tmp_path / "b.mp4", tmp_path / "notes.txt"]
    assert find_videos([]) == []


def test_links_to_files_are_taken_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4").touch()
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "out" / "a.mp4")
    assert find_videos([tmp_path / "in"]) == [tmp_path / "in" / "link.mp4"]


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"none\.mp4.*does not exist"):
        find_videos([tmp_path / "none.mp4"])


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in VIDEO_SUFFIXES)
    assert {".mp4", ".mkv", ".avi", ".mov", ".webm", ".gif", ".ts", ".mpg"} <= VIDEO_SUFFIXES
