import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recue.core import Moment, Query, Segment, SimilarityCurve
from recue.core import errors as known
from support.fake_library import FakeLibrary, make_video
from support.results import make_result

Run = Callable[..., tuple[int, str, str]]


def moment(video: str, start_s: float, end_s: float, **others: object) -> Moment:
    values: dict = {"video_id": Path(video).stem, "score": 1.5, "confidence": 0.75} | others
    return Moment(video=video, segment=Segment(start_s, end_s), **values)


def test_a_pipe_gets_whole_paths_in_plain_columns(recue: Run, library: FakeLibrary) -> None:
    long = "/v/" + "folder/" * 30 + "a.mp4"
    library.result = make_result(moments=[moment(long, 3723.0415, 3725.5), moment("/v/b.mp4", 0, 1, score=-0.25)])

    code, out, err = recue("search", "q.mp4")

    assert code == 0
    head, first, second = out.splitlines()
    assert head.split() == ["#", "video", "start", "end", "length", "confidence", "score"]
    assert first.split() == ["1", long, "1:02:03.042", "1:02:05.500", "2.46", "s", "0.75", "1.500"]
    assert second.split() == ["2", "/v/b.mp4", "0:00:00.000", "0:00:01.000", "1.00", "s", "0.75", "-0.250"]
    assert "\x1b" not in out + err
    assert err == "2 moments in 2 of 2 videos; 0:01:30 searched in 0.25 s by align on i3d\n"


def test_every_option_reaches_the_search(recue: Run, library: FakeLibrary) -> None:
    arguments = (
        "search q.mp4 --from 1:02.5 --to 1:02:03 --image --gallery g/ --video a --video b --top 3 --per-video 2 "
        "--min-confidence 0.25 --where year=2020 --where tags~x --near-misses --exclude-self --localizer chance "
        "--json --curve"
    )
    code, _, _ = recue(*arguments.split())

    assert code == 0
    assert library.opened == ["g/"]
    assert library.asked == [
        (
            "search",
            ("q.mp4",),
            {
                "from_s": 62.5,
                "to_s": 3723.0,
                "image": True,
                "videos": ("a", "b"),
                "top": 3,
                "per_video": 2,
                "min_confidence": 0.25,
                "where": ("year=2020", "tags~x"),
                "localizer": "chance",
                "near_misses": True,
                "curve": True,
                "exclude_self": True,
            },
        )
    ]


def test_no_match_is_said_and_is_exit_status_1(recue: Run, library: FakeLibrary) -> None:
    library.result = make_result(moments=[])

    code, out, err = recue("search", "q.mp4")

    assert code == 1
    assert out == "No match: nothing in 2 videos (0:01:30) reaches a confidence of 0.50.\n"
    assert "--near-misses" in err


def test_near_misses_follow(recue: Run, library: FakeLibrary) -> None:
    library.result = make_result(moments=[], near_misses=[moment("/v/b.mp4", 1, 2, confidence=0.25)])

    code, out, err = recue("search", "q.mp4", "--near-misses")

    assert code == 1
    assert "Nearest misses, below 0.50:" in out
    assert "/v/b.mp4  0:00:01.000  0:00:02.000" in out
    assert "--near-misses" not in err


def test_the_querys_own_place_is_told(recue: Run, library: FakeLibrary) -> None:
    library.result = make_result(moments=[moment("/v/a.mp4", 1, 2, is_query=True), moment("/v/b.mp4", 1, 2)])

    _, out, _ = recue("search", "a.mp4")

    assert out.splitlines()[1].endswith("the query itself")
    assert out.splitlines()[2].endswith("1.500")


