import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.datasets import load_dataset
from recue.datasets.abilities import Described
from recue.datasets.ava_search import AvaSearchDataset, PersonReference
from recue.datasets.task import Dataset


def pair(**changes: Any) -> list[dict[str, Any]]:
    query = {"id": "q", "frames": [902, 903], "label": [80, 11], "boxes": [[0.1, 0.2, 0.9, 0.4]] * 2}
    reference = {"id": "r", "start": 900, "end": 903, "gt": [[], [[0.0, 0.5, 1.0, 0.75]], []]}
    return [
        {**query, **{k: v for k, v in changes.items() if k in query}},
        {**reference, **{k: v for k, v in changes.items() if k in reference}},
    ]


def write(root: Path, pairs: list[Any]) -> AvaSearchDataset:
    (root / "stvr_val.json").write_text(json.dumps([pair(label=[4])]))
    (root / "stvr_test.json").write_text(json.dumps(pairs))
    (root / "stvr_val_test.json").write_text(json.dumps([[[80, 11]], [[4]]]))
    dataset = load_dataset(f"ava-search:{root}")
    assert isinstance(dataset, AvaSearchDataset)
    return dataset


def test_pairs_with_their_boxes(tmp_path: Path) -> None:
    dataset = write(tmp_path, [pair()])
    assert isinstance(dataset, Dataset)
    assert isinstance(dataset, Described)
    ((query, reference),) = [(p.query, p.reference) for p in dataset.pairs("test")]
    assert (query.video, query.seconds, query.label) == ("q", (902, 903), (11, 80))
    assert query.boxes == ((0.2, 0.1, 0.4, 0.9),) * 2  # left, top, right, bottom
    assert reference == PersonReference("r", 900, 903, ((), ((0.5, 0.0, 0.75, 1.0),), ()))
    assert dataset.label_sets("test") == ((11, 80),)
    assert dataset.label_sets("val") == ((4,),)
    assert dataset.held_out() == {(11, 80), (4,)}
    assert dataset.pairs("train") == ()
    assert dataset.describe("test", 3) == (
        "actions 11+80, as one person at 902 to 904 s of q: in r, 900 to 903 s? 1 boxes in 1 of 3 seconds",
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label": [3]}, "the label [3] is none of its split"),
        ({"frames": [902, 904]}, "are no run"),
        ({"frames": [902]}, "2 boxes for 1 seconds"),
        ({"start": 899, "gt": [[[0, 0, 1, 1]]] * 4}, "no stretch of 900:1800"),
        ({"end": 904}, "truths for 3 seconds"),
        ({"gt": [[], [], []]}, "nobody in the reference"),
        ({"boxes": [[0.5, 0, 0.5, 1], [0, 0, 1, 1]]}, "1 boxes are no boxes"),
    ],
)
def test_check_finds_what_is_wrong(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    problems = write(tmp_path, [pair(), pair(**changes)]).check().problems
    assert [problem for problem in problems if problem.startswith("test, pair")] == [
        problem for problem in problems if said in problem
    ]
    assert len([problem for problem in problems if said in problem]) == 1
    assert "test has 2 pairs, the published list 6495" in problems


@pytest.mark.parametrize("name", ["stvr_test.json", "stvr_val_test.json"])
def test_a_list_that_makes_no_sense(tmp_path: Path, name: str) -> None:
    write(tmp_path, [pair()])
    for text in ("[[1]]", "[1", '{"a": 1}'):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=name):
            load_dataset(f"ava-search:{tmp_path}")
    with pytest.raises(ConfigError, match="pictures"):
        load_dataset(f"ava-search:{tmp_path},features=x")


@pytest.mark.shared
def test_the_published_lists() -> None:
    root = Path(__file__).resolve().parents[4] / "shared" / "data" / "annotations" / "ava-search"
    dataset = load_dataset(f"ava-search:{root}")
    assert isinstance(dataset, AvaSearchDataset)
    report = dataset.check()
    assert report.ready, report.problems
    assert {split: counts["pairs"] for split, counts in report.counts.items()} == {"val": 6299, "test": 6495}
    assert {split: counts["classes"] for split, counts in report.counts.items()} == {"val": 27, "test": 27}
    # People are taller than wide: so the numbers are top, left, bottom, right.
    boxes = np.array([box for p in dataset.pairs("test") for second in p.reference.truths for box in second])
    width, height = (boxes[:, 2:] - boxes[:, :2]).mean(axis=0)
    assert height > 1.5 * width
