"""Intervals and arrays as people have them on disk; `recue.datasets.intervals` says where they lie."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recue.core.errors import ConfigError, RecueError
from recue.core.protocols import FileSource
from recue.core.segment import Segment
from recue.datasets.stores import ArrayStore, open_store
from recue.datasets.task import FeatureStore
from recue.features import load_source

COLUMNS = ("video", "start_s", "end_s", "label")
_ARRAY_FILES = (".npz", ".h5", ".hdf5", ".safetensors")


@dataclass(frozen=True, slots=True)
class Interval:
    """A labelled stretch of one video.

    Attributes:
        video: Its name in the features.
        segment: Where, in seconds from the first step's start on.
        label: Its class.
        split: `train`, `val` or `test`; empty where the seed decides.
        source: What the video was cut from; empty for the video itself.
    """

    video: str
    segment: Segment
    label: str
    split: str = ""
    source: str = ""


def read_intervals(path: Path) -> tuple[tuple[Interval, ...], float | None]:
    """Intervals of a CSV or JSON file, and the length of a step where it is said.

    Raises:
        ConfigError: the file cannot be read, or a row makes no sense; names the row.
    """
    step_s = None
    try:
        if path.suffix.lower() == ".json":
            document: Any = json.loads(path.read_text(encoding="utf-8"))
            rows = document
            if isinstance(document, dict):
                rows, step_s = document["intervals"], document.get("step_s")
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        if step_s is not None and not 0 < float(step_s) < float("inf"):
            raise ValueError(f"step_s is seconds above 0, got {step_s!r}")
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ConfigError(f"'{path}' cannot be read as intervals: {error!r}") from error
    if not isinstance(rows, list):
        raise ConfigError(f"'{path}' holds no list of intervals; expected rows with {', '.join(COLUMNS)}")
    intervals = tuple(_interval(row, f"'{path}', interval {k}") for k, row in enumerate(rows, start=1))
    return intervals, float(step_s) if step_s is not None else None


def _interval(row: Any, where: str) -> Interval:
    if not isinstance(row, dict) or any(row.get(column) in (None, "") for column in COLUMNS):
        raise ConfigError(f"{where}: expected {', '.join(COLUMNS)}, got {row}")
    try:
        segment = Segment(float(row["start_s"]), float(row["end_s"]))
    except ValueError as error:  # ConfigError is one
        raise ConfigError(f"{where}: {error}") from error
    if segment.duration_s == 0:
        raise ConfigError(f"{where} has no length: {segment.start_s:g} to {segment.end_s:g} s")
    return Interval(
        str(row["video"]), segment, str(row["label"]), str(row.get("split") or ""), str(row.get("source") or "")
    )


def open_arrays(path: Path, *, step_s: float | None = None, key: str = "{video}") -> FeatureStore:
    """Features as people have them: a folder with a file a video, or one HDF5 file.

    Args:
        path: Folder or file.
        step_s: Seconds of a step where the files do not say.
        key: Where a video's array is in an HDF5 file.

    Raises:
        ConfigError: nothing is there, or it cannot be read.

    Cost: `.npy` and HDF5 are read as asked for; the other kinds are read whole, into memory.
    """
    if not path.is_dir() or any(path.rglob("*.npy")):
        return open_store(path, step_s=step_s, key=key)
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _ARRAY_FILES)
    if not files:
        raise ConfigError(f"'{path}' holds no features; expected <video>.npy, or {', '.join(_ARRAY_FILES)}")
    try:
        source = load_source(f"precomputed:step_s={step_s or 1.0!r}")
        assert isinstance(source, FileSource)
        read = {file.relative_to(path).with_suffix("").as_posix(): source.read(file) for file in files}
    except RecueError as error:
        raise ConfigError(str(error)) from error
    return ArrayStore(
        {video: sequence.values for video, sequence in read.items()},
        step_s={video: sequence.times_s for video, sequence in read.items()},
        name=path.name,
    )


def intervals_path(root: Path) -> Path:
    """The file of intervals in a folder; the file itself where one is named.

    Raises:
        ConfigError: there is none.
    """
    if root.is_file():
        return root
    for name in ("intervals.csv", "intervals.json"):
        if (root / name).is_file():
            return root / name
    raise ConfigError(f"'{root}' holds no intervals; expected intervals.csv or intervals.json, or name the file itself")


def features_path(root: Path) -> Path:
    """The features that lie beside a file of intervals.

    Raises:
        ConfigError: there are none.
    """
    for name in ("features", "features.h5", "features.hdf5"):
        if (root / name).exists():
            return root / name
    raise ConfigError(
        f"'{root}' holds no features; expected a folder 'features' or 'features.h5', or say features=PATH"
    )
