import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recue.search.report import FailedFile, IngestEvent, IngestInterrupted, IngestPlan, IngestReport, PlannedFile
from support.fake_library import FakeLibrary

Run = Callable[..., tuple[int, str, str]]

REPORT = IngestReport(
    added=("/v/a.mp4", "/v/b.mp4"),
    unchanged=("/v/c.mp4",),
    failed=(FailedFile("/v/bad.mp4", "no video in it"),),
    missing=("/v/gone.mp4",),
    elapsed_s=10.0,
    indexed_s=85.0,
)


def test_every_option_reaches_the_index(recue: Run, library: FakeLibrary) -> None:
    arguments = "index a b --gallery g --backbone i3d --rebuild --prune --workers 2 --threads 1 --meta year=2020"

    code, _, _ = recue(*arguments.split())

    assert code == 0
    assert library.opened == ["g"]
    name, args, options = library.asked[0]
    assert (name, args) == ("index", ([Path("a"), Path("b")],))
    assert callable(options.pop("progress"))
    assert options == {
        "profile": None,
        "backbone": "i3d",
        "metadata": {"year": 2020},
        "rebuild": True,
        "prune": True,
        "workers": 2,
        "threads": 1,
    }


def test_a_rebuild_needs_no_paths_and_an_index_does(recue: Run, library: FakeLibrary) -> None:
    assert recue("index", "--rebuild")[0] == 0
    assert library.asked[0][1] == ([],)

    code, _, err = recue("index")
    assert code == 2
    assert "recue index FOLDER" in err


def test_failures_are_named_and_give_status_7(recue: Run, library: FakeLibrary) -> None:
    library.report = REPORT

    code, out, err = recue("index", "v")

    assert code == 7
    assert out == "Indexed 2 videos, 0:01:25 of film in 10 s (8.5 × real time); 1 unchanged, 1 failed.\n"
    assert "warning: /v/bad.mp4: no video in it\n" in err
    assert "1 video of the gallery whose file is gone: --prune" in err


def test_json(recue: Run, library: FakeLibrary) -> None:
    library.report = REPORT

    code, out, _ = recue("index", "v", "--json")

    document = json.loads(out)
    assert code == 7
    assert document["schema"] == 1
    assert document["added"] == ["/v/a.mp4", "/v/b.mp4"]
    assert document["failed"] == [{"path": "/v/bad.mp4", "reason": "no video in it"}]
    assert document["times_real_time"] == 8.5


def test_ctrl_c_says_what_is_kept(recue: Run, library: FakeLibrary) -> None:
    library.report = IngestInterrupted(IngestReport(added=("/v/a.mp4",), elapsed_s=1, indexed_s=5, interrupted=True))

    code, out, err = recue("index", "v")

    assert code == 130
    assert "Indexed 1 video" in out
    assert "run the same command to go on" in err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=1", 1),
        ("k=1.5", 1.5),
        ("k=true", True),
        ('k=["a"]', ["a"]),
        ("k=Rome", "Rome"),
        ("k=", ""),
        ("k=a=b", "a=b"),
        ("k=NaN", "NaN"),
        (" k =x", "x"),
    ],
)
def test_metadata_values(recue: Run, library: FakeLibrary, text: str, value: object) -> None:
    recue("index", "v", "--meta", text)

    assert library.asked[0][2]["metadata"] == {"k": value}


@pytest.mark.parametrize("text", ["k", "=v", ""])
def test_what_is_no_metadata(recue: Run, library: FakeLibrary, text: str) -> None:
    code, _, err = recue("index", "v", "--meta", text)

    assert code == 2
    assert "write --meta KEY=VALUE" in err


def test_a_metadata_file_goes_before_the_pairs(recue: Run, library: FakeLibrary, tmp_path: Path) -> None:
    file = tmp_path / "meta.json"
    file.write_text('{"a.mp4": {"year": 1999}}')

    recue("index", "v", "--meta", "year=2020", "--meta", "place=Rome", "--meta-file", str(file))

    metadata = library.asked[0][2]["metadata"]
    assert metadata(Path("/v/a.mp4")) == {"year": 1999, "place": "Rome"}
    assert metadata(Path("/v/b.mp4")) == {"year": 2020, "place": "Rome"}


def test_progress_in_a_log_is_one_line_a_video(recue: Run, library: FakeLibrary, capsys: object) -> None:
    plan = IngestPlan(
        files=(
            PlannedFile(Path("/v/a.mp4"), "new", duration_s=60),
            PlannedFile(Path("/v/b.mp4"), "new", duration_s=30),
            PlannedFile(Path("/v/c.mp4"), "unchanged"),
        ),
        total_s=90,
        estimated_s=300,
        estimated_bytes=2_500_000,
        free_bytes=10**10,
    )

    def index(*args: object, progress: Callable[[IngestEvent], None], **options: object) -> IngestReport:
        progress(IngestEvent("planned", total_s=90, n_total=2, plan=plan))
        progress(IngestEvent("progress", "/v/a.mp4", done_s=30, total_s=90, n_total=2))
        progress(IngestEvent("added", "/v/a\n.mp4", done_s=60, total_s=90, n_done=1, n_total=2))
        progress(IngestEvent("failed", "/v/b.mp4", done_s=90, total_s=90, n_done=2, n_total=2, message="damaged"))
        progress(IngestEvent("finished", done_s=90, total_s=90, n_done=2, n_total=2))
        return IngestReport()

    library.index = index  # type: ignore[method-assign]

    _, _, err = recue("index", "v")

    assert err.splitlines() == [
        "3 files: 2 new, 1 unchanged.",
        "0:01:30 of film to index: about 5 min; 2.5 MB of disk (10.0 GB are free).",
        "added 1/2: /v/a\\n.mp4",
        "failed 2/2: /v/b.mp4: damaged",
    ]


def test_a_dry_run_lists_what_would_be_done(recue: Run, library: FakeLibrary) -> None:
    plan = IngestPlan(
        files=(
            PlannedFile(Path("/v/a.mp4"), "new", duration_s=60),
            PlannedFile(Path("/v/bad.mp4"), "bad", reason="no video in it"),
        ),
        total_s=60,
    )
    library.plan = lambda *args, **options: plan  # type: ignore[attr-defined]

    code, out, _ = recue("index", "v", "--dry-run")

    assert code == 0
    assert out.splitlines() == [
        "2 files: 1 new, 1 unreadable.",
        "0:01:00 of film to index: how long shows once it runs, the first time with this backbone; "
        "an unknown amount of disk.",
        "  new       /v/a.mp4",
        "  bad       /v/bad.mp4: no video in it",
    ]
    assert library.asked == []
