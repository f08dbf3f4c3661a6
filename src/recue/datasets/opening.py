"""From what a person types, `NAME:ROOT,features=PATH,option=value`, to an opened dataset."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recue.core.errors import ConfigError, suggest
from recue.datasets.task import Dataset


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """The parts of a dataset's spec.

    Attributes:
        name: Registry name.
        root: Folder or file of the lists.
        features: Where the features are; None where the dataset knows itself, or only lists are wanted.
        options: What else was said, as it was typed.
    """

    name: str
    root: Path
    features: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)


def parse_spec(spec: str) -> DatasetSpec:
    """Take a spec apart.

    >>> parse_spec("thumos14:lists,features=c3d.hdf5,step=16").options
    {'step': '16'}

    Raises:
        ConfigError: it is not `NAME:ROOT[,option=value...]`, or an option is said twice.
    """
    head, *rest = spec.split(",")
    name, colon, root = head.partition(":")
    if not (name and colon and root):
        raise ConfigError(
            f"a dataset is NAME:ROOT[,features=PATH][,option=value...], got '{spec}'; "
            "for example activitynet-relocalization:lists,features=c3d.hdf5"
        )
    options: dict[str, str] = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise ConfigError(f"an option is option=value, got '{part}' in '{spec}'; paths with a comma cannot be used")
        if key in options:
            raise ConfigError(f"'{key}' is said twice in '{spec}'; say it once")
        options[key] = value
    features = options.pop("features", None)
    return DatasetSpec(name, Path(root).expanduser(), Path(features).expanduser() if features else None, options)


def load_dataset(spec: str) -> Dataset:
    """Open the dataset that a spec names; reads its lists, and features only when they are asked for.

    Args:
        spec: `NAME:ROOT[,features=PATH][,option=value...]`; the names are those of `recue.datasets.DATASETS`.

    Raises:
        ConfigError: the spec or an option makes no sense, or the lists are not there or not what they should be.
        UnknownNameError: no dataset has that name.
    """
    from recue.datasets import DATASETS  # it names this function too

    parsed = parse_spec(spec)
    open_dataset = DATASETS.load(parsed.name)
    if not parsed.root.exists():
        raise ConfigError(f"'{parsed.root}' of the dataset '{parsed.name}' is not there; say where its lists are")
    dataset: Dataset = open_dataset(parsed.root, features=parsed.features, **parsed.options)
    return dataset


def refuse_unknown(name: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse options that a dataset does not have.

    Raises:
        ConfigError: with the closest one that it has.
    """
    known = ("features", *known)
    for option in options:
        if option not in known:
            raise ConfigError(f"the dataset '{name}' has no option '{option}'; {suggest(option, known)}")


def whole_number(name: str, option: str, value: str, *, least: int = 0) -> int:
    """An option's value as a whole number.

    Raises:
        ConfigError: it is not one, or below `least`.
    """
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if number < least:
        raise ConfigError(f"option '{option}' of '{name}' is a whole number from {least} on, got '{value}'")
    return number
