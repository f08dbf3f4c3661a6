import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recue.models import MODELS
from recue.training import hub
from recue.training.news import TrainingEvent, TrainingReport
from support.pairs import made_dataset

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _made(monkeypatch: pytest.MonkeyPatch) -> None:
    MODELS.names()
    monkeypatch.setattr(MODELS, "_entries", {**MODELS._entries, "stepwise": "support.pairs:Stepwise"})
    monkeypatch.setattr("recue.datasets.load_dataset", lambda spec: made_dataset(seed=int(spec.partition(":")[2])))


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(
        '[model]\nname = "stepwise"\n[data]\nspec = "made:0"\n'
        '[training]\nsteps = 6\nbatch = 4\nvalidate_every = 3\naccelerator = "cpu"\nlearning_rate = 0.02\n'
    )
    return str(path)


def test_a_training_from_a_config_and_what_it_left(recue: Run, config: str, tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    out = str(tmp_path / "net")
    code, said, err = recue("train", config, "--out", out)
    assert (code, said) == (0, f"{out}\n")
    lines = err.splitlines()
    assert lines[0].startswith("stepwise, 58 weights, on made: 12 queries, 6 steps of 4 pairs, validated on 12")
    assert lines[1].startswith("step 3: 0.5 ")
    assert "map@1 " in lines[1]
    assert lines[-1].startswith("done: 6 steps in ")

    code, said, _ = recue("checkpoint", "show", out)
    assert code == 0
    for piece in ("stepwise", "made (made-1), 6 numbers a step", "made:0", hub.weights_sha256(Path(out))):
        assert piece in said
    code, said, _ = recue("checkpoint", "show", out, "--json")
    document = json.loads(said)
    assert (document["kind"], document["model"], document["dim"]) == ("recue-checkpoint", "stepwise", 6)
    assert 0 <= document["figures"]["map@1"] <= 1

    code, _, err = recue("train", config, "--out", out)
    assert code == 2
    assert "holds a training" in err
    code, said, err = recue("train", config, "--out", out, "--resume", "--set", "training.steps=8", "--json")
    assert code == 0
    assert "going on after step 6" in err
    document = json.loads(said)
    assert (document["step"], document["ended"], document["checkpoint"]) == (8, "done", out)


def test_options_reach_the_training(recue: Run, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def train(settings: Any, dataset: Any, out: Path, **options: Any) -> TrainingReport:
        asked.append((settings, dataset, out, options))
        options["progress"](TrainingEvent("step", 1, 6, {"loss": 2.0}))
        return TrainingReport(out, 4, 6, "interrupted", -1, {}, 1.0, 0.1)

    monkeypatch.setattr("recue.training.loop.train", train)
    options = "--set training.seed=3 --set model.options.n_hidden=2 --data made:5 --devices 2 --precision bf16-mixed"
    code, said, err = recue("train", config, *options.split(), "--force")
    assert code == 130
    assert said == "runs/small\n"
    assert "interrupted after step 4 of 6; --resume --out runs/small goes on" in err
    ((settings, dataset, out, given),) = asked
    assert (settings.training.seed, settings.training.devices, settings.training.precision) == (3, 2, "bf16-mixed")
    assert (settings.model.options, settings.data.spec, out) == ({"n_hidden": 2}, "made:5", Path("runs/small"))
    assert dataset.store.values.keys() == made_dataset(seed=5).store.values.keys()
    assert (given["resume"], given["force"]) == (False, True)


def test_what_goes_wrong_is_one_line(recue: Run, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, said in [
        (["--resume", "--force"], "give one of them"),
        (["--set", "training.stpes=3"], "did you mean 'training.steps'"),
        (["--set", "data.spec="], "names no dataset"),
    ]:
        code, out, err = recue("train", config, *options)
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
    code, _, err = recue("train", str(tmp_path / "absent.toml"))
    assert code == 2
    assert "there is no config" in err
    monkeypatch.setattr("recue.datasets.load_dataset", lambda spec: type("D", (), {"name": "tacos"})())
    code, _, err = recue("train", config)
    assert code == 2
    assert "'tacos' has no pairs" in err


def test_push_and_pull(recue: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[Any, ...]] = []

    def push(*args: Any, **options: Any) -> hub.Pushed:
        asked.append((*args, options))
        return hub.Pushed("me/net", "c0ffee", "ab" * 32)

    def pull(*args: Any, **options: Any) -> hub.Pulled:
        asked.append((*args, options))
        return hub.Pulled(args[1], "ab" * 32)

    monkeypatch.setattr(hub, "push", push)
    monkeypatch.setattr(hub, "pull", pull)
    assert recue("checkpoint", "push", "net", "me/net", "--revision", "v1", "--private") == (
        0,
        "me/net c0ffee\n",
        f"weights: sha256 {'ab' * 32}\n",
    )
    code, out, _ = recue("checkpoint", "push", "net", "me/net", "--json")
    assert json.loads(out) == {"schema": 1, "repo": "me/net", "revision": "c0ffee", "sha256": "ab" * 32}
    assert recue("checkpoint", "pull", "me/net", "--sha256", "cd", "--force")[1] == "runs/net\n"
    code, out, _ = recue("checkpoint", "pull", "me/net", "--out", "here", "--json")
    assert json.loads(out) == {"schema": 1, "checkpoint": "here", "sha256": "ab" * 32}
    assert asked == [
        (Path("net"), "me/net", {"revision": "v1", "private": True}),
        (Path("net"), "me/net", {"revision": None, "private": False}),
        ("me/net", Path("runs/net"), {"revision": None, "sha256": "cd", "force": True}),
        ("me/net", Path("here"), {"revision": None, "sha256": None, "force": False}),
    ]
    code, _, err = recue("checkpoint", "show", str(tmp_path))
    assert code == 2
    assert "is no checkpoint" in err
