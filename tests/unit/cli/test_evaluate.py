import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.relocalization import MadeDataset, planted_dataset

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The specs that were opened; every one is the planted dataset."""
    specs: list[str] = []

    def load(spec: str) -> MadeDataset:
        specs.append(spec)
        return planted_dataset()

    monkeypatch.setattr("recue.datasets.load_dataset", load)
    return specs


def test_a_table_goes_to_stdout_and_the_rest_to_stderr(recue: Run, opened: list[str]) -> None:
    code, out, err = recue("evaluate", "frame-level", "--data", "made:here", "--seeds", "1", "--resamples", "20")

    assert (code, opened) == (0, ["made:here"])
    lines = out.splitlines()
    assert " ".join(lines[0].split()) == "row .5 .6 .7 .8 .9 mAP@1 95 % tIoU mAP R@1 R@5 reject ms"
    assert [line.partition("  ")[0] for line in lines[1:]] == [
        "chance",
        "chance, closed form",
        "constant window",
        "frame-level",
        "frame-level, shuffled query",
    ]
    assert "validation split" in err
    assert "standard errors of its closed form" in err
    assert "constant window:" in err


def test_options_reach_the_benchmark(recue: Run, opened: list[str]) -> None:
    options = "--split test --seed 4 --seeds 2 --thresholds 0.3,0.75 --resamples 9 --space searched --format json"
    code, out, err = recue("evaluate", "align", "frame-level", "--data", "made:x", *options.split())

    assert code == 0
    document = json.loads(out)
    assert (document["split"], document["seed"], document["n_seeds"]) == ("test", 4, 2)
    assert document["thresholds"] == [0.3, 0.75]
    assert [row["row"] for row in document["rows"] if row["kind"] == "localizer"] == ["align", "frame-level"]
    assert any("that are searched" in note for note in document["notes"])
    assert "validation split" not in err


@pytest.mark.parametrize(("form", "start"), [("csv", "row,kind,whose,"), ("latex", "% needs ")])
def test_forms(recue: Run, opened: list[str], form: str, start: str) -> None:
    code, out, _ = recue("evaluate", "frame-level", "--data", "made:x", "--seeds", "1", "--format", form)

    assert code == 0
    assert out.startswith(start)
    assert out.endswith("\n")
    assert not out.endswith("\n\n")


def test_everything_is_left_in_a_folder(recue: Run, opened: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out_dir = tmp_path / "new" / "out"
    code, _, err = recue("evaluate", "frame-level", "--data", "made:x", "--seeds", "1", "--out", out_dir.as_posix())

    assert code == 0
    assert sorted(path.name for path in out_dir.iterdir()) == [
        "cases.html",
        *sorted(
            f"recall-by-{what}.{suffix}"
            for what in ("tiou", "query-length", "target-length")
            for suffix in ("png", "svg")
        ),
        "report.json",
        "table.csv",
        "table.tex",
    ]
    assert err.count("wrote ") == 10
    assert len(json.loads((out_dir / "report.json").read_text())["questions"]) == 15


def test_a_folder_that_cannot_be_written(recue: Run, opened: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code, out, err = recue(
        "evaluate", "frame-level", "--data", "made:x", "--seeds", "1", "--out", (tmp_path / "file").as_posix()
    )

    assert code == 2
    assert "frame-level" in out  # the table was there first
    assert "cannot be written" in err


def test_differences_are_printed_when_asked_for(recue: Run, opened: list[str]) -> None:
    code, out, _ = recue("evaluate", "frame-level", "align", "--data", "made:x", "--seeds", "1", "--compare")

    assert code == 0
    assert "align − frame-level" in out
    assert "frame-level − constant window" in out


def test_published_rows_are_marked_as_theirs(recue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    known = replace(planted_dataset(), name="activitynet-relocalization")
    monkeypatch.setattr("recue.datasets.load_dataset", lambda spec: known)
    options = ["--seeds", "1", "--resamples", "9", "--published"]
    code, out, err = recue("evaluate", "frame-level", "--data", "made:x", *options)

    assert code == 0
    ours, theirs = out.split("\nAs published, not ours: ", 1)
    assert "43.5" in theirs
    assert "Ours" not in ours
    assert "published numbers are on test splits" in err


def test_nothing_published(recue: Run, opened: list[str]) -> None:
    code, out, err = recue("evaluate", "frame-level", "--data", "made:x", "--seeds", "1", "--published")

    assert code == 0
    assert "published" not in out
    assert "nothing is published on this dataset" in err


def test_a_trained_model_is_called_by_its_directory_while_no_other_is(
    recue: Run, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recue.localize.frame_level import FrameLevel

    loaded: list[str] = []
    monkeypatch.setattr("recue.localize.learned.load_localizer", lambda one: loaded.append(one) or FrameLevel())
    paths = [str(tmp_path / part) for part in ("a/model", "b/model", "b/other")]
    for path in paths:
        Path(path).mkdir(parents=True)
    code, out, _ = recue("evaluate", "align", *paths, "--data", "made:x", "--seeds", "1", "--format", "json")

    assert code == 0
    assert loaded == ["align", *paths]
    rows = [row["row"] for row in json.loads(out)["rows"] if row["kind"] == "localizer"]
    assert rows == ["align", *paths[:2], "other"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fram-level", "--data", "made:x"], "did you mean 'frame-level'"),
        (["./absent", "--data", "made:x"], "no checkpoint directory './absent'"),
        (["align", "align", "--data", "made:x"], "named twice"),
        (["align", "--data", "made:x", "--thresholds", "a,b"], "got 'a,b'"),
        (["align", "--data", "made:x", "--thresholds", "1.5"], "between 0 and 1"),
    ],
)
def test_what_makes_no_sense(recue: Run, opened: list[str], arguments: list[str], said: str) -> None:
    code, out, err = recue("evaluate", *arguments)

    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) <= 2


def test_a_dataset_without_clips_as_questions(recue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sentences:
        name = "tacos"

    monkeypatch.setattr("recue.datasets.load_dataset", lambda spec: Sentences())
    code, _, err = recue("evaluate", "align", "--data", "tacos:x")

    assert code == 2
    assert "'tacos'" in err
