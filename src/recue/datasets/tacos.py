"""`tacos`: sentences about cooking and their moments, in the TALL and in the 2D-TAN protocol.

Lists are `train.json`, `val.json`, `test.json`: `{video: {"timestamps": [[first, stop], ...], "sentences": [...],
"fps": 29.4, "num_frames": 7346}}`, timestamps in frames. A moment that ends after its video ends with it.

- `tall`: candidates are windows of 64, 128, 256 and 512 frames in training, of 128 and 256 in validation and test, each
  four fifths over the next; a window and a sentence make a training pair when their IoU is above 0.5 and less than
  0.15 of the window lies outside the moment.
- `2d-tan`: moments as given; candidates are the model's own.

Features, where they are said, have one vector each `step_frames` frames of the video's own rate.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args

from recue.core.errors import ConfigError
from recue.datasets.opening import refuse_unknown, whole_number
from recue.datasets.sentences import SERVES, SentenceMoment, Serve, Window, WindowMatch, match_windows, slide
from recue.datasets.stores import open_store
from recue.datasets.task import SPLITS, DatasetReport, FeatureStore, Split

NAME = "tacos"
Protocol = Literal["tall", "2d-tan"]

#: Window sizes in frames.
TRAIN_SIZES = (64, 128, 256, 512)
TEST_SIZES = (128, 256)
#: Videos and sentences of the lists that the 2D-TAN protocol publishes.
PUBLISHED = {"train": (75, 9790), "val": (27, 4436), "test": (25, 4001)}


@dataclass(frozen=True, slots=True)
class AnnotatedFilm:
    """One video of the lists.

    Attributes:
        name: As its features call it.
        n_frames: Its length.
        rate: Frames a second.
        sentences: In the order of the list.
    """

    name: str
    n_frames: int
    rate: float
    sentences: tuple[SentenceMoment, ...]


class TacosDataset:
    """See the module.

    Args:
        films: The videos of each split.
        protocol: `tall` or `2d-tan`.
        serve: What a window stands for where several moments match; see `match_windows`.
        features: Where the features are; None where only the lists are wanted.
        step_frames: Frames of one step of the features.
        notes: What is worth knowing, for `check`.
    """

    def __init__(
        self,
        films: dict[Split, tuple[AnnotatedFilm, ...]],
        *,
        protocol: Protocol = "tall",
        serve: Serve = "moment",
        features: Path | None = None,
        step_frames: int = 16,
        notes: Sequence[str] = (),
    ) -> None:
        self.films = films
        self.protocol = protocol
        self._serve: Serve = serve
        self._features = features
        self._step_frames = step_frames
        self._notes = tuple(notes)
        self._matches: dict[Split, tuple[WindowMatch, ...]] = {}

    @property
    def name(self) -> str:
        """Registry name."""
        return NAME

    @cached_property
    def store(self) -> FeatureStore:
        """Its features.

        Raises:
            ConfigError: they are not there.
        """
        if self._features is None:
            raise ConfigError(
                f"features of '{NAME}' are needed: an HDF5 file or a folder of <video>.npy with one vector each "
                f"{self._step_frames} frames; name them with features=PATH"
            )
        rates = {film.name: film.rate for split in SPLITS for film in self.films[split]}
        return open_store(self._features, step_s=lambda video: self._step_frames / rates[video])

    def sentences(self, split: Split) -> tuple[SentenceMoment, ...]:
        """What is asked, in the order of the list."""
        return tuple(sentence for film in self.films[split] for sentence in film.sentences)

    def windows(self, split: Split) -> tuple[Window, ...]:
        """Candidates, by video, size and start; none in the 2D-TAN protocol, whose models have theirs."""
        return tuple(window for film in self.films[split] for window in self._windows_of(film, split))

    def matches(self, split: Split) -> tuple[WindowMatch, ...]:
        """Windows that are nearly the moment of a sentence; none in the 2D-TAN protocol."""
        if split not in self._matches:
            self._matches[split] = tuple(
                match
                for film in self.films[split]
                for match in match_windows(self._windows_of(film, split), film.sentences, serve=self._serve)
            )
        return self._matches[split]

    def check(self) -> DatasetReport:
        """Counts against the published ones, videos in two splits, and whether the features are long enough."""
        counts: dict[str, dict[str, int]] = {split: self._counts(split) for split in SPLITS}
        problems: list[str] = []
        missing, notes = [], list(self._notes)
        for split, (n_videos, n_sentences) in PUBLISHED.items():
            found = counts[split]["videos"], counts[split]["sentences"]
            if found != (n_videos, n_sentences):
                notes.append(
                    f"{split} has {found[0]} videos and {found[1]} sentences; the published list {n_videos} and "
                    f"{n_sentences}"
                )
        problems += [
            f"'{name}' is in {split} and in {other}"
            for split, other in combinations(SPLITS, 2)
            for name in sorted({film.name for film in self.films[split]} & {film.name for film in self.films[other]})
        ]
        try:
            problems += self._short_features(self.store)
        except ConfigError as error:
            missing.append(str(error))
        return DatasetReport(NAME, counts, tuple(missing), tuple(problems), tuple(notes))

    def describe(self, split: Split, n: int) -> tuple[str, ...]:
        """The first sentences with their moments."""
        return tuple(
            f"“{s.sentence}” in {s.video}: {s.segment.start_s:.1f} to {s.segment.end_s:.1f} s"
            for s in self.sentences(split)[:n]
        )

    def _windows_of(self, film: AnnotatedFilm, split: Split) -> list[Window]:
        if self.protocol != "tall":
            return []
        sizes = TRAIN_SIZES if split == "train" else TEST_SIZES
        return [Window(film.name, *bounds) for size in sizes for bounds in slide(film.n_frames, size)]

    def _counts(self, split: Split) -> dict[str, int]:
        counts = {"videos": len(self.films[split]), "sentences": len(self.sentences(split))}
        if self.protocol == "tall":
            matches = self.matches(split)
            counts |= {
                "windows": len(self.windows(split)),
                "matches": len(matches),
                "unmatched": counts["sentences"] - len({id(match.sentence) for match in matches}),
            }
        return counts

    def _short_features(self, store: FeatureStore) -> list[str]:
        held, problems = set(store.videos()), []
        for split in SPLITS:
            for film in self.films[split]:
                if film.name not in held:
                    problems.append(f"the features '{store.name}' hold no video '{film.name}'")
                    continue
                n_frames = store.n_steps(film.name) * self._step_frames
                # The last window of a 3-D network may end up to a step early.
                if n_frames < film.n_frames - 2 * self._step_frames:
                    problems.append(f"the features of '{film.name}' cover {n_frames} of {film.n_frames} frames")
        return problems


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> TacosDataset:
    """TACoS from its spec.

    Args:
        root: The folder of the lists.
        features: HDF5 file or folder of `.npy` files.
        options: `protocol` (`tall`, `2d-tan`), `serve` (see `match_windows`), `step_frames` (default 16).

    Raises:
        ConfigError: a list is missing or makes no sense, or an option does not.
    """
    refuse_unknown(NAME, options, ("protocol", "serve", "step_frames"))
    protocol, serve = options.get("protocol", "tall"), options.get("serve", "moment")
    if protocol not in get_args(Protocol):
        raise ConfigError(f"option 'protocol' of '{NAME}' is {' or '.join(get_args(Protocol))}, got '{protocol}'")
    if serve not in SERVES:
        raise ConfigError(f"option 'serve' of '{NAME}' is {' or '.join(SERVES)}, got '{serve}'")
    notes: list[str] = []
    films: dict[Split, tuple[AnnotatedFilm, ...]] = {
        split: read_films(root / f"{split}.json", notes=notes) for split in SPLITS
    }
    return TacosDataset(
        films,
        protocol="tall" if protocol == "tall" else "2d-tan",
        serve=next(each for each in SERVES if each == serve),
        features=features,
        step_frames=whole_number(NAME, "step_frames", options.get("step_frames", "16"), least=1),
        notes=notes,
    )


def read_films(path: Path, *, notes: list[str]) -> tuple[AnnotatedFilm, ...]:
    """The videos of one list.

    Args:
        path: The file.
        notes: Gets a sentence where moments were cut or left out.

    Raises:
        ConfigError: the file cannot be read, or is no such list.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        n_cut = 0
        films = []
        for name, entry in document.items():
            film, n = _film(name, entry)
            films.append(film)
            n_cut += n
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "{video: {timestamps, sentences, fps, num_frames}}"
        raise ConfigError(f"'{path}' is no list of sentences: {error!r}; expected {expected}") from error
    if n_cut:
        notes.append(f"{path.name}: {n_cut} moments end after their video and are cut")
    return tuple(films)


def _film(name: str, entry: Any) -> tuple[AnnotatedFilm, int]:
    """One video, and how many of its moments were cut."""
    n_frames, rate = int(entry["num_frames"]), float(entry["fps"])
    if n_frames < 1 or not rate > 0:
        raise ValueError(f"'{name}' has {n_frames} frames at {rate} a second")
    sentences, n_cut = [], 0
    for (first, stop), sentence in zip(entry["timestamps"], entry["sentences"], strict=True):
        if not 0 <= first < min(stop, n_frames):
            raise ValueError(f"'{name}' has {n_frames} frames and a moment {first} to {stop}")
        n_cut += stop > n_frames
        sentences.append(SentenceMoment(name, sentence, int(first), min(int(stop), n_frames), rate))
    return AnnotatedFilm(name, n_frames, rate, tuple(sentences)), n_cut
