"""A trained model as a directory: `config.json`, `model.safetensors`, and `README.md` for people.

`config.json` says what the model is and never changes while it is trained; what changes (the weights, the step, the
figures reached) is one file, so that replacing it is atomic: a checkpoint is the old one or the new one, never a mix.
Reading one runs nothing that it holds.
"""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from recue.core.errors import ConfigError, WeightsError
from recue.models.inputs import InputOptions, Inputs
from recue.models.pairs import PairModel, build_model

KIND = "recue-checkpoint"
SCHEMA = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """What `config.json` holds.

    Attributes:
        model: Name in `recue.models.MODELS`.
        options: Of the model.
        dim: Length of a feature vector.
        features: `name` and `fingerprint` of what made the features it was trained on.
        inputs: What is done to a vector first; fields of `InputOptions`.
        window_steps: Longest stretch of a reference that it takes at once: about as long as what it was trained on.
        overlap_steps: What neighbouring windows of a longer reference share; a longer moment may be cut.
        training: How it was made: config, data, command. For people, and to make it again.
    """

    model: str
    options: Mapping[str, Any]
    dim: int
    features: Mapping[str, str]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    window_steps: int = 256
    overlap_steps: int = 128
    training: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": KIND, "schema": SCHEMA, **asdict(self)}


class TrainedModel(nn.Module):
    """A pair model and what prepares its inputs; what a checkpoint holds.

    Attributes:
        inputs: Feature vectors to what the model takes.
        model: The network.
    """

    def __init__(self, inputs: Inputs, model: PairModel) -> None:
        super().__init__()
        self.inputs = inputs
        self.model = model


def build_trained(config: CheckpointConfig) -> TrainedModel:
    """A model of that config, with random weights.

    Raises:
        UnknownNameError: no model has that name.
        ConfigError: an option that does not exist or makes no sense.
    """
    inputs = Inputs(config.dim, InputOptions(**config.inputs))
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in config.options.items()}
    return TrainedModel(inputs, build_model(config.model, dim=inputs.out_dim, options=options))


def is_checkpoint(directory: Path) -> bool:
    """Whether a directory looks like a checkpoint."""
    return (directory / CONFIG).is_file() and (directory / WEIGHTS).is_file()


def read_config(directory: Path) -> CheckpointConfig:
    """What a checkpoint is.

    Raises:
        ConfigError: there is none, or one of a schema that this version does not read.
    """
    path = directory / CONFIG
    if not path.is_file():
        raise ConfigError(f"'{directory}' is no checkpoint: it has no {CONFIG}; `recue train` makes one")
    try:
        document = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{path} is not JSON ({error}); it is damaged or no checkpoint of recue") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ConfigError(f"{path} describes no checkpoint of recue: its \"kind\" is not '{KIND}'")
    if document.get("schema") != SCHEMA:
        raise ConfigError(
            f"{path} has schema {document.get('schema')}, this version reads {SCHEMA}: a newer recue made it"
        )
    fields = {key: value for key, value in document.items() if key not in ("kind", "schema")}
    try:
        config = CheckpointConfig(**fields)
        _ = config.features["name"], config.features["fingerprint"], int(config.dim)
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"{path} lacks something or holds something unknown: {error}") from error
    return config


def read_state(directory: Path) -> dict[str, Any]:
    """What was reached: step and figures, as they were written beside the weights.

    Raises:
        WeightsError: the weights are absent or damaged.
    """
    path = directory / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"'{directory}' has no {WEIGHTS}: the checkpoint is not whole")
    return read_metadata(path)


def load_trained(directory: Path, *, device: torch.device | str = "cpu") -> TrainedModel:
    """The model of a checkpoint, ready to use.

    Raises:
        ConfigError: there is no checkpoint, or none that this version reads.
        WeightsError: the weights are absent, damaged or of another model.
    """
    config = read_config(directory)
    path = directory / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"'{directory}' has no {WEIGHTS}: the checkpoint is not whole")
    trained = build_trained(config)
    tensors = read_tensors(path)
    try:
        trained.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{path} holds the weights of another model than {CONFIG} names: {error}") from error
    return trained.to(device).eval()


def write_config(directory: Path, config: CheckpointConfig) -> None:
    """Write `config.json`, atomically."""
    text = json.dumps(config.document(), indent=2, ensure_ascii=False) + "\n"
    replace_file(directory / CONFIG, lambda path: path.write_text(text, "utf-8"))


def write_weights(directory: Path, trained: nn.Module, state: Mapping[str, Any]) -> None:
    """Write `model.safetensors` with what was reached, atomically."""
    write_tensors(directory / WEIGHTS, trained.state_dict(), state)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Named tensors and JSON values in one safetensors file, atomically."""
    own = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    texts = {"format": "pt", "recue": json.dumps(dict(metadata))}
    replace_file(path, lambda new: save_file(own, new, metadata=texts))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        WeightsError: it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dictionary)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no safetensors file or is damaged: {error}") from error


def read_metadata(path: Path) -> dict[str, Any]:
    """The JSON values in a file that `write_tensors` wrote.

    Raises:
        WeightsError: it is damaged or something else wrote it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["recue"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is damaged, or recue did not write it: {error}") from error
    return dict(metadata)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a new file, then put it in the place of `path` at once; a crash leaves the old one."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    new = Path(name)
    try:
        write(new)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.chmod(0o666 & ~_umask())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    # Python can only read the mask by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
