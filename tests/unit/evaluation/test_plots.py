import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recue.core.errors import ConfigError, MissingExtraError
from recue.evaluation import benchmark
from recue.evaluation.plots import draw, length_bins, save
from recue.evaluation.results import BenchmarkReport
from recue.localize.frame_level import FrameLevel
from recue.localize.trivial import ConstantWindow
from support.relocalization import planted_dataset

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def report() -> BenchmarkReport:
    dataset = planted_dataset()
    # The absent questions first, so that a position among the present ones is none among all.
    dataset = replace(dataset, split_questions={"val": dataset.questions("val")[::-1]})
    return benchmark.run({"window": ConstantWindow(), "frames": FrameLevel()}, dataset, n_seeds=2, n_resamples=10)


def test_recall_against_tiou_is_what_the_table_says(report: BenchmarkReport) -> None:
    (axes,) = draw(report)["recall-by-tiou"].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    drawn = [row for row in report.rows if row.kind != "chance-exact"]
    assert {row.name for row in drawn} <= set(lines)
    for row in drawn:
        x, y = lines[row.name].get_xdata(), lines[row.name].get_ydata()
        for threshold, share in zip(report.thresholds, row.metrics.map_at_1, strict=True):
            (at,) = np.flatnonzero(np.isclose(x, threshold))
            assert y[at] == pytest.approx(100 * share)
        assert (np.diff(y) <= 0).all()
        assert lines[row.name].get_drawstyle() == "steps-post"  # a share above a threshold falls where it is reached


@pytest.mark.parametrize("name", ["recall-by-query-length", "recall-by-target-length"])
def test_recall_against_length_averages_to_the_table(report: BenchmarkReport, name: str) -> None:
    (axes,) = draw(report)[name].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    # All have one length: one bin with every question.
    assert [text.get_text() for text in axes.get_xticklabels()] == ["4\nn = 12"]
    for row in report.of_kind("localizer", "constant", "chance"):
        assert lines[row.name].get_ydata() == pytest.approx([100 * row.metrics.map_at_1_mean])


def test_bins_hold_about_as_many_each_and_part_no_equals() -> None:
    rng = np.random.default_rng(0)
    bins = length_bins(rng.random(100), n=5)
    assert np.bincount(bins).tolist() == pytest.approx([20] * 5, abs=1)
    lengths = rng.integers(1, 6, size=100).astype(float)
    bins = length_bins(lengths, n=4)
    assert all(len(set(bins[lengths == value])) == 1 for value in np.unique(lengths))
    assert sorted(set(bins)) == list(range(bins.max() + 1))
    order = np.argsort(lengths)
    assert (np.diff(bins[order]) >= 0).all()
    assert length_bins(np.array([3.0])).tolist() == [0]


def test_files_are_written_and_the_same_report_gives_the_same_bytes(report: BenchmarkReport, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    written = save(report, tmp_path / "a")
    assert [path.name for path in written] == [
        f"recall-by-{what}{suffix}" for what in ("tiou", "query-length", "target-length") for suffix in (".png", ".svg")
    ]
    assert written[0].read_bytes().startswith(b"\x89PNG")
    again = save(report, tmp_path / "b")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    with pytest.raises(ConfigError, match="cannot be written"):
        save(report, tmp_path / "absent")


def test_without_matplotlib_the_extra_is_named(report: BenchmarkReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"recue\[research\]"):
        draw(report)