def test_on_a_terminal_it_stands_beside_the_name(
    recue: Run, library: FakeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.result = make_result(moments=[moment("/v/a.mp4", 1, 2, is_query=True), moment("/v/b.mp4", 1, 2)])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")

    _, out, _ = recue("search", "a.mp4")

    assert "a.mp4 (the query itself)  0:00:01.000" in out
    assert "remark" not in out


def test_json_is_alone_on_stdout(recue: Run, library: FakeLibrary) -> None:
    curve = SimilarityCurve((0.5,), (1.0,))
    library.result = make_result(moments=[moment("/v/a.mp4", 1, 2, curve=curve)], warnings=("damaged near 3 s",))

    code, out, err = recue("search", "q.mp4", "--json")

    document = json.loads(out)
    assert code == 0
    assert document["moments"][0]["start_s"] == 1.0
    assert "curve" not in document["moments"][0]
    assert err == "warning: damaged near 3 s\n"


def test_json_carries_the_curve_on_request(recue: Run, library: FakeLibrary) -> None:
    curve = SimilarityCurve((0.5,), (1.0,))
    library.result = make_result(moments=[moment("/v/a.mp4", 1, 2, curve=curve)])

    _, out, _ = recue("search", "q.mp4", "--json", "--curve")

    assert json.loads(out)["moments"][0]["curve"] == {"times_s": [0.5], "values": [1.0]}


def test_json_without_a_match(recue: Run, library: FakeLibrary) -> None:
    library.result = make_result(moments=[])

    code, out, _ = recue("search", "q.mp4", "--json")

    assert code == 1
    assert json.loads(out)["no_match"] is True


def test_a_clip_that_cannot_be_saved_is_told_and_is_exit_status_7(
    recue: Run, library: FakeLibrary, tmp_path: Path
) -> None:
    library.result = make_result(moments=[moment("/gone/a.mp4", 1, 2)])

    code, out, err = recue("search", "q.mp4", "--save-clips", str(tmp_path / "clips"), "--json")

    assert code == 7
    assert "clip" not in json.loads(out)["moments"][0]
    assert "warning: moment 1 was not saved: " in err
    assert list((tmp_path / "clips").iterdir()) == []


def test_a_report_asks_for_curves_and_knows_where_a_gallery_query_lies(
    recue: Run, library: FakeLibrary, tmp_path: Path
) -> None:
    library.records = [make_video("holiday.mp4", "h9", path="/gone/holiday.mp4")]
    library.result = make_result(moments=[], query=Query("range", "holiday", Segment(1, 2), "h9"))
    page = tmp_path / "new" / "page.html"

    code, _, err = recue("search", "holiday", "--report", str(page))

    assert code == 1
    assert library.asked[0][2]["curve"] is True
    assert f"report: {page}" in err
    assert "/gone/holiday.mp4" in page.read_text()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (known.ConfigError("a"), 2),
        (known.UnknownNameError("a"), 2),
        (known.ShapeError("a"), 2),
        (known.MediaError("a"), 3),
        (known.NotAVideoError("a"), 3),
        (known.GalleryError("a"), 4),
        (known.VideoNotFoundError("a"), 4),
        (known.FingerprintError("a"), 5),
        (known.WeightsError("a"), 6),
        (known.MissingExtraError("a", "b", "c"), 6),
    ],
)
def test_an_error_is_one_line_and_its_exit_status(
    recue: Run, library: FakeLibrary, error: known.RecueError, status: int
) -> None:
    library.result = error

    code, out, err = recue("search", "q.mp4", "--json")

    assert code == status
    assert out == ""
    assert err == f"recue: error: {error}\n"


def test_errors_stay_on_one_line_whatever_they_quote(recue: Run, library: FakeLibrary) -> None:
    library.result = known.MediaError("'a\nb.mp4' is\tdamaged")

    _, _, err = recue("search", "q.mp4")

    assert err == "recue: error: 'a b.mp4' is damaged\n"


def test_a_bug_is_told_apart(recue: Run, library: FakeLibrary) -> None:
    library.result = KeyError("oops")

    code, _, err = recue("search", "q.mp4")

    assert code == 70
    assert "internal error: KeyError: 'oops'" in err
    assert "RECUE_DEBUG=1" in err
    assert "Traceback" not in err


def test_a_traceback_on_request(library: FakeLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    from recue.cli.app import app

    monkeypatch.setenv("RECUE_DEBUG", "1")
    library.result = known.MediaError("a")

    with pytest.raises(known.MediaError):
        app(["search", "q.mp4"])


def test_ctrl_c(recue: Run, library: FakeLibrary) -> None:
    library.result = KeyboardInterrupt()

    assert recue("search", "q.mp4") == (130, "", "recue: interrupted\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["search"],
        ["search", "a", "b"],
        ["search", "q.mp4", "--top", "0"],
        ["search", "q.mp4", "--min-confidence", "1.5"],
        ["search", "q.mp4", "--from", "yesterday"],
        ["serch", "q.mp4"],
        ["search", "q.mp4", "--jsn"],
    ],
)
def test_wrong_usage_is_exit_status_2(recue: Run, library: FakeLibrary, arguments: list[str]) -> None:
    code, out, err = recue(*arguments)

    assert code == 2
    assert out == ""
    assert err
    assert library.asked == []


def test_control_characters_do_not_break_the_table(recue: Run, library: FakeLibrary) -> None:
    library.result = make_result(moments=[moment("/v/a\n\x1b[31mb.mp4", 1, 2)])

    _, out, _ = recue("search", "q.mp4")

    assert "\x1b" not in out
    assert len(out.splitlines()) == 2
    assert r"/v/a\n\x1b[31mb.mp4" in out


def test_a_curve_without_json_is_refused_before_the_search(recue: Run, library: FakeLibrary) -> None:
    code, _, err = recue("search", "q.mp4", "--curve")

    assert code == 2
    assert "--json" in err
    assert library.asked == []
