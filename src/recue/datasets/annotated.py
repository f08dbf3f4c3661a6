"""Videos with labelled segments in seconds, and the readers of the files that hold them.

ActivityNet JSON: `{"database": {video: {"duration": 82.7, "subset": "training",
"annotations": [{"segment": [6.1, 77.7], "label": "Ballet"}]}}}`, and the flat form that several repositories derive
from it: `{"v_<video>": {"duration_second": 82.7, "duration_frame": 2067, "annotations": [...]}}`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recue.core.errors import ConfigError
from recue.core.segment import Segment


@dataclass(frozen=True, slots=True)
class LabelledSegment:
    """One annotated action.

    Attributes:
        segment: Where, on the video's clock.
        label: Its class.
    """

    segment: Segment
    label: str


@dataclass(frozen=True, slots=True)
class AnnotatedVideo:
    """What is annotated in one video.

    Attributes:
        name: The video, as its features call it.
        duration_s: Length in seconds, above 0.
        segments: In the order of the file; they may overlap, and end after the video by a rounding.
        subset: `training`, `validation`, `testing`, or whatever the file says; empty where it says nothing.
        rate: Frames a second; 0 where the file says nothing.
    """

    name: str
    duration_s: float
    segments: tuple[LabelledSegment, ...]
    subset: str = ""
    rate: float = 0.0

    def labels(self) -> tuple[str, ...]:
        """Its classes, sorted."""
        return tuple(sorted({segment.label for segment in self.segments}))


def read_activitynet(path: Path) -> dict[str, AnnotatedVideo]:
    """Read annotations in the ActivityNet JSON format, or the flat form derived from it.

    Args:
        path: The file, or a folder with one such file.

    Returns:
        Videos by name, without a leading `v_`, in the order of the file.

    Raises:
        ConfigError: no such file, not that format, or a segment that starts after it ends.
    """
    path = find_annotations(path)
    document = read_json(path)
    entries = document.get("database", document) if isinstance(document, Mapping) else None
    if not isinstance(entries, Mapping) or not entries:
        raise ConfigError(f"'{path}' is not in the ActivityNet format: expected 'database' with an entry a video")
    return {name.removeprefix("v_"): _video(path, name, entry) for name, entry in entries.items()}


def find_annotations(path: Path) -> Path:
    """The file itself, or the one JSON file in a folder that is not a list of items.

    Raises:
        ConfigError: none, or several.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.json"))
    if len(found) != 1:
        have = ", ".join(file.name for file in found[:5]) or "none"
        raise ConfigError(f"'{path}' holds {len(found)} JSON files ({have}); name the one with the annotations")
    return found[0]


def read_json(path: Path) -> Any:
    """A JSON document.

    Raises:
        ConfigError: the file is not there, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"'{path}' cannot be read: {error.strerror}; name the file or folder of the lists") from error
    except ValueError as error:
        raise ConfigError(f"'{path}' is not JSON: {error}") from error


def class_names(videos: Sequence[AnnotatedVideo]) -> tuple[str, ...]:
    """Every class of some videos, sorted."""
    return tuple(sorted({label for video in videos for label in video.labels()}))


def _video(path: Path, name: str, entry: Any) -> AnnotatedVideo:
    try:
        duration_s = float(entry["duration"] if "duration" in entry else entry["duration_second"])
        if duration_s <= 0:
            raise ValueError(f"a duration of {duration_s}")
        segments = tuple(
            LabelledSegment(Segment(float(given["segment"][0]), float(given["segment"][1])), str(given["label"]))
            for given in entry["annotations"]
        )
        rate = float(entry.get("duration_frame", 0)) / duration_s
        return AnnotatedVideo(name.removeprefix("v_"), duration_s, segments, str(entry.get("subset", "")), rate)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(
            f"'{name}' in '{path}' is not duration and annotations with segment and label: {error!r}"
        ) from error
