from pathlib import Path

import pytest

from recue.core import Moment, Segment
from recue.core.errors import ConfigError, MediaError
from recue.export.clips import clip_name, save_clips
from support.results import make_result


def moment(video: str, start_s: float = 1.0, end_s: float = 2.0) -> Moment:
    return Moment(video=video, video_id="a9", segment=Segment(start_s, end_s), score=1.0, confidence=0.9)


def write_name(video: Path, segment: Segment, out: Path) -> Segment:
    """Stands in for the real cut: writes what it was asked for, and answers a frame later."""
    out.write_text(f"{video} {segment.start_s} {segment.end_s}")
    return segment.shifted(0.04)


def test_each_moment_gets_a_file_named_by_rank_video_and_times(tmp_path: Path) -> None:
    result = make_result(moments=[moment("/v/x.mkv", 3723.5, 3725), moment("/v/y.mp4")])

    report = save_clips(result, tmp_path / "new" / "clips", cutter=write_name)

    assert [clip.path.name for clip in report.saved] == [
        "01_x_1-02-03.500_1-02-05.000.mp4",
        "02_y_0-00-01.000_0-00-02.000.mp4",
    ]
    assert [clip.rank for clip in report.saved] == [1, 2]
    assert report.saved[0].path.read_text() == "/v/x.mkv 3723.5 3725"
    assert report.saved[0].segment == Segment(3723.54, 3725.04)
    assert report.failed == ()


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    result = make_result(moments=[moment("/v/x.mp4")])
    first = save_clips(result, tmp_path, cutter=write_name).saved[0].path
    first.write_text("precious")

    again = [save_clips(result, tmp_path, cutter=write_name).saved[0].path for _ in range(2)]

    assert first.read_text() == "precious"
    assert [path.name for path in again] == [f"{first.stem}-2.mp4", f"{first.stem}-3.mp4"]


def test_one_that_fails_does_not_stop_the_others_and_leaves_nothing(tmp_path: Path) -> None:
    def cutter(video: Path, segment: Segment, out: Path) -> Segment:
        out.write_text("half")
        if video.name == "gone.mp4":
            raise MediaError("'/v/gone.mp4' does not exist; check the path")
        return segment

    result = make_result(moments=[moment("/v/gone.mp4"), moment("/v/y.mp4")])

    report = save_clips(result, tmp_path, cutter=cutter)

    assert report.failed == ((1, "'/v/gone.mp4' does not exist; check the path"),)
    assert [clip.rank for clip in report.saved] == [2]
    assert [path.name for path in tmp_path.iterdir()] == [report.saved[0].path.name]


def test_near_misses_are_not_cut(tmp_path: Path) -> None:
    report = save_clips(make_result(moments=[], near_misses=[moment("/v/x.mp4")]), tmp_path, cutter=write_name)

    assert report.saved == ()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"no folder for clips.*name another"):
        save_clips(make_result(), tmp_path / "file", cutter=write_name)


@pytest.mark.parametrize(
    "video",
    ["/v/a:b?c*.mp4", "/v/new\nline.mp4", "/v/" + "ü" * 200 + ".mp4", "/v/....mp4", "/v/\udcff.mp4", "/v/-rf.mp4"],
)
def test_names_are_fit_for_any_file_system(video: str, tmp_path: Path) -> None:
    name = clip_name(1, moment(video))

    assert not set(name) & set('\\/:*?"<>|\n')
    assert len(name.encode()) <= 128
    assert name.startswith("01_")
    assert name.endswith(".mp4")
    (tmp_path / name).touch()
