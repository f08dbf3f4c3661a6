"""`asl-hand-tracks`: continuous signing as hand tracks, with the interval of every word.

The files are those of the derived RWTH-BOSTON-104 tracks that public sign-recognition coursework uses:

```
hands_condensed.csv                 video,frame,left-x,left-y,right-x,right-y,nose-x,nose-y     pixels, one row a frame
speaker.csv                         video,speaker
train_words.csv, test_words.csv     video,speaker,word,startframe,endframe                      the last frame included
```

Features of a step, 8 numbers: where the left and the right hand are, seen from the nose, and how fast they move, both
in units of the signer's own scale (the middle distance of a hand from the nose, over all of this signer's videos).
Words are parted by class, not by the sentences of the files; see `IntervalOptions`.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets.interval_files import Interval
from recue.datasets.intervals import OPTIONS, IntervalDataset, IntervalOptions
from recue.datasets.opening import refuse_unknown, whole_number
from recue.datasets.stores import ArrayStore

NAME = "asl-hand-tracks"
RATE_FPS = 30.0
TRACKS = "hands_condensed.csv"
SPEAKERS = "speaker.csv"
WORDS = ("train_words.csv", "test_words.csv")

#: Raise when the same tracks give other features.
VERSION = 1
#: Speeds are counted in scales in this time, so that they weigh about as much as positions.
_SPEED_S = 0.2
_HANDS = ("left-x", "left-y", "right-x", "right-y")


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> IntervalDataset:
    """The hand tracks from their spec.

    Args:
        root: The folder of the CSV files, or the one above it.
        features: Must not be given: they are made of the tracks.
        options: `step_frames`, frames averaged to a step (default 1), and those of `IntervalOptions`; a word needs
            `least=4` videos by default.

    Raises:
        ConfigError: files are missing or make no sense, or an option does not.
    """
    refuse_unknown(NAME, options, ("step_frames", *OPTIONS))
    if features is not None:
        raise ConfigError(f"the features of '{NAME}' are made of its tracks; leave features={features} out")
    root = root / "data" if (root / "data" / TRACKS).is_file() else root
    n_frames = whole_number(NAME, "step_frames", options.get("step_frames", "1"), least=1)
    return IntervalDataset(
        NAME,
        read_words(root),
        lambda: store_of_tracks(root, n_frames=n_frames),
        options=IntervalOptions.of(NAME, options, least=4),
        notes=["a video that is asked for an unseen word holds words of other splits beside it"],
    )


def read_words(root: Path) -> tuple[Interval, ...]:
    """Every word of both files, in order.

    Raises:
        ConfigError: a file is missing or makes no sense.
    """
    intervals = []
    for name in WORDS:
        for row in _rows(root / name, ("video", "word", "startframe", "endframe")):
            first, last = float(row["startframe"]), float(row["endframe"])
            if not 0 <= first <= last:
                raise ConfigError(f"'{root / name}': {row['word']} of video {row['video']} ends before it starts")
            segment = Segment(first / RATE_FPS, (last + 1) / RATE_FPS)
            intervals.append(Interval(row["video"], segment, row["word"].strip()))
    return tuple(intervals)


def store_of_tracks(root: Path, *, n_frames: int = 1) -> ArrayStore:
    """Features of every video, in memory: some 16,000 frames in all.

    Args:
        root: The folder of the CSV files.
        n_frames: Frames that are averaged to one step; what is left over at the end makes a last, shorter one.

    Raises:
        ConfigError: a file is missing or makes no sense.
    """
    tracks: dict[str, list[tuple[float, ...]]] = {}
    for row in _rows(root / TRACKS, ("video", "frame", *_HANDS, "nose-x", "nose-y")):
        own = tracks.setdefault(row["video"], [])
        if int(row["frame"]) != len(own):
            raise ConfigError(
                f"'{root / TRACKS}': video {row['video']} has frame {row['frame']} where {len(own)} is due"
            )
        own.append(tuple(float(row[key]) for key in (*_HANDS, "nose-x", "nose-y")))
    speakers = {row["video"]: row["speaker"] for row in _rows(root / SPEAKERS, ("video", "speaker"))}
    arrays, times_s = {}, {}
    from_nose = {video: _from_nose(np.array(own)) for video, own in tracks.items()}
    scales = _scales(from_nose, speakers)
    for video, hands in from_nose.items():
        arrays[video] = track_features(hands / scales[speakers.get(video, "")], n_frames=n_frames)
        bounds = np.append(np.arange(0, len(hands), n_frames), len(hands))
        times_s[video] = bounds / RATE_FPS
    return ArrayStore(arrays, step_s=times_s, name=NAME, fingerprint=f"{NAME}-{VERSION}-{n_frames}")


def track_features(hands: NDArray[np.float64], *, n_frames: int = 1) -> NDArray[np.float32]:
    """Positions and speeds of both hands, averaged over steps.

    Args:
        hands: `[frames, 4]`: left x, y, right x, y from the nose, in scales; y grows downwards.
        n_frames: Frames of a step.

    Returns:
        `[steps, 8]`: the four positions, then the four speeds in scales a fifth of a second: central differences,
        one-sided at the ends; 0 for a single frame.
    """
    speeds = np.gradient(hands, axis=0) * RATE_FPS * _SPEED_S if len(hands) > 1 else np.zeros_like(hands)
    both = np.concatenate([hands, speeds], axis=1)
    steps = [both[first : first + n_frames].mean(axis=0) for first in range(0, len(both), n_frames)]
    return np.array(steps, dtype=np.float32)


def _from_nose(track: NDArray[np.float64]) -> NDArray[np.float64]:
    return track[:, :4] - np.tile(track[:, 4:], 2)


def _scales(from_nose: Mapping[str, NDArray[np.float64]], speakers: Mapping[str, str]) -> dict[str, float]:
    distances: dict[str, list[NDArray[np.float64]]] = {}
    for video, hands in from_nose.items():
        distances.setdefault(speakers.get(video, ""), []).append(np.linalg.norm(hands.reshape(-1, 2), axis=1))
    return {speaker: float(np.median(np.concatenate(own))) or 1.0 for speaker, own in distances.items()}


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f"'{path}' cannot be read: {error}; name the folder with {TRACKS}") from error
    if absent := [column for column in columns if column not in (reader.fieldnames or ())]:
        raise ConfigError(f"'{path}' has no column {', '.join(absent)}; expected {', '.join(columns)}")
    return rows
