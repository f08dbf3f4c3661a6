"""Thumos14 with its 20 classes parted 14/6: for proposals, triplets and re-localization.

Lists are `val_Annotation.csv` and `test_Annotation.csv` with `video,type,type_idx,start,end,startFrame,endFrame`, in
seconds; `thumos14_test_groundtruth.csv`, where it is there, has the true length and rate of the test videos.
Stretches that the annotators called `Ambiguous` are no class.

The protocol has 412 videos: 200 of validation and 212 of test, of which 270 and 1496 are annotated wrongly and left
out; the 213th test video of the lists holds nothing but an ambiguous stretch. No class validates: `classes=12/2/6`
takes two of the training classes for that.

Source: Similarity-metric graph re-localization, section 5.1.2.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets.annotated import AnnotatedVideo, LabelledSegment
from recue.datasets.annotated_lists import Protocol, list_annotated
from recue.datasets.listed import ListedDataset

NAME = "thumos14"
AMBIGUOUS = "Ambiguous"
EXCLUDED = ("video_test_0000270", "video_test_0001496")
N_VIDEOS = 412
#: Frames a second that its videos have.
RATES = (24.0, 25.0, 30000 / 1001, 30.0)

_FILES = {"validation": "val_Annotation.csv", "test": "test_Annotation.csv"}
_LENGTHS = "thumos14_test_groundtruth.csv"

_PROTOCOL = Protocol(
    NAME,
    classes="14/0/6",
    key="{video}",
    every=1,
    features_name="thumos14-c3d",
    features_from="make C3D features of 16 frames a step, one array a video, and say where they are",
    drop_overlapping=False,  # every dive from a cliff is annotated as a dive too
)


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> ListedDataset:
    """Open the annotations.

    Args:
        root: The folder with the lists, or one above it.
        features: An HDF5 file with an array for each video, or a folder of `<video>.npy`.
        options: See `list_annotated`.

    Raises:
        ConfigError: a list is absent or damaged, or an option makes no sense.
    """
    videos = read_thumos14(root)
    held = [name for name in EXCLUDED if name in videos]
    kept = [video for name, video in videos.items() if name not in EXCLUDED and video.segments]
    notes = [f"{len(kept) + len(held)} videos with a class; {len(held)} of them left out: {', '.join(held)}"]
    if len(kept) + len(held) != N_VIDEOS:
        notes.append(f"the protocol has {N_VIDEOS} videos before these are left out")
    if empty := [name for name, video in videos.items() if not video.segments]:
        notes.append(f"nothing but ambiguous stretches in {', '.join(empty)}")
    return list_annotated(_PROTOCOL, root, kept, features=features, options=options, notes=notes)


def read_thumos14(root: Path) -> dict[str, AnnotatedVideo]:
    """Every video of the lists, the excluded ones too; those with nothing but ambiguous stretches have no segment.

    Without a true length a video ends where its last stretch does.

    Raises:
        ConfigError: a list is absent or damaged.
    """
    folder = _folder(root)
    lengths = _read_lengths(folder / _LENGTHS)
    videos = {}
    for subset, file in _FILES.items():
        stretches: dict[str, list[LabelledSegment]] = {}
        frames: dict[str, tuple[float, float]] = {}
        for row in _rows(folder / file):
            try:
                segment = Segment(float(row["start"]), float(row["end"]))
                stretches.setdefault(row["video"], []).append(LabelledSegment(segment, row["type"]))
                frames[row["video"]] = max(
                    frames.get(row["video"], (0.0, 0.0)), (segment.end_s, float(row["endFrame"]))
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(f"'{folder / file}' is not video, type, start, end, endFrame: {error!r}") from error
        for name, found in stretches.items():
            end_s, end_frame = frames[name]
            duration_s, rate = lengths.get(name, (end_s, _nearest_rate(end_frame / end_s)))
            segments = tuple(given for given in found if given.label != AMBIGUOUS)
            videos[name] = AnnotatedVideo(name, max(duration_s, end_s), segments, subset, rate)
    return videos


def _folder(root: Path) -> Path:
    name = _FILES["test"]
    found = [path.parent for path in ([root / name] if (root / name).is_file() else sorted(root.rglob(name)))]
    if len(found) != 1:
        raise ConfigError(f"'{root}' holds {len(found)} files {name}, expected one; name the folder with the lists")
    return found[0]


def _read_lengths(path: Path) -> dict[str, tuple[float, float]]:
    """Seconds and rate by video; empty where there is no such file."""
    if not path.exists():
        return {}
    try:
        return {
            row["video-name"]: (float(row["video-duration"]), _nearest_rate(float(row["frame-rate"])))
            for row in _rows(path)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"'{path}' is not video-name, video-duration, frame-rate: {error!r}") from error


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as opened:
            yield from csv.DictReader(opened)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"the list '{path}' cannot be read: {error}") from error


def _nearest_rate(rate: float) -> float:
    """Frame numbers over rounded seconds are a little off the rate."""
    return min(RATES, key=lambda known: abs(known - rate))
