import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from recue.core.errors import ConfigError, UnknownNameError
from recue.models.saved import load_trained, read_config, read_state, read_tensors
from recue.training.checkpoint import state_path
from recue.training.config import TrainConfig, make_config
from recue.training.loop import train
from recue.training.news import TrainingEvent, TrainingReport
from recue.training.validate import validate, validation_questions
from support.pairs import MadeDataset, made_dataset

TESTS = Path(__file__).parents[2]


def config(model: str = "stepwise", **training: Any) -> TrainConfig:
    options = {"n_hidden": 6} if model == "cross-gated" else {}
    values = {"steps": 12, "batch": 4, "validate_every": 5, "learning_rate": 0.02, "log_every": 1, "accelerator": "cpu"}
    return make_config(
        {
            "model": {"name": model, "options": options},
            "data": {"normalise": "standard"},
            "training": {**values, **training},
        }
    )


def run(settings: TrainConfig, out: Path, dataset: MadeDataset | None = None, **options: Any) -> TrainingReport:
    return train(settings, dataset or made_dataset(), out, command="", **options)


def interrupted_after(settings: TrainConfig, out: Path, step: int, **options: Any) -> TrainingReport:
    def tell(event: TrainingEvent) -> None:
        if event.kind == "step" and event.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return run(settings, out, progress=tell, **options)


def elsewhere(settings: TrainConfig, out: Path, when: str, number: int) -> subprocess.CompletedProcess[str]:
    """A training in another process, which may kill itself."""
    return subprocess.run(
        [sys.executable, "-m", "support.killed_training", json.dumps(settings.document()), out, when, str(number)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )


def everything(out: Path) -> dict[str, torch.Tensor]:
    """The latest weights, the optimizers' state, and the weights that are kept."""
    return {**read_tensors(state_path(out)), **read_tensors(out / "model.safetensors")}


def assert_same(a: Path, b: Path) -> None:
    one, other = everything(a), everything(b)
    assert one.keys() == other.keys()
    assert any(name.startswith("optimizer/") for name in one)
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
    assert read_state(a) == read_state(b)


def rows(out: Path) -> list[list[str]]:
    with (out / "training" / "log.csv").open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("model", ["stepwise", "two-parts", "cross-gated"])
def test_a_training_that_was_interrupted_ends_as_if_it_never_was(tmp_path: Path, model: str) -> None:
    settings = config(model)
    whole = run(settings, tmp_path / "whole")
    assert (whole.ended, whole.step) == ("done", 12)
    for step in (3, 8):
        report = interrupted_after(settings, tmp_path / "parts", step, resume=step > 3)
        assert (report.ended, report.step) == ("interrupted", step)
        load_trained(tmp_path / "parts")
    assert run(settings, tmp_path / "parts", resume=True).ended == "done"
    assert_same(tmp_path / "whole", tmp_path / "parts")
    assert rows(tmp_path / "whole") == rows(tmp_path / "parts")


@pytest.mark.parametrize(("when", "number"), [("step", 8), ("file", 8)])
def test_a_training_that_was_killed_ends_as_if_it_never_was(tmp_path: Path, when: str, number: int) -> None:
    settings = config("cross-gated", save_every=3)
    killed = elsewhere(settings, tmp_path / "killed", when, number)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = read_state(tmp_path / "killed")
    load_trained(tmp_path / "killed")
    assert left["step"] < 12
    whole, again = run(settings, tmp_path / "whole"), run(settings, tmp_path / "killed", resume=True)
    assert (whole.ended, again.ended) == ("done", "done")
    assert_same(tmp_path / "whole", tmp_path / "killed")
    assert rows(tmp_path / "whole") == rows(tmp_path / "killed")
    assert not list((tmp_path / "whole").rglob(".*")), "a whole training leaves no unfinished file"


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path: Path) -> None:
    torch.manual_seed(1)
    run(config(), tmp_path / "a")
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    run(config(), tmp_path / "b")
    assert torch.equal(torch.random.get_rng_state(), before), "the caller's random numbers are left alone"
    assert_same(tmp_path / "a", tmp_path / "b")
    run(config(seed=1), tmp_path / "c")
    assert any(not torch.equal(x, everything(tmp_path / "c")[name]) for name, x in everything(tmp_path / "a").items())


def test_it_learns(tmp_path: Path) -> None:
    report = run(config(steps=150, batch=12, validate_every=50, learning_rate=0.05), tmp_path / "out")
    losses = [float(row[1]) for row in rows(tmp_path / "out")[1:]]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert report.figures["map@1"] > 0.3
    dataset = made_dataset()
    trained = load_trained(tmp_path / "out")
    shares = validate(trained, dataset, validation_questions(dataset), window_steps=128, overlap_steps=64)
    assert shares == report.figures, "the weights that are kept are those of the best validation"


