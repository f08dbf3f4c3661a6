"""The `precomputed` source: features that were made elsewhere, read from files.

One file stands for one video. It holds one array `[time, dim]`: a .npy, or one array of an .npz, HDF5 or
safetensors file. Steps have one length, given as an option, unless the file also holds `times_s` with `time + 1`
step bounds. Nothing is unpickled.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MediaError, ShapeError
from recue.core.features import FeatureSequence
from recue.features.common import fingerprint_of
from recue.features.spec import format_spec

NAME = "precomputed"

#: Raise when the same options begin to mean other features.
VERSION = 1

#: Name of the array of step bounds in a file that has one.
TIMES_KEY = "times_s"


@dataclass(frozen=True, slots=True)
class Config:
    """Options of the `precomputed` source.

    Attributes:
        step_s: Seconds of one step; must be given.
        start_s: Where the first step starts.
        dim: Length of a vector, checked on reading; 0 takes what the file holds.
        key: Name of the array in a file that holds several; needed only if several could be meant.
        made_by: A word for what made the features. Files of different words are never compared.
    """

    step_s: float = 0.0
    start_s: float = 0.0
    dim: int = 0
    key: str = ""
    made_by: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.step_s < float("inf"):
            raise ConfigError(f"{NAME} needs the length of a step in seconds: {NAME}:step_s=0.5")
        if self.dim < 0:
            raise ConfigError(f"{NAME}:dim is at least 0, got {self.dim}")

    def weights_needed(self) -> tuple[str, ...]:
        """None."""
        return ()

    def build(self, *, threads: int = 1) -> "PrecomputedSource":
        """The source; `threads` means nothing to it."""
        return PrecomputedSource(self)


class PrecomputedSource:
    """See the module."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def name(self) -> str:
        """The canonical spec."""
        return format_spec(NAME, self.config)

    @cached_property
    def fingerprint(self) -> str:
        """Of the step's length and of who is said to have made the features."""
        return fingerprint_of(NAME, VERSION, self.config, weights=(), leave_out=("start_s", "dim", "key"))

    @property
    def dim(self) -> int:
        """Length of a vector as it was given; 0 if only the files know."""
        return self.config.dim

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return self.config.step_s

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What it reads."""
        return tuple(_READERS)

    def read(self, path: Path) -> FeatureSequence:
        """Read one file.

        Raises:
            MediaError: it is absent, damaged, of another kind, or holds no array that could be meant.
            ShapeError: the array is not `[time, dim]` of finite numbers, or the step bounds do not fit.
        """
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            raise MediaError(f"'{path}' is no feature file; it must end in {', '.join(_READERS)}")
        if not path.is_file():
            raise MediaError(f"'{path}' does not exist")
        arrays = reader(path)
        values = np.asarray(arrays[self._choose(path, arrays)])
        if values.ndim != 2 or 0 in values.shape:
            raise ShapeError(f"'{path}' holds an array {values.shape}; features are [time, dim] and not empty")
        if self.config.dim and values.shape[1] != self.config.dim:
            raise ShapeError(f"'{path}' holds vectors of {values.shape[1]} numbers, expected {self.config.dim}")
        if values.dtype != np.float16:
            values = values.astype(np.float32)
        return FeatureSequence(values, self._times_s(path, arrays, len(values)), self.name, self.fingerprint)

    def _choose(self, path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
        if self.config.key:
            if self.config.key not in arrays:
                raise MediaError(f"'{path}' holds no array '{self.config.key}'; it holds {_listed(arrays)}")
            return self.config.key
        numeric = [
            name
            for name, array in arrays.items()
            if array.ndim == 2 and array.dtype.kind in "fiu" and name != TIMES_KEY
        ]
        if len(numeric) == 1:
            return numeric[0]
        if len(arrays) == 1:
            return next(iter(arrays))  # of a wrong shape: the caller says what is wrong with it
        raise MediaError(
            f"'{path}' holds {len(numeric)} arrays that could be features ({_listed(arrays)}); "
            f"name one with {NAME}:key=NAME"
        )

    def _times_s(self, path: Path, arrays: Mapping[str, NDArray[Any]], n_steps: int) -> NDArray[np.float64]:
        if TIMES_KEY not in arrays:
            return self.config.start_s + self.config.step_s * np.arange(n_steps + 1, dtype=np.float64)
        times_s = np.asarray(arrays[TIMES_KEY], dtype=np.float64)
        if times_s.shape != (n_steps + 1,):
            raise ShapeError(f"'{path}': {n_steps} steps need {n_steps + 1} {TIMES_KEY}, got shape {times_s.shape}")
        return times_s


def _read_npy(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return {"array": np.load(path, allow_pickle=False)}
    except (ValueError, OSError, EOFError) as error:
        raise _unreadable(path, error) from error


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise MediaError(f"'{path}' is no .npz archive")
        with closing(opened):
            return {name: opened[name] for name in opened.files}
    except (ValueError, OSError, EOFError, BadZipFile, KeyError) as error:
        if isinstance(error, MediaError):
            raise
        raise _unreadable(path, error) from error


def _read_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    import h5py

    arrays: dict[str, NDArray[Any]] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu":
            arrays[name] = item[()]

    try:
        with h5py.File(path, "r") as opened:
            opened.visititems(keep)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error
    return arrays


def _read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise _unreadable(path, error) from error


_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".safetensors": _read_safetensors,
}


def _unreadable(path: Path, error: Exception) -> MediaError:
    # NumPy takes whatever it does not know for a pickle and advises to trust it: not what we want to pass on.
    why = "it holds no plain arrays of numbers" if "allow_pickle" in str(error) else error
    return MediaError(f"'{path}' cannot be read as {path.suffix.lower()}: {why}")


def _listed(arrays: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"'{name}' {array.shape}" for name, array in arrays.items()) or "none"
