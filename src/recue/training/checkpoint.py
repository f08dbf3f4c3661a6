"""What a training leaves on disk: the checkpoint, its card, and beside them what is needed to go on.

    OUT/config.json, model.safetensors, README.md   the best model so far: `recue search --localizer OUT`
    OUT/training/state.safetensors                  the latest weights, the optimizers, the step
    OUT/training/log.csv, events.out.tfevents.*     the log

Every file is replaced at once, and everything that must fit together is in one file. No file holds a pickle.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from recue.core.errors import ConfigError, WeightsError
from recue.models.saved import read_metadata, read_tensors, write_tensors

FOLDER = "training"
STATE = "state.safetensors"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a training is.

    Attributes:
        step: Updates done.
        best_step: After which the best validation was; -1 before the first.
        best: Its mAP@1, mean over the thresholds.
        figures: All figures of that validation.
        n_since_best: Validations after it.
        elapsed_s: Wall time so far, over all sittings.
    """

    step: int = 0
    best_step: int = -1
    best: float = -1.0
    figures: Mapping[str, float] = field(default_factory=dict)
    n_since_best: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Origin:
    """What a training must be resumed with.

    Attributes:
        config: Its resolved config, as plain values.
        data: Identity of what pairs are drawn from.
    """

    config: Mapping[str, Any]
    data: str


def state_path(directory: Path) -> Path:
    """Where the state of a training lies."""
    return directory / FOLDER / STATE


def save_state(
    directory: Path,
    model: nn.Module,
    optimizers: Mapping[str, Optimizer],
    *,
    progressed: Progressed,
    origin: Origin,
    precision: Mapping[str, Any] | None = None,
) -> None:
    """Write what is needed to go on, atomically.

    Args:
        directory: Of the checkpoint.
        model: What is trained.
        optimizers: By name, in their order.
        progressed: How far it is.
        origin: What it must be resumed with.
        precision: State of a loss scaler.
    """
    tensors: dict[str, Tensor] = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    plain: dict[str, Any] = {}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        values: dict[str, dict[str, Any]] = {}
        for index, entries in state["state"].items():
            for key, value in entries.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{name}/{index}/{key}"] = value
                else:
                    values.setdefault(str(index), {})[key] = value
        plain[name] = {"groups": state["param_groups"], "values": values}
    metadata = {
        "schema": _SCHEMA,
        "progressed": asdict(progressed),
        "origin": asdict(origin),
        "optimizers": plain,
        "precision": dict(precision or {}),
    }
    state_path(directory).parent.mkdir(parents=True, exist_ok=True)
    write_tensors(state_path(directory), tensors, metadata)


def read_progress(directory: Path) -> tuple[Progressed, Origin]:
    """How far a training is, and what it must be resumed with.

    Raises:
        WeightsError: the state is damaged.
        ConfigError: a version of recue wrote it that this one does not go on with.
    """
    metadata = _metadata(directory)
    return Progressed(**metadata["progressed"]), Origin(**metadata["origin"])


def load_state(directory: Path, model: nn.Module, optimizers: Mapping[str, Optimizer]) -> dict[str, Any]:
    """Put model and optimizers into the state that was saved; what a loss scaler needs is returned.

    Raises:
        WeightsError: the state is damaged, or of another model.
        ConfigError: a version of recue wrote it that this one does not go on with.
    """
    path = state_path(directory)
    metadata, tensors = _metadata(directory), read_tensors(path)
    if list(metadata["optimizers"]) != list(optimizers):
        raise WeightsError(f"{path} has optimizers {list(metadata['optimizers'])}, the model has {list(optimizers)}")
    try:
        model.load_state_dict(_under("model/", tensors))
        for name, optimizer in optimizers.items():
            plain = metadata["optimizers"][name]
            state: dict[int, dict[str, Any]] = {int(index): dict(own) for index, own in plain["values"].items()}
            for key, tensor in _under(f"optimizer/{name}/", tensors).items():
                index, _, entry = key.partition("/")
                state.setdefault(int(index), {})[entry] = tensor
            optimizer.load_state_dict({"state": state, "param_groups": plain["groups"]})
    except (RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} does not fit the model: {error}") from error
    return dict(metadata["precision"])


def _metadata(directory: Path) -> dict[str, Any]:
    path = state_path(directory)
    metadata = read_metadata(path)
    if metadata.get("schema") != _SCHEMA:
        raise ConfigError(f"{path} has schema {metadata.get('schema')}, this version goes on with {_SCHEMA}")
    return metadata


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