def test_it_stops_when_validation_gets_no_better(tmp_path: Path) -> None:
    settings = config(steps=200, validate_every=2, patience=3, learning_rate=1e-9)
    report = run(settings, tmp_path / "out")
    assert (report.ended, report.step, report.best_step) == ("early", 8, 2)
    assert read_state(tmp_path / "out")["step"] == 2
    again = run(settings, tmp_path / "out", resume=True)
    assert (again.ended, again.step) == ("early", 8)


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    report = run(config(validate_every=0), tmp_path / "out")
    assert (report.best_step, report.figures) == (-1, {})
    assert read_state(tmp_path / "out") == {"step": 12, "figures": {}}
    state = read_tensors(state_path(tmp_path / "out"))
    for name, tensor in read_tensors(tmp_path / "out" / "model.safetensors").items():
        assert torch.equal(tensor, state[f"model/{name}"])
    assert "Never validated" in (tmp_path / "out" / "README.md").read_text()


def test_epochs_count_queries(tmp_path: Path) -> None:
    assert run(config(steps=0, epochs=3, batch=8), tmp_path / "out").n_steps == 5  # 3 times 12 queries, 8 a step


def test_a_longer_training_goes_on(tmp_path: Path) -> None:
    run(config(steps=5), tmp_path / "out")
    assert run(config(steps=12), tmp_path / "out", resume=True).step == 12
    run(config(steps=12), tmp_path / "whole")
    assert_same(tmp_path / "out", tmp_path / "whole")


def test_resuming_what_is_not_there_starts_it(tmp_path: Path) -> None:
    assert run(config(), tmp_path / "out", resume=True).step == 12


def test_an_older_training_is_not_written_over_unasked(tmp_path: Path) -> None:
    run(config(), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"holds a training; resume it \(--resume\)"):
        run(config(), tmp_path / "out")
    run(config(seed=5), tmp_path / "out", force=True)
    run(config(seed=5), tmp_path / "fresh")
    assert_same(tmp_path / "out", tmp_path / "fresh")
    assert rows(tmp_path / "out") == rows(tmp_path / "fresh")


def test_other_settings_or_data_are_not_gone_on_with(tmp_path: Path) -> None:
    interrupted_after(config(), tmp_path / "out", 4)
    with pytest.raises(ConfigError, match=r"started with another training\.batch, training\.seed;"):
        run(config(seed=1, batch=8), tmp_path / "out", resume=True)
    with pytest.raises(ConfigError, match="started on other data"):
        run(config(), tmp_path / "out", made_dataset(seed=1), resume=True)


def test_a_loss_that_is_no_number_ends_it_and_leaves_what_was_good(tmp_path: Path) -> None:
    settings = config(optimizer="sgd", learning_rate=1e38, clip=0, log_every=100, save_every=1, validate_every=0)
    with pytest.raises(ConfigError, match=r"no finite number any more by step \d+; lower training\.learning_rate"):
        run(settings, tmp_path / "out")
    assert state_path(tmp_path / "out").is_file()
    load_trained(tmp_path / "out")


def test_each_optimizer_touches_its_own_parameters_in_the_stated_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.pairs import TwoParts

    seen: list[tuple[str, dict[str, torch.Tensor]]] = []

    def training_step(self: TwoParts, batch: Any, targets: Any, name: str) -> torch.Tensor:
        seen.append((name, {key: value.detach().clone() for key, value in self.named_parameters()}))
        return self.loss(self(batch), batch, targets)

    monkeypatch.setattr(TwoParts, "training_step", training_step)
    run(config("two-parts", steps=3, validate_every=0), tmp_path / "out")
    assert [name for name, _ in seen] == ["scale", "project"] * 3
    for (own, before), (_, after) in pairwise(seen):
        for key, value in before.items():
            assert torch.equal(value, after[key]) == (not key.startswith(own)), key
    assert rows(tmp_path / "out")[0][:5] == ["step", "loss/scale", "gradient/scale", "loss/project", "gradient/project"]


def test_random_numbers_within_a_step_follow_from_the_seed_and_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.pairs import TwoParts

    drawn: list[float] = []

    def training_step(self: TwoParts, batch: Any, targets: Any, name: str) -> torch.Tensor:
        drawn.append(float(torch.rand(())))
        return self.loss(self(batch), batch, targets)

    monkeypatch.setattr(TwoParts, "training_step", training_step)
    for out, seed in [("a", 0), ("b", 0), ("c", 1)]:
        run(config("two-parts", steps=3, seed=seed, validate_every=0), tmp_path / out)
    assert drawn[:6] == drawn[6:12]
    assert len(set(drawn)) == 12


