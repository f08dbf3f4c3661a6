from pathlib import Path

import pytest

from recue.core.errors import VideoNotFoundError
from recue.gallery.find import find_video
from support.galleries import make_record

ONE = make_record(1, id="abc100000000", name="one.mp4", path="/films/one.mp4")
TWO = make_record(2, id="abc200000000", name="two.mp4", path="/films/two.mp4")
SAME = make_record(3, id="def300000000", name="one.mp4", path="/other/one.mp4")
STEM = make_record(4, id="eee400000000", name="one.mov", path="/films/one.mov")


@pytest.mark.parametrize("text", ["abc100000000", "abc1", "ABC1000", "one.mp4", "one", "/films/one.mp4"])
def test_every_way_to_name_one(text: str) -> None:
    assert find_video(text, [ONE, TWO]) is ONE


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = make_record(1, name="x.mp4", path=str(tmp_path / "sub" / "x.mp4"))
    assert find_video("sub/x.mp4", [record, TWO]) is record


def test_a_path_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    record = make_record(1, path=str((tmp_path / "real" / "x.mp4").resolve()))
    assert find_video(str(tmp_path / "link" / "x.mp4"), [record, TWO]) is record


def test_a_whole_name_goes_before_a_stem() -> None:
    named_like_a_stem = make_record(5, name="one", path="/films/one")
    assert find_video("one", [ONE, named_like_a_stem]) is named_like_a_stem


@pytest.mark.parametrize(("text", "records"), [("one.mp4", [ONE, SAME]), ("one", [ONE, STEM]), ("abc", [])])
def test_several_are_named(text: str, records: list) -> None:
    if not records:  # too short for the beginning of an id
        with pytest.raises(VideoNotFoundError, match="no video"):
            find_video(text, [ONE, TWO])
        return
    with pytest.raises(VideoNotFoundError) as caught:
        find_video(text, records)
    for record in records:
        assert record.id in str(caught.value)
        assert record.path in str(caught.value)


def test_many_are_not_all_named() -> None:
    records = [make_record(n, name="x.mp4") for n in range(20)]
    with pytest.raises(VideoNotFoundError, match=r"names 20 videos.*and 12 more"):
        find_video("x.mp4", records)


def test_none_is_named() -> None:
    with pytest.raises(VideoNotFoundError, match=r"did you mean 'two.mp4'"):
        find_video("tow.mp4", [ONE, TWO])
    with pytest.raises(VideoNotFoundError, match=r"known: one.mp4, two.mp4"):
        find_video("zzzzzz", [ONE, TWO])
    with pytest.raises(VideoNotFoundError, match="recue list"):
        find_video("zzzzzz", [make_record(n) for n in range(30)])
    with pytest.raises(VideoNotFoundError, match="recue index"):
        find_video("one", [])
    with pytest.raises(VideoNotFoundError):
        find_video("", [ONE])
