"""Where features lie: one HDF5 file, a folder of `.npy` files, or arrays in memory.

A store answers by the names that a dataset gives its videos. Time is uniform where a step's length is said, or read
from `<video>.times.npy` beside the features. Vectors that were stored closer than the dataset's steps are thinned on
the way (`every`): nothing is copied for that.

The fingerprint is given, or made of the name, the thinning and the first vectors of the first video: what cannot be
told apart by these is taken as made by the same thing.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.datasets.hdf5_store import Hdf5Store
from recue.datasets.npy_store import NpyFolderStore, read_store_card, write_store_card
from recue.datasets.store_parts import (
    StepSeconds,
    between,
    fingerprint_of_first,
    require_vectors,
    uniform_times_s,
)
from recue.datasets.task import FeatureStore

__all__ = [
    "ArrayStore",
    "Hdf5Store",
    "NpyFolderStore",
    "StepSeconds",
    "open_store",
    "read_store_card",
    "write_store_card",
]


class ArrayStore:
    """Arrays in memory, by video.

    Args:
        arrays: `[time, dim]` of each video, all of one `dim`.
        step_s: Seconds of a step, or `[time + 1]` bounds of each video by name.
        name: What made them.
        fingerprint: Identity of what made them; None for one of the name and the first vectors.

    Raises:
        ConfigError: no video, or one that is not `[time, dim]`.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[np.floating]],
        *,
        step_s: StepSeconds | Mapping[str, NDArray[np.float64]] = 1.0,
        name: str = "array",
        fingerprint: str | None = None,
    ) -> None:
        if not arrays:
            raise ConfigError("a feature store holds one video or more, got none")
        self._arrays = {video: require_vectors(values, video) for video, values in arrays.items()}
        dims = {values.shape[1] for values in self._arrays.values()}
        if len(dims) > 1:
            raise ConfigError(f"all videos of a store have vectors of one length, got {sorted(dims)}")
        self._step_s = step_s
        self.name = name
        self.dim = int(dims.pop())
        self.fingerprint = fingerprint or fingerprint_of_first(name, 1, self._arrays[min(self._arrays)])

    def videos(self) -> Sequence[str]:
        """Names of all videos it holds, sorted."""
        return tuple(sorted(self._arrays))

    def n_steps(self, video: str) -> int:
        """Steps of one video.

        Raises:
            ConfigError: it holds no such video.
        """
        return len(self._of(video))

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        """`[stop - first, dim]`, a view.

        Raises:
            ConfigError: it holds no such video, or not these steps.
        """
        return between(self._of(video), video, first, stop)

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds."""
        if isinstance(self._step_s, Mapping):
            given = self._step_s.get(video)
            if isinstance(given, np.ndarray):
                return given
        return uniform_times_s(self._step_s, video, self.n_steps(video))  # type: ignore[arg-type]

    def _of(self, video: str) -> NDArray[np.floating]:
        if video not in self._arrays:
            raise ConfigError(f"the features '{self.name}' hold no video '{video}'")
        return self._arrays[video]


def open_store(
    path: str | os.PathLike[str],
    *,
    key: str = "{video}",
    step_s: StepSeconds | None = None,
    every: int = 1,
    name: str | None = None,
    fingerprint: str | None = None,
) -> FeatureStore:
    """The store that a path is: a folder of `.npy` files, or an HDF5 file.

    Args:
        path: Folder or file.
        key: Where a video's dataset is in an HDF5 file.
        step_s: See the stores.
        every: Keep every so many-th vector.
        name: What made them.
        fingerprint: Identity of what made them.

    Raises:
        ConfigError: nothing is there, or it holds no features.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"the features '{path}' are not there; name an HDF5 file or a folder of <video>.npy")
    if path.is_dir():
        return NpyFolderStore(path, step_s=step_s, every=every, name=name, fingerprint=fingerprint)
    return Hdf5Store(
        path, key=key, step_s=1.0 if step_s is None else step_s, every=every, name=name, fingerprint=fingerprint
    )
