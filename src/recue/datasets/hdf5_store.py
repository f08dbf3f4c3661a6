"""Features in one HDF5 file, one dataset a video."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.datasets.store_parts import (
    StepSeconds,
    StoreOfFiles,
    fingerprint_of_first,
    require_vectors,
    split_pattern,
    uniform_times_s,
    unwrap,
)


class Hdf5Store(StoreOfFiles):
    """One HDF5 file with a dataset `[time, dim]` for each video.

    Datasets that lie in one piece and uncompressed are memory-mapped past the HDF5 library; others are read through
    it. Each process opens the file itself.

    Args:
        path: The file.
        key: Where a video's dataset is; `v_{video}/c3d_features` for ActivityNet's C3D file.
        step_s: Seconds of one step, after the thinning.
        every: Keep every so many-th vector: 2 where windows of 16 frames were taken each 8.
        name: What made them; None for the file's name.
        fingerprint: Identity of what made them; None for one of the name and the first vectors.

    Raises:
        ConfigError: no such file, not HDF5, or no dataset under `key`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: str = "{video}",
        step_s: StepSeconds = 1.0,
        every: int = 1,
        name: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self.path = Path(path)
        self._key = key
        self._prefix, self._suffix = split_pattern(key)
        self._step_s = step_s
        self._every = every
        self._pid = 0
        self._file: Any = None
        self._bytes: NDArray[np.uint8] | None = None
        self._arrays: dict[str, NDArray[np.floating]] = {}
        self._videos: tuple[str, ...] | None = None
        self.name = name or self.path.stem
        videos = self.videos()
        if not videos:
            raise ConfigError(f"'{self.path}' holds no dataset '{key}'; it holds {self._what_there_is()}")
        first = self._of(videos[0])
        self.dim = int(first.shape[1])
        self.fingerprint = fingerprint or fingerprint_of_first(self.name, every, first)

    def videos(self) -> Sequence[str]:
        """Names of all videos it holds, sorted."""
        if self._videos is None:
            folder, _, prefix = self._prefix.rpartition("/")
            group = self._open()
            for part in filter(None, folder.split("/")):
                group = group.get(part) if hasattr(group, "get") else None
            names = list(group) if hasattr(group, "keys") else []
            inside, _, rest = self._suffix.partition("/")
            found = unwrap(names, prefix, inside)
            if rest:
                # Thousands of groups are listed in no time; to look into each would take minutes on a cold disk.
                absent = {video for video in found[:8] if self._key.format(video=video) not in self._open()}
                found = [] if len(absent) == len(found[:8]) else [video for video in found if video not in absent]
            self._videos = tuple(sorted(found))
        return self._videos

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds."""
        return uniform_times_s(self._step_s, video, self.n_steps(video))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}, "_file": None, "_bytes": None, "_pid": 0}

    def _open(self) -> Any:
        import h5py

        if self._file is None or self._pid != os.getpid():
            if not self.path.is_file():
                raise ConfigError(f"the features '{self.path}' are not there; name the HDF5 file")
            try:
                self._file = h5py.File(self.path, "r")
            except OSError as error:
                raise ConfigError(f"'{self.path}' cannot be read as HDF5: {error}") from error
            self._pid = os.getpid()
            self._arrays.clear()
        return self._file

    def _of(self, video: str) -> NDArray[np.floating]:
        if video in self._arrays:
            return self._arrays[video]
        dataset = self._open().get(self._key.format(video=video))
        if dataset is None or not hasattr(dataset, "id") or not hasattr(dataset, "dtype"):
            raise ConfigError(f"the features '{self.name}' hold no video '{video}' at '{self._key}' of '{self.path}'")
        offset = dataset.id.get_offset() if dataset.chunks is None else None
        if offset is not None and dataset.dtype.isnative and dataset.size:
            if self._bytes is None:
                self._bytes = np.memmap(self.path, np.uint8, mode="r")
            mapped = self._bytes[offset : offset + dataset.nbytes].view(dataset.dtype).reshape(dataset.shape)
            self._arrays[video] = require_vectors(mapped, video)[:: self._every]
            return self._arrays[video]
        return require_vectors(dataset[:], video)[:: self._every]

    def _what_there_is(self) -> str:
        names: list[str] = []

        def look(name: str) -> bool | None:
            names.append(name)
            return True if len(names) == 3 else None  # anything else than None ends the walk

        self._open().visit(look)
        return ", ".join(f"'{name}'" for name in names) + ", ..." if names else "nothing"
