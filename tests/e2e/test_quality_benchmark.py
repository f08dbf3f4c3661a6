"""The quality benchmark, whole, on clips whose class is an order of colours."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from support.library import histogram  # noqa: F401  (a fixture)
from support.videos import write_video

QUALITY = Path(__file__).resolve().parents[2] / "benchmarks" / "quality.py"
N_CLASSES, N_SOURCES = 5, 6


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of eight colours in a row, the class's own; every source a little darker than the one before."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for label in range(N_CLASSES):
        colours = rng.integers(40, 256, (8, 3))
        (root / f"c{label}").mkdir()
        for source in range(N_SOURCES):
            shown = (colours - 4 * source).astype(np.uint8)
            write_video(
                root / f"c{label}" / f"s{label}{source}_c{label}_x.mp4",
                seconds=1,
                rate=24,
                size=(32, 32),
                pattern=lambda n, _t, shown=shown: np.broadcast_to(shown[n // 3], (32, 32, 3)).copy(),
            )
    return root


def test_the_whole_benchmark(
    clips: Path,
    tmp_path: Path,
    histogram: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--clips", str(clips), "--cache", str(tmp_path / "cache"), "--n-val", "8", "--n-test", "3"]
    arguments += ["--backbone", f"{histogram}:rate=16,stride=2", "--seeds", "2"]
    monkeypatch.setattr(sys, "argv", ["quality.py", *arguments, "--json", str(tmp_path / "rows.json")])
    runpy.run_path(str(QUALITY), run_name="__main__")
    first = capsys.readouterr()
    rows = {row["row"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    assert list(rows) == [
        "chance",
        "chance, closed form",
        "chance, query's length",
        "chance, query's length, closed form",
        "constant-window",
        "frame-level",
        "align",
        "align, shuffled query",
    ]
    table = [line for line in first.out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(rows)
    assert len({line.count("|") for line in table}) == 1
    assert "8 references" in first.out
    assert "at confidence" in first.out

    found = {name: rows[name]["reports"][0] for name in ("frame-level", "align", "align, shuffled query")}
    assert found["frame-level"]["map_at_1"][0] > 0.8
    assert found["align"]["map_at_1"][0] > 0.6
    assert found["align, shuffled query"]["map_at_1"][0] < 0.2
    assert found["align"]["n_present"] == 12
    assert found["align"]["n_absent"] == 4

    # Again: nothing is composed or encoded, and the same comes out.
    runpy.run_path(str(QUALITY), run_name="__main__")
    second = capsys.readouterr()
    assert "encoded" not in second.err + second.out
    assert "compose" not in second.err
    again = {row["row"]: row["reports"] for row in json.loads((tmp_path / "rows.json").read_text())}
    for name, row in rows.items():
        assert json.dumps(again[name]) == json.dumps(row["reports"])
