import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recue.datasets import ComposeSettings, compose
from recue.features import BACKBONES
from support.clips import write_clips

Run = Callable[..., tuple[int, str, str]]

SETTINGS = ComposeSettings(
    n_train=0,
    n_val=2,
    n_test=3,
    n_val_classes=2,
    n_test_classes=2,
    max_instances=2,
    min_clips=3,
    max_clips=3,
    sizes=((64, 48),),
    rates=("30",),
)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = tmp_path_factory.mktemp("clips")
    write_clips(clips, {"clap": 4, "jump": 4, "sit": 4, "walk": 4})
    return compose(clips, tmp_path_factory.mktemp("out") / "c", settings=SETTINGS).root


@pytest.fixture
def bench(composed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The spec of a composition without features, for a backbone that costs nothing."""
    monkeypatch.setitem(BACKBONES._entries, "histogram", "support.histogram:Config")
    root = tmp_path / "bench"
    shutil.copytree(composed, root, symlinks=True)
    return f"composition:{root},backbone=histogram:rate=15;stride=2"


def test_list_names_every_dataset(recue: Run) -> None:
    code, out, _ = recue("dataset", "list")

    assert code == 0
    assert any(line.startswith("composition ") and "`recue compose`" in line for line in out.splitlines())
    document = json.loads(recue("dataset", "list", "--json")[1])
    assert {"name": "composition", "summary": out.partition("composition")[2].partition("\n")[0].strip()} in document[
        "datasets"
    ]


def test_check_build_check_show(recue: Run, bench: str) -> None:
    code, out, _ = recue("dataset", "check", bench)
    assert code == 1
    assert [line.split()[:1] for line in out.splitlines()[:4]] == [["split"], ["train"], ["val"], ["test"]]
    assert "\nmissing  features of" in out
    assert out.endswith("composition is not ready\n")

    code, out, err = recue("dataset", "build", bench)
    assert code == 0
    assert Path(out.strip()).name == "histogram-15-2"
    assert err.endswith("made, 0 were there, 0 failed\n")

    code, out, _ = recue("dataset", "check", bench)
    assert code == 0
    assert out.endswith("composition is ready\n")

    code, out, _ = recue("dataset", "show", bench, "--split", "test", "-n", "2")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "nowhere" in out
    assert " s)" in out
    assert recue("dataset", "show", bench, "--split", "train")[1:] == ("", "nothing in train\n")


def test_documents(recue: Run, bench: str) -> None:
    code, out, _ = recue("dataset", "check", bench, "--json")
    checked = json.loads(out)
    assert (code, checked["ready"], len(checked["missing"])) == (1, False, 1)
    assert checked["counts"]["test"]["questions"] == 3

    built = json.loads(recue("dataset", "build", bench, "--json")[1])
    assert (built["n_kept"], built["failed"]) == (0, [])
    assert built["n_made"] == sum(
        checked["counts"][s][k] for s in ("train", "val", "test") for k in ("videos", "queries")
    )

    code, out, _ = recue("dataset", "show", bench, "--json")
    assert (code, json.loads(out)["split"], len(json.loads(out)["items"])) == (0, "val", 2)


def test_a_build_with_a_bad_file_makes_the_rest(recue: Run, bench: str) -> None:
    root = Path(bench.partition(":")[2].partition(",")[0])
    next((root / "references").rglob("*.mp4")).write_text("no video")

    code, _, err = recue("dataset", "build", bench)

    assert code == 7
    assert "warning: reference/" in err
    assert "1 failed" in err


def test_lists_are_shown_without_features(recue: Run, tmp_path: Path) -> None:
    lists = tmp_path / "val_Annotation.csv"
    head = "video,type,type_idx,start,end,startFrame,endFrame"
    stretches = [(f"class-{k}", k, 10 * k, 10 * k + 4, 250 * k, 250 * k + 100) for k in range(6)]
    rows = [",".join(map(str, (f"video_{v}", *stretch))) for v in range(3) for stretch in stretches]
    lists.write_text("\n".join([head, *rows]))
    (tmp_path / "test_Annotation.csv").write_text(head)

    code, out, _ = recue("dataset", "show", f"thumos14:{tmp_path},classes=2/2/2", "-n", "2")

    assert code == 0
    assert [line.partition(",")[0].startswith("class-") for line in out.splitlines()] == [True, True]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("composition", "NAME:ROOT"),
        ("compositon:.", "did you mean 'composition'"),
        ("composition:nowhere", "'nowhere'"),
        ("composition:.,backbones=x", "backbone"),
    ],
)
def test_a_spec_that_makes_no_sense(recue: Run, spec: str, said: str) -> None:
    code, _, err = recue("dataset", "check", spec)

    assert code == 2
    assert said in err
