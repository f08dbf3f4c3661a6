"""Features in a folder of `.npy` files, one a video, and the card that says what made them."""

import json
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

_STORE_NAME = "store.json"
_STORE_KIND = "recue-features"
_TIMES_SUFFIX = ".times.npy"

#: Memory maps that a folder keeps open; each holds a file descriptor.
_N_OPEN = 256


class NpyFolderStore(StoreOfFiles):
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
        self._prefix, self._suffix = split_pattern(file_name)
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
        self.fingerprint = (
            fingerprint or str(card.get("fingerprint", "")) or fingerprint_of_first(self.name, every, first)
        )

    def videos(self) -> Sequence[str]:
        """Names of all videos it holds, sorted."""
        if self._videos is None:
            found = []
            for path in self.root.rglob("*.npy"):
                relative = path.relative_to(self.root).as_posix()
                if not relative.endswith(_TIMES_SUFFIX) and not any(p.startswith(".") for p in relative.split("/")):
                    found.append(relative[: -len(".npy")])
            self._videos = tuple(sorted(unwrap(found, self._prefix, self._suffix)))
        return self._videos

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds.

        Raises:
            ConfigError: the bounds beside the features do not fit them.
        """
        n_steps = self.n_steps(video)
        path = self._path(video).with_suffix("").with_name(self._path(video).stem + _TIMES_SUFFIX)
        if not path.exists():
            return uniform_times_s(self._step_s, video, n_steps)
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
            self._arrays[video] = require_vectors(_load(path), video)[:: self._every]
        return self._arrays[video]


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


def _load(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, OSError, EOFError) as error:
        raise ConfigError(f"'{path}' cannot be read as a .npy file: {error}") from error