def test_gradients_are_clipped(tmp_path: Path) -> None:
    run(config(optimizer="sgd", learning_rate=1.0, clip=1e-6, validate_every=0), tmp_path / "a")
    run(config(optimizer="sgd", learning_rate=1.0, clip=0, validate_every=0), tmp_path / "b")
    run(config(optimizer="sgd", learning_rate=1e-12, clip=0, validate_every=0), tmp_path / "start")
    start = read_tensors(tmp_path / "start" / "model.safetensors")

    def moved(out: str) -> float:
        now = read_tensors(tmp_path / out / "model.safetensors")
        return max(float((now[name] - start[name]).abs().max()) for name in start)

    assert moved("a") < 1e-4 < 1e-2 < moved("b")


def test_the_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    report = run(config("cross-gated"), tmp_path / "net")
    told = read_config(tmp_path / "net")
    assert (told.model, told.dim, told.features) == ("cross-gated", 6, {"name": "made", "fingerprint": "made-1"})
    assert told.options["n_hidden"] == 6
    assert told.options["rank"] == 8, "defaults are written down"
    assert told.inputs == {"normalise": "standard", "pca": 0}
    assert (told.window_steps, told.overlap_steps) == (128, 32)
    assert make_config(told.training["config"]) == config("cross-gated")
    card = (tmp_path / "net" / "README.md").read_text()
    for piece in ("# net", "cross-gated", "--localizer ./net", "`made-1`", f"{report.figures['map@1']:.4f}", "| 12 |"):
        assert piece in card
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "training",
    ]


def test_the_logs_hold_every_figure(tmp_path: Path) -> None:
    run(config(), tmp_path / "out")
    head, *body = rows(tmp_path / "out")
    assert head == ["step", "loss", "gradient", *(f"map@1/0.{k}" for k in range(5, 10)), "map@1"]
    assert [row[0] for row in body] == [str(step) for step in range(1, 13)]
    assert [row[0] for row in body if row[-1]] == ["5", "10", "12"]
    assert len(list((tmp_path / "out" / "training").glob("events.out.tfevents.*"))) == 1


def test_mixed_precision_trains(tmp_path: Path) -> None:
    run(config("cross-gated", precision="bf16-mixed"), tmp_path / "mixed")
    run(config("cross-gated"), tmp_path / "full")
    mixed, full = everything(tmp_path / "mixed"), everything(tmp_path / "full")
    assert all(tensor.dtype == full[name].dtype for name, tensor in mixed.items())
    names = [name for name in full if name.startswith("model/model")]
    assert any(not torch.equal(mixed[name], full[name]) for name in names)
    assert all((mixed[name] - full[name]).abs().max() < 0.2 for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["stepwise", "two-parts"])
def test_two_devices_train_as_one(tmp_path: Path, model: str) -> None:
    alone = config(model, steps=6, optimizer="sgd", learning_rate=0.1 if model == "stepwise" else 1e-3)
    alone = replace(alone, model=replace(alone.model, options={"dropout": 0.0}), data=replace(alone.data, crop=0.0))
    both = replace(alone, training=replace(alone.training, devices=2))
    ended = elsewhere(both, tmp_path / "both", "never", 0)
    assert ended.returncode == 0, ended.stderr
    said = [line for line in ended.stdout.splitlines() if line.split()[0] in ("started", "step", "validated", "ended")]
    assert said[0] == "started 0"
    assert said.count("ended 6") == 1, "one process alone speaks"
    assert not [line for line in ended.stderr.splitlines() if "Warning" in line and "find_unused" in line] or (
        model == "two-parts"
    )
    run(alone, tmp_path / "alone")
    run(replace(alone, training=replace(alone.training, steps=1, learning_rate=1e-12)), tmp_path / "start")
    start, one, other = (everything(tmp_path / name) for name in ("start", "alone", "both"))
    # A share's mean loss is over its own valid steps, so the mean of the means is not quite the mean.
    for name in (name for name in one if name.startswith("model/model")):
        assert (one[name] - other[name]).norm() < 0.1 * (one[name] - start[name]).norm(), name


def test_what_this_machine_has_not_is_refused(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(ConfigError, match="no training with accelerator=cuda"):
        run(config(accelerator="cuda"), tmp_path / "out")


def test_an_unknown_model_or_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cross-gated'"):
        run(make_config({"model": {"name": "cross-gate"}}), tmp_path / "out")
    with pytest.raises(ConfigError, match="did you mean 'n_hidden'"):
        run(make_config({"model": {"options": {"hidden": 3}}}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_threads_are_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(config(steps=1, validate_every=0), tmp_path / "out")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
