"""What one training is: a TOML file of values, overrides, and the frozen settings that come of both.

    [model]
    name = "cross-gated"
    [model.options]          # fields of the model's Options
    [data]
    spec = "composition:bench,backbone=balanced"
    [training]
    steps = 1000

A key that nobody knows is refused with the closest one that exists. `--set training.steps=200` goes over the file.
"""

import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from recue.core.errors import ConfigError, suggest

Optimizer = Literal["adam", "adamw", "sgd"]
Normalise = Literal["none", "unit", "standard"]
Precision = Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]

#: Settings of a training that may change between its start and its resumption: they do not touch what a step does.
FREE_TO_CHANGE = frozenset({"data.spec"}) | frozenset(
    f"training.{name}"
    for name in ("steps", "epochs", "patience", "save_every", "log_every", "prefetch", "accelerator", "devices")
)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which network.

    Attributes:
        name: As in `recue.models.MODELS`.
        options: Fields of the model's `Options`; the others keep their defaults.
    """

    name: str = "cross-gated"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataSettings:
    """On what, and how examples are drawn from it.

    Attributes:
        spec: A dataset: `NAME:ROOT[,features=PATH][,option=value...]`.
        crop: Share of the examples whose reference is cropped at random before and after the truth.
        one_truth: Keep to the stretch between the other moments of the class: a network learns one truth a pair.
        max_query_steps: Leave out longer queries; 0 for no limit.
        max_reference_steps: Crop longer references, around the truth; leave out those whose truth is longer.
            0 for no limit.
        normalise: What is done to feature vectors first: `none`, `unit` length, or `standard`: each channel to mean
            0 and deviation 1 of the training features.
        pca: Then keep this many principal components of the training features; 0 keeps all channels.
    """

    spec: str = ""
    crop: float = 0.9
    one_truth: bool = True
    max_query_steps: int = 0
    max_reference_steps: int = 0
    normalise: Normalise = "none"
    pca: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.crop <= 1.0:
            raise ConfigError(f"data.crop is a share in [0, 1], got {self.crop}")
        _at_least("data", self, 0, "max_query_steps", "max_reference_steps", "pca")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How.

    Attributes:
        steps: Updates in all; 0 to go by `epochs`.
        epochs: Times that every query is drawn; 0 to go by `steps`.
        batch: Pairs a step, over all devices together.
        optimizer: `adam`, `adamw` or `sgd` (with momentum 0.9), unless the model brings its own.
        learning_rate: Of the optimizer.
        weight_decay: Of the optimizer.
        clip: Largest norm of the gradient; 0 does not clip.
        seed: Of the weights, the examples and the dropout.
        validate_every: Steps between two looks at the validation questions; 0 never looks.
        n_validation: Ask this many of the validation questions, evenly spread; 0 asks all.
        patience: Stop after this many validations without a better mAP@1; 0 never stops early.
        save_every: Steps between two savings of what is needed to go on; 0 saves at validations and at the end.
        log_every: Steps between two rows of the log.
        precision: As Lightning Fabric names it.
        accelerator: `auto`, `cpu`, `cuda` or `mps`.
        devices: How many.
        threads: Of torch on the CPU. Two threads on a busy core are several times slower than one.
        prefetch: Batches that are read ahead.
    """

    steps: int = 1000
    epochs: int = 0
    batch: int = 128
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip: float = 5.0
    seed: int = 0
    validate_every: int = 100
    n_validation: int = 0
    patience: int = 0
    save_every: int = 0
    log_every: int = 10
    precision: Precision = "32-true"
    accelerator: Accelerator = "auto"
    devices: int = 1
    threads: int = 1
    prefetch: int = 4

    def __post_init__(self) -> None:
        _at_least("training", self, 0, "steps", "epochs", "weight_decay", "clip", "seed", "validate_every")
        _at_least("training", self, 0, "n_validation", "patience", "save_every")
        _at_least("training", self, 1, "batch", "log_every", "devices", "threads", "prefetch")
        if not self.learning_rate > 0:
            raise ConfigError(f"training.learning_rate is above 0, got {self.learning_rate}")
        if bool(self.steps) == bool(self.epochs):
            raise ConfigError(
                f"a training lasts either training.steps or training.epochs, the other is 0; "
                f"got steps={self.steps}, epochs={self.epochs}"
            )


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training.

    Attributes:
        model: Which network.
        data: On what.
        training: How.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def load_config(path: Path, overrides: Sequence[str] = (), *, data: str | None = None) -> TrainConfig:
    """A training's settings from a file.

    Args:
        path: TOML.
        overrides: `training.steps=200`; a value is TOML, or else taken as a text.
        data: Over `data.spec`.

    Raises:
        ConfigError: no file, no TOML, an unknown key, or a value that makes no sense.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no config '{path}'; configs/ holds some to start from") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the config '{path}' cannot be read as TOML: {error}") from error
    config = make_config(document, overrides)
    return config if data is None else replace(config, data=replace(config.data, spec=data))


def make_config(document: Mapping[str, Any], overrides: Sequence[str] = ()) -> TrainConfig:
    """A training's settings from plain values.

    Raises:
        ConfigError: an unknown key, or a value that makes no sense.
    """
    values = _copied(document)
    for override in overrides:
        _override(values, override)
    sections: dict[str, type[Any]] = {"model": ModelSettings, "data": DataSettings, "training": TrainingSettings}
    _known("", values, sections)
    made = {}
    for name, kind in sections.items():
        section = values.get(name, {})
        if not isinstance(section, dict):
            raise ConfigError(f"'{name}' is a section of the config, got {section!r}; write [{name}]")
        made[name] = _section(name, kind, section)
    return TrainConfig(**made)


def differences(a: TrainConfig, b: TrainConfig) -> list[str]:
    """Dotted names of the settings in which two trainings differ.

    >>> differences(make_config({}), make_config({}, ["training.seed=1", "model.options.gate=false"]))
    ['model.options.gate', 'training.seed']
    """
    flat_a, flat_b = dict(_flat("", a.document())), dict(_flat("", b.document()))
    missing = object()
    names = sorted({*flat_a, *flat_b})
    return [name for name in names if flat_a.get(name, missing) != flat_b.get(name, missing)]


def _section(name: str, kind: type[Any], values: dict[str, Any]) -> Any:
    known = {each.name: each.type for each in fields(kind)}
    _known(name + ".", values, known)
    return kind(**{key: _value(f"{name}.{key}", value, known[key]) for key, value in values.items()})


def _value(name: str, value: Any, kind: Any) -> Any:
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise ConfigError(f"{name} is one of {', '.join(map(str, get_args(kind)))}, got {value!r}")
        return value
    if origin in (Union, types.UnionType) or origin is not None:
        if not isinstance(value, dict):
            raise ConfigError(f"{name} is a section of the config, got {value!r}; write [{name}]")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise ConfigError(f"{name} is {words[kind]}, got {value!r}")
    return value


def _known(prefix: str, values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key in values:
        if key not in known:
            names = [prefix + name for name in known]
            raise ConfigError(f"the config has no setting '{prefix}{key}'; {suggest(prefix + key, names)}")


def _override(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys) or len(keys) < 2:
        raise ConfigError(f"'{override}' sets nothing; write SECTION.NAME=VALUE, as training.steps=200")
    section = values
    for key in keys[:-1]:
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            raise ConfigError(f"'{name}' cannot be set: '{key}' is a value, not a section")
    try:
        section[keys[-1]] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        section[keys[-1]] = text


def _copied(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in document.items()}


def _flat(prefix: str, document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            rows += _flat(f"{prefix}{key}.", value)
        else:
            rows.append((prefix + key, list(value) if isinstance(value, tuple) else value))
    return rows


def _at_least(section: str, settings: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not value >= least:
            raise ConfigError(f"{section}.{name} is {least} or more, got {value}")
