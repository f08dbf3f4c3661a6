import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recue.datasets import ComposeSettings, Composition

Run = Callable[..., tuple[int, str, str]]


def test_options_reach_the_composer_and_the_splits_are_told(recue: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def compose(*args: Any, **options: Any) -> Composition:
        asked.append((args, options))
        options["progress"](1, 1, "a")
        splits = {"train": ("a", "b"), "val": (), "test": ("c",)}
        return Composition(Path("out"), 7, {}, splits, (), (), (), ("class d has one source",))

    monkeypatch.setattr("recue.datasets.compose", compose)
    options = "--seed 7 --train 1 --val 2 --test 3 --max-instances 2 --source-pattern (.*)_ --force"

    code, out, err = recue("compose", "clips", "out", *options.split(), "--json")

    assert code == 0
    ((args, given),) = asked
    assert args == (Path("clips"), Path("out"))
    assert (given["seed"], given["force"]) == (7, True)
    assert given["settings"] == ComposeSettings(n_train=1, n_val=2, n_test=3, max_instances=2, source_pattern="(.*)_")
    document = json.loads(out)
    assert [split["classes"] for split in document["splits"]] == [2, 0, 1]
    assert err == "warning: class d has one source\n"


def test_a_folder_without_clips(recue: Run, tmp_path: Path) -> None:
    code, _, err = recue("compose", tmp_path.as_posix(), (tmp_path / "out").as_posix())

    assert code == 2
    assert str(tmp_path) in err
