"""A folder of features made once and kept: one .npy a video, memory-mapped when read.

```
FOLDER/source.json          {"kind": "recue-features", "schema": 1, "name": ..., "fingerprint": ..., "dim": ...,
                             "made_for": ...}
FOLDER/<video>.npy          [steps, dim], float16
FOLDER/<video>.times.npy    [steps + 1], float64, seconds
```

The name of a video may hold `/`, which are folders. A video is there when its .npy is: it is written last, and appears
under its name when it is whole. So a run that was stopped goes on where it was.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MediaError, ShapeError
from recue.core.features import FeatureSequence
from recue.core.protocols import Backbone
from recue.datasets.abilities import BuildReport, Progress
from recue.media import sample

KIND = "recue-features"
SCHEMA = 1
SOURCE_NAME = "source.json"

#: Memory maps that are kept open; each holds a file descriptor.
N_OPEN = 256


@dataclass(frozen=True, slots=True)
class CacheSource:
    """What made the features of a cache.

    Attributes:
        name: The backbone with its options, for people.
        fingerprint: Its identity.
        dim: Length of a vector.
        made_for: Identity of the videos they were made of; empty where nobody asked.
    """

    name: str
    fingerprint: str
    dim: int
    made_for: str = ""


class CachedFeatures:
    """The features of a folder, as a `FeatureStore`; see the module.

    Args:
        folder: Where they are.

    Raises:
        ConfigError: the folder holds no such features.

    Cost: opening a video takes some 0.1 ms, reading from one that is open next to nothing.
    """

    def __init__(self, folder: Path) -> None:
        source = read_source(folder)
        if source is None:
            raise ConfigError(f"'{folder}' holds no features ({SOURCE_NAME}); make them with `recue dataset build`")
        self.folder = folder
        self.source = source
        self._open: OrderedDict[str, NDArray[np.floating]] = OrderedDict()
        self._n_steps: dict[str, int] = {}
        self._times_s: dict[str, NDArray[np.float64]] = {}

    @property
    def name(self) -> str:
        """What made them, for people."""
        return self.source.name

    @property
    def fingerprint(self) -> str:
        """Identity of what made them."""
        return self.source.fingerprint

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self.source.dim

    def videos(self) -> Sequence[str]:
        """Names of all videos that are there, sorted."""
        paths = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.npy"))
        return sorted(path.removesuffix(".npy") for path in paths if not path.endswith((".times.npy", ".partial.npy")))

    def has(self, video: str) -> bool:
        """Whether a video is there."""
        return _values_path(self.folder, video).is_file()

    def n_steps(self, video: str) -> int:
        """Steps of one video.

        Raises:
            ConfigError: it is not there.
        """
        if video not in self._n_steps:
            self._n_steps[video] = len(self._values(video))
        return self._n_steps[video]

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        """`[stop - first, dim]`, a view of the memory map.

        Raises:
            ConfigError: it is not there, or has no such steps.
        """
        values = self._values(video)
        stop = len(values) if stop is None else stop
        if not 0 <= first < stop <= len(values):
            raise ConfigError(f"'{video}' has the steps 0:{len(values)}, asked for {first}:{stop}")
        return values[first:stop]

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds."""
        if video not in self._times_s:
            self._times_s[video] = _load(_times_path(self.folder, video), video, mapped=False)
        return self._times_s[video]

    def _values(self, video: str) -> NDArray[np.floating]:
        found = self._open.get(video)
        if found is None:
            found = _load(_values_path(self.folder, video), video, mapped=True)
            self._open[video] = found
            if len(self._open) > N_OPEN:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(video)
        return found

    def __getstate__(self) -> dict[str, Any]:
        # Another process maps the files itself.
        return {**self.__dict__, "_open": OrderedDict()}


def read_source(folder: Path) -> CacheSource | None:
    """What made the features of a folder; None where it holds none.

    Raises:
        ConfigError: they are of a schema this version does not read.
    """
    try:
        document = json.loads((folder / SOURCE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        return None
    if document.get("schema") != SCHEMA:
        raise ConfigError(
            f"'{folder}' holds features of schema {document.get('schema')}, this version reads {SCHEMA}; "
            "delete the folder and build them again"
        )
    return CacheSource(document["name"], document["fingerprint"], document["dim"], document.get("made_for", ""))


def fill(
    folder: Path,
    videos: Mapping[str, Path],
    backbone: Backbone,
    *,
    made_for: str = "",
    progress: Progress | None = None,
    encode: Callable[[Path, Backbone], FeatureSequence] | None = None,
) -> BuildReport:
    """Make the features that are missing in a folder.

    Args:
        folder: Made when it is not there.
        videos: For each name the file.
        backbone: What makes them.
        made_for: Identity of the videos. A folder that was made for others is refused.
        progress: Called after each video, those that were there included.
        encode: Instead of `encode_video`.

    Raises:
        ConfigError: the folder holds features of something else.
        MediaError: the folder cannot be written.

    Cost: a decode and an inference of each video that is missing; memory for the features of one.
    """
    encode = encode or encode_video
    source = CacheSource(backbone.name, backbone.fingerprint, backbone.dim, made_for)
    n_kept, failed = 0, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder, source)
        for k, (video, path) in enumerate(videos.items(), start=1):
            if _values_path(folder, video).is_file():
                n_kept += 1
            else:
                try:
                    features = encode(path, backbone)
                except MediaError as error:
                    failed.append(f"{video}: {error}")
                else:
                    _write(folder, video, features)
            if progress:
                progress(k, len(videos), video)
    except MediaError:
        raise
    except OSError as error:
        raise MediaError(f"'{folder}' cannot be written: {error}; check the folder and the free space") from error
    return BuildReport(folder, len(videos) - n_kept - len(failed), n_kept, tuple(failed))


def encode_video(path: Path, backbone: Backbone) -> FeatureSequence:
    """Features of one file.

    Raises:
        MediaError: it cannot be read, or nothing of it decoded.
    """
    warnings: list[str] = []
    try:
        return backbone.encode(sample(path, backbone.sampling, warnings=warnings))
    except ShapeError as error:
        reason = f" ({'; '.join(warnings)})" if warnings else ""
        raise MediaError(f"no picture of '{path}' was decoded{reason}; check that it plays elsewhere") from error


def _claim(folder: Path, source: CacheSource) -> None:
    there = read_source(folder)
    if there is None:
        text = json.dumps({"kind": KIND, "schema": SCHEMA, **asdict(source)}, indent=1) + "\n"
        partial = folder / f".{SOURCE_NAME}.{os.getpid()}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / SOURCE_NAME)
    elif there.fingerprint != source.fingerprint:
        raise ConfigError(
            f"'{folder}' holds features of '{there.name}' ({there.fingerprint}), not of '{source.name}' "
            f"({source.fingerprint}); name another folder"
        )
    elif there.made_for != source.made_for:
        raise ConfigError(f"'{folder}' holds features of other videos than these; delete it and build them again")


def _write(folder: Path, video: str, features: FeatureSequence) -> None:
    path = _values_path(folder, video)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The times first: a video is there when its values are.
    for target, array in ((_times_path(folder, video), features.times_s), (path, features.values.astype(np.float16))):
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)


def _load(path: Path, video: str, *, mapped: bool) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError as error:
        raise ConfigError(f"there are no features of '{video}' ('{path}'); run `recue dataset build`") from error
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"'{path}' is damaged ({error}); delete it and run `recue dataset build`") from error
    return array


def _values_path(folder: Path, video: str) -> Path:
    return folder / f"{video}.npy"


def _times_path(folder: Path, video: str) -> Path:
    return folder / f"{video}.times.npy"
