"""Where features lie: one HDF5 file, a folder of `.npy` files, or arrays in memory.

A store answers by the names that a dataset gives its videos. Time is uniform where a step's length is said, or read
from `<video>.times.npy` beside the features. Vectors that were stored closer than the dataset's steps are thinned on
the way (`every`): nothing is copied for that.

The fingerprint is given, or made of the name, the thinning and the first vectors of the first video: what cannot be
told apart by these is taken as made by the same thing.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.datasets.task import FeatureStore

#: Seconds of one step: the same for every video, by video, or from a function of the video's name.
StepSeconds = float | Mapping[str, float] | Callable[[str], float]

_STORE_NAME = "store.json"
_STORE_KIND = "recue-features"
_TIMES_SUFFIX = ".times.npy"

#: Memory maps that a folder keeps open; each holds a file descriptor.
_N_OPEN = 256


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
        self._arrays = {video: _checked(values, video) for video, values in arrays.items()}
        dims = {values.shape[1] for values in self._arrays.values()}
        if len(dims) > 1:
            raise ConfigError(f"all videos of a store have vectors of one length, got {sorted(dims)}")
        self._step_s = step_s
        self.name = name
        self.dim = int(dims.pop())
        self.fingerprint = fingerprint or _fingerprint(name, 1, self._arrays[min(self._arrays)])

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
        return _between(self._of(video), video, first, stop)

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds."""
        if isinstance(self._step_s, Mapping):
            given = self._step_s.get(video)
            if isinstance(given, np.ndarray):
                return given
        return _uniform(self._step_s, video, self.n_steps(video))  # type: ignore[arg-type]

    def _of(self, video: str) -> NDArray[np.floating]:
        if video not in self._arrays:
            raise ConfigError(f"the features '{self.name}' hold no video '{video}'")
        return self._arrays[video]


class NpyFolderStore:
    """A folder with `<video>.npy` `[time, dim]` for each video, memory-mapped; names may hold folders.

    `<video>.times.npy` `[time + 1]`, where it is there, holds the bounds of the steps in seconds. `store.json`
    (`write_store_card`) says what made them.

    Args:
        root: The folder.
        step_s: Seconds of a step where there is no `.times.npy`; None for what `store.json` says, else 1.
        every: Keep every so many-th vector.
        name: What made them; None for what `store.json` says, else the folder's name.
        fingerprint: Identity of what made them; None for what `store.json` says, else of the first vectors.
        file_name: Turns a video's name into that of its file, without the ending.

    Raises:
        ConfigError: no folder, no `.npy` file in it, or an unreadable `store.json`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        step_s: StepSeconds | None = None,
        every: int = 1,
        name: str | None = None,
        fingerprint: str | None = None,
        file_name: str = "{video}",
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise ConfigError(f"'{self.root}' is no folder of features; name the folder that holds <video>.npy")
        card = read_store_card(self.root)
        self._prefix, self._suffix = _pattern(file_name)
        self._every = every
        self._step_s: StepSeconds = step_s if step_s is not None else float(card.get("step_s", 1.0))
        self._arrays: dict[str, NDArray[np.floating]] = {}
        self._videos: tuple[str, ...] | None = None
        self.name = name or str(card.get("name", self.root.name))
        videos = self.videos()
        if not videos:
            raise ConfigError(f"'{self.root}' holds no file '{file_name}.npy'; name the folder with the features")
        first = self._of(videos[0])
        self.dim = int(first.shape[1])
        self.fingerprint = fingerprint or str(card.get("fingerprint", "")) or _fingerprint(self.name, every, first)

    def videos(self) -> Sequence[str]:
        """Names of all videos it holds, sorted."""
        if self._videos is None:
            found = []
            for path in self.root.rglob("*.npy"):
                relative = path.relative_to(self.root).as_posix()
                if not relative.endswith(_TIMES_SUFFIX) and not any(p.startswith(".") for p in relative.split("/")):
                    found.append(relative[: -len(".npy")])
            self._videos = tuple(sorted(_unwrap(found, self._prefix, self._suffix)))
        return self._videos

    def n_steps(self, video: str) -> int:
        """Steps of one video.

        Raises:
            ConfigError: it holds no such video.
        """
        return len(self._of(video))

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        """`[stop - first, dim]`, a view of the memory map (float64 is read as float32).

        Raises:
            ConfigError: it holds no such video, or not these steps.
        """
        return _as_sequence(_between(self._of(video), video, first, stop))

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds.

        Raises:
            ConfigError: the bounds beside the features do not fit them.
        """
        n_steps = self.n_steps(video)
        path = self._path(video).with_suffix("").with_name(self._path(video).stem + _TIMES_SUFFIX)
        if not path.exists():
            return _uniform(self._step_s, video, n_steps)
        times_s = np.array(_load(path), np.float64)
        if self._every > 1:
            times_s = np.append(times_s[: -1 : self._every], times_s[-1])
        if times_s.shape != (n_steps + 1,):
            raise ConfigError(f"'{path}' holds {times_s.shape} step bounds for {n_steps} steps, expected {n_steps + 1}")
        return times_s

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}}  # another process maps the files itself

    def _path(self, video: str) -> Path:
        return self.root / f"{self._prefix}{video}{self._suffix}.npy"

    def _of(self, video: str) -> NDArray[np.floating]:
        if video not in self._arrays:
            path = self._path(video)
            if not path.is_file():
                raise ConfigError(f"the features '{self.name}' hold no video '{video}': '{path}' is not there")
            if len(self._arrays) >= _N_OPEN:
                self._arrays.pop(next(iter(self._arrays)), None)  # the one opened first
            self._arrays[video] = _checked(_load(path), video)[:: self._every]
        return self._arrays[video]


