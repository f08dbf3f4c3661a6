"""The examples of docs/metrics.md, and that it names every metric."""

import doctest
import inspect
from pathlib import Path

from recue.evaluation import metrics

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def test_the_examples_of_the_page_are_true() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 30


def test_the_page_names_every_metric() -> None:
    text = PAGE.read_text(encoding="utf-8")
    functions = [name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))]
    helpers = {"box_iou_matrix", "match", "match_boxes", "share_above", "top_tiou"}
    assert [name for name in functions if name not in helpers and f"`{name}`" not in text] == []
    assert len(functions) == 19
