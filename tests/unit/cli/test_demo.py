import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from recue.cli import demo, demo_clips
from recue.core import Moment, Segment
from recue.models.fetch import fetch
from recue.search.report import FailedFile, IngestReport
from support.fake_library import FakeLibrary
from support.results import make_result

Run = Callable[..., tuple[int, str, str]]
CLIPS = (*demo_clips.GALLERY, *demo_clips.QUERIES)


def moment(video: str, start_s: float, end_s: float) -> Moment:
    return Moment(video=video, video_id="a9", segment=Segment(start_s, end_s), score=1.0, confidence=0.9)


def test_the_clips_are_told_apart_and_their_terms_stated() -> None:
    assert len({clip.name for clip in CLIPS}) == len(CLIPS) == 7
    assert len({clip.file.sha256 for clip in CLIPS}) == len(CLIPS)
    assert all(clip.licence and clip.about for clip in CLIPS)
    assert sum(clip.download_bytes for clip in CLIPS) < 85e6


def test_an_answer_counts_when_it_overlaps_the_truth_by_more_than_half() -> None:
    search = demo._Search("a clip", Path("q.mp4"), video="a.mp4", segment=Segment(2, 6))

    assert demo._is_met(search, make_result(moments=[moment("/v/a.mp4", 3, 6)]))
    assert not demo._is_met(search, make_result(moments=[moment("/v/a.mp4", 4, 6)]))
    assert not demo._is_met(search, make_result(moments=[moment("/v/b.mp4", 2, 6), moment("/v/a.mp4", 2, 6)]))
    assert not demo._is_met(search, make_result(moments=[]))


def test_an_image_counts_when_the_answer_is_at_its_instant() -> None:
    search = demo._Search("an image", Path("q.jpg"), video="a.mp4", instant_s=6.5)

    assert demo._is_met(search, make_result(moments=[moment("/v/a.mp4", 6.0, 7.0)]))
    assert demo._is_met(search, make_result(moments=[moment("/v/a.mp4", 5.0, 6.1)]))
    assert not demo._is_met(search, make_result(moments=[moment("/v/a.mp4", 2.0, 5.0)]))
    assert not demo._is_met(search, make_result(moments=[moment("/v/b.mp4", 6.0, 7.0)]))


def test_nothing_must_be_found_where_nothing_is() -> None:
    search = demo._Search("absent", Path("q.mp4"))

    assert demo._is_met(search, make_result(moments=[]))
    assert not demo._is_met(search, make_result(moments=[moment("/v/a.mp4", 3, 6)]))


def test_a_query_needs_videos(recue: Run, tmp_path: Path) -> None:
    code, _, err = recue("demo", "--out", str(tmp_path), "--query", "q.mp4")

    assert code == 2
    assert "--videos" in err


def test_videos_that_are_not_there_are_no_success(
    recue: Run, library: FakeLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recue.models.weights.is_ready", lambda name: True)
    library.report = IngestReport(failed=(FailedFile("/v/none", "'/v/none' does not exist; check the path"),))

    code, _, err = recue("demo", "--videos", "/v/none", "--query", "q.mp4", "--out", str(tmp_path))

    assert code == 7
    assert "There is no video to search" in err
    assert not any(name == "search" for name, *_ in library.asked)


@pytest.mark.network
def test_the_smallest_clip_is_what_it_should_be(tmp_path: Path) -> None:
    path = fetch(demo_clips.SMALL_CLIP.file, tmp_path / "clip.avi")

    assert hashlib.sha256(path.read_bytes()).hexdigest() == demo_clips.SMALL_CLIP.file.sha256