class Hdf5Store:
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
        self._prefix, self._suffix = _pattern(key)
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
        self.fingerprint = fingerprint or _fingerprint(self.name, every, first)

    def videos(self) -> Sequence[str]:
        """Names of all videos it holds, sorted."""
        if self._videos is None:
            folder, _, prefix = self._prefix.rpartition("/")
            group = self._open()
            for part in filter(None, folder.split("/")):
                group = group.get(part) if hasattr(group, "get") else None
            names = list(group) if hasattr(group, "keys") else []
            inside, _, rest = self._suffix.partition("/")
            found = _unwrap(names, prefix, inside)
            if rest:
                # Thousands of groups are listed in no time; to look into each would take minutes on a cold disk.
                absent = {video for video in found[:8] if self._key.format(video=video) not in self._open()}
                found = [] if len(absent) == len(found[:8]) else [video for video in found if video not in absent]
            self._videos = tuple(sorted(found))
        return self._videos

    def n_steps(self, video: str) -> int:
        """Steps of one video.

        Raises:
            ConfigError: it holds no such video.
        """
        return len(self._of(video))

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        """`[stop - first, dim]`, a view of the memory map where the file allows it (float64 is read as float32).

        Raises:
            ConfigError: it holds no such video, or not these steps.
        """
        return _as_sequence(_between(self._of(video), video, first, stop))

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds."""
        return _uniform(self._step_s, video, self.n_steps(video))

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
            self._arrays[video] = _checked(mapped, video)[:: self._every]
            return self._arrays[video]
        return _checked(dataset[:], video)[:: self._every]

    def _what_there_is(self) -> str:
        names: list[str] = []

        def look(name: str) -> bool | None:
            names.append(name)
            return True if len(names) == 3 else None  # anything else than None ends the walk

        self._open().visit(look)
        return ", ".join(f"'{name}'" for name in names) + ", ..." if names else "nothing"


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


def write_store_card(
    root: str | os.PathLike[str], *, name: str, fingerprint: str, step_s: float | None = None, made_of: str = ""
) -> None:
    """Say in a folder of features what made them; `NpyFolderStore` reads it.

    Args:
        root: The folder.
        name: What made them.
        fingerprint: Identity of what made them.
        step_s: Seconds of a step, where there is no `.times.npy`.
        made_of: Identity of the videos they were made of, for whoever wants to check.
    """
    card: dict[str, Any] = {"kind": _STORE_KIND, "schema": 1, "name": name, "fingerprint": fingerprint}
    if step_s is not None:
        card["step_s"] = step_s
    if made_of:
        card["made_of"] = made_of
    path = Path(root) / _STORE_NAME
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def read_store_card(root: str | os.PathLike[str]) -> dict[str, Any]:
    """What a folder of features says about itself; empty where it says nothing.

    Raises:
        ConfigError: it says so in a way that this version does not read.
    """
    path = Path(root) / _STORE_NAME
    if not path.exists():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["kind"] != _STORE_KIND or card["schema"] != 1:
            raise ValueError(f"kind {card['kind']!r}, schema {card['schema']!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"'{path}' does not say what made the features: {error}; expected kind, schema 1") from error
    return dict(card)


def _pattern(key: str) -> tuple[str, str]:
    if key.count("{video}") != 1:
        raise ConfigError(f"a key says once where the video's name stands, as in 'v_{{video}}/c3d', got '{key}'")
    prefix, _, suffix = key.partition("{video}")
    return prefix, suffix


def _unwrap(names: Sequence[str], prefix: str, suffix: str) -> list[str]:
    inside = [n for n in names if n.startswith(prefix) and n.endswith(suffix) and len(n) > len(prefix) + len(suffix)]
    return [name[len(prefix) : len(name) - len(suffix)] for name in inside]


def _load(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, OSError, EOFError) as error:
        raise ConfigError(f"'{path}' cannot be read as a .npy file: {error}") from error


def _checked(values: NDArray[Any], video: str) -> NDArray[np.floating]:
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind != "f":
        raise ConfigError(
            f"features of '{video}' are [time, dim] numbers with a fraction, got {values.dtype} {values.shape}"
        )
    return values


def _between(values: NDArray[np.floating], video: str, first: int, stop: int | None) -> NDArray[np.floating]:
    stop = len(values) if stop is None else stop
    if not 0 <= first < stop <= len(values):
        raise ConfigError(f"steps {first}:{stop} of '{video}' were asked for, its features have {len(values)} steps")
    return values[first:stop]


def _as_sequence(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return values.astype(np.float32) if values.dtype.itemsize > 4 else values


def _uniform(step_s: StepSeconds, video: str, n_steps: int) -> NDArray[np.float64]:
    if callable(step_s):
        step_s = step_s(video)
    elif isinstance(step_s, Mapping):
        if video not in step_s:
            raise ConfigError(f"how long a step of '{video}' takes was not said; give its seconds in step_s")
        step_s = step_s[video]
    return np.arange(n_steps + 1, dtype=np.float64) * step_s


def _fingerprint(name: str, every: int, values: NDArray[np.floating]) -> str:
    digest = blake2b(f"{name}/{every}/{values.shape[1]}/".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(values[:4], np.float32).tobytes())
    return f"features:{digest.hexdigest()}"
