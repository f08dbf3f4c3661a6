"""`intervals`: any sequences with labelled intervals that a user brings.

ROOT holds the intervals, and the features unless `features=PATH` says where they are:

```
ROOT/intervals.csv      video,start_s,end_s,label            one row an interval; more columns may follow: split, source
ROOT/intervals.json     {"step_s": 0.04, "intervals": [{"video": ..., "start_s": ..., "end_s": ..., "label": ...}]}
ROOT/features/          <video>.npy (memory-mapped), or <video>.npz, .h5, .safetensors; each [time, dim]
ROOT/features.h5        or .hdf5: one dataset [time, dim] a video
```

Time is `times_s` (`[time + 1]` bounds) inside a file that holds several arrays, `<video>.times.npy` beside a `.npy`, or
steps of one length, `step_s`. Where a row says no split, classes are parted by the seed, so that no class is in two.

A query is one interval; its reference is another whole video that holds its class. Videos of one `source` (each video,
where it is not said) are never paired.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

from recue.core.errors import ConfigError
from recue.datasets.interval_files import Interval, features_path, intervals_path, open_arrays, read_intervals
from recue.datasets.labelled import split_classes
from recue.datasets.listed import ListedDataset, pair_with_longer
from recue.datasets.opening import refuse_unknown, whole_number
from recue.datasets.task import SPLITS, Clip, DatasetReport, FeatureStore, Item, Question, Split
from recue.datasets.timing import steps_within

NAME = "intervals"


@dataclass(frozen=True, slots=True)
class IntervalOptions:
    """How intervals become questions.

    Attributes:
        seed: Of the split of the classes and of which queries are asked; the draw of references has its own.
        least: A class needs intervals in that many videos, or is left out.
        split: `given` by the rows, or `drawn` by the seed; None: given where the rows say it.
        absent: Questions without an answer for each query in validation and test.
        per_class: Most queries of one class in validation and test; 0 for all.
    """

    seed: int = 0
    least: int = 2
    split: str | None = None
    absent: int = 0
    per_class: int = 0

    def __post_init__(self) -> None:
        if self.split not in (None, "given", "drawn"):
            raise ConfigError(f"option 'split' is given or drawn, got '{self.split}'")
        if self.least < 2:
            raise ConfigError(f"a query and its reference are of two videos: least is 2 or more, got {self.least}")

    @classmethod
    def of(cls, name: str, options: Mapping[str, str], **defaults: int) -> "IntervalOptions":
        """From what was typed."""
        numbers = {
            key: whole_number(name, key, options[key]) if key in options else default
            for key, default in ({"seed": 0, "least": 2, "absent": 0, "per_class": 0} | defaults).items()
        }
        return cls(split=options.get("split"), **numbers)


#: The names of the options above.
OPTIONS = ("seed", "least", "split", "absent", "per_class")


class IntervalDataset:
    """Intervals over features; see the module.

    Args:
        name: Registry name.
        intervals: All of them.
        open_features: Opens the store; raises `ConfigError` with the way out where there is none.
        options: See there.
        notes: What is worth knowing, for `check`.

    Raises:
        ConfigError: there are no intervals, only some have a split, or too few classes can be asked for.
    """

    def __init__(
        self,
        name: str,
        intervals: Sequence[Interval],
        open_features: Callable[[], FeatureStore],
        *,
        options: IntervalOptions | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.intervals = tuple(intervals)
        self.options = options or IntervalOptions()
        self._open_features = open_features
        self._notes = list(notes)
        self._splits = self._parted()
        self._labels_of: dict[str, set[str]] = {}
        for interval in self.intervals:
            self._labels_of.setdefault(interval.video, set()).add(interval.label)

    @cached_property
    def store(self) -> FeatureStore:
        """Its features.

        Raises:
            ConfigError: they are not there.
        """
        return self._open_features()

    def classes(self, split: Split) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted({interval.label for interval in self._splits[split]}))

    def items(self, split: Split) -> tuple[Item, ...]:
        """Each interval in its whole video, in the order of the list."""
        return self._listed.items(split)

    def queries(self, split: Split) -> tuple[Clip, ...]:
        """Every interval; in validation and test at most `per_class` of each class."""
        return self._listed.queries(split)

    def questions(self, split: Split, *, seed: int = 0) -> tuple[Question, ...]:
        """For each query another video that holds its class, then `absent` that do not."""
        present = pair_with_longer(self.queries(split), self.items(split), seed=seed, exclude_own=True)
        if split == "train" or not self.options.absent:
            return present
        return (*present, *self._absent(split, seed))

    def check(self) -> DatasetReport:
        """Counts, and whether the features hold every interval."""
        try:
            _ = self.store
        except ConfigError as error:
            listed: dict[str, dict[str, int]] = {split: self._counts(split) for split in SPLITS if self._splits[split]}
            return DatasetReport(self.name, listed, (str(error),), (), tuple(self._notes))
        report = self._listed.check()
        counts: dict[str, dict[str, int]] = {
            split: {**report.counts[split], "questions": len(self.questions(split))}
            for split in SPLITS
            if split in report.counts
        }
        return DatasetReport(self.name, counts, report.missing, report.problems, report.notes)

    @cached_property
    def _listed(self) -> ListedDataset:
        problems: list[str] = []
        items: dict[Split, tuple[Item, ...]] = {}
        queries: dict[Split, tuple[Clip, ...]] = {}
        for split in SPLITS:
            items[split] = tuple(self._items_of(split, problems))
            queries[split] = tuple(self._few(split, [item.moment for item in items[split]]))
        return ListedDataset(
            self.name,
            items,
            lambda: self.store,
            split_queries=queries,
            exclude_own=True,
            problems=tuple(dict.fromkeys(problems)),
            notes=tuple(self._notes),
        )

    def _items_of(self, split: Split, problems: list[str]) -> list[Item]:
        held = set(self.store.videos())
        moments: dict[tuple[str, str], list[Clip]] = {}
        ordered = []
        for k, interval in enumerate(self._splits[split], start=1):
            if interval.video not in held:
                problems.append(f"the features '{self.store.name}' hold no video '{interval.video}'")
                continue
            times_s = self.store.times_s(interval.video)
            end_s, segment = float(times_s[-1]), interval.segment
            # A truth may end within the step that the last one would have been.
            last_s = end_s + float(times_s[-1] - times_s[-2])
            if segment.start_s < times_s[0] or segment.start_s >= end_s or segment.end_s > last_s:
                problems.append(
                    f"interval {k} of {split}, {interval.label} at {segment.start_s:g} to {segment.end_s:g} s, lies "
                    f"outside '{interval.video}', which lasts {end_s:g} s"
                )
                continue
            clip = Clip(
                interval.video,
                *steps_within(times_s, segment),
                interval.label,
                interval.source or interval.video,
            )
            moments.setdefault((clip.video, clip.label), []).append(clip)
            ordered.append(clip)
        return [
            Item(
                clip,
                (0, self.store.n_steps(clip.video)),
                tuple(sorted({(c.first, c.stop) for c in moments[clip.video, clip.label]} - {(clip.first, clip.stop)})),
            )
            for clip in ordered
        ]

    def _few(self, split: Split, clips: list[Clip]) -> list[Clip]:
        if split == "train" or not self.options.per_class:
            return clips
        kept: set[Clip] = set()
        for label in {clip.label for clip in clips}:
            own = sorted(clip for clip in clips if clip.label == label)
            Random(f"queries/{self.options.seed}/{label}").shuffle(own)
            kept.update(own[: self.options.per_class])
        return [clip for clip in clips if clip in kept]

    def _absent(self, split: Split, seed: int) -> list[Question]:
        wholes = sorted({(item.moment.video, item.location, item.moment.source) for item in self.items(split)})
        questions = []
        for query in self.queries(split):
            able = [
                (video, location)
                for video, location, source in wholes
                if query.label not in self._labels_of[video] and source != query.source
            ]
            rng = Random(f"absent/{seed}/{query.label}/{query.video}/{query.first}/{query.stop}")
            for video, location in rng.sample(able, min(len(able), self.options.absent)):
                questions.append(Question(query, video, location, ()))
        return questions

    def _parted(self) -> Mapping[Split, tuple[Interval, ...]]:
        if not self.intervals:
            raise ConfigError(f"the dataset '{self.name}' has no intervals; give one row for each")
        given = {interval.split for interval in self.intervals}
        drawn = self.options.split == "drawn" or (self.options.split is None and given == {""})
        if drawn:
            labels, dropped = self._askable(self.intervals)
            if dropped:
                self._notes.append(
                    f"{len(dropped)} classes with intervals in fewer than {self.options.least} videos are left out: "
                    + ", ".join(dropped[:5])
                    + (", ..." if len(dropped) > 5 else "")
                )
            if len(labels) < 2:
                raise ConfigError(
                    f"classes with intervals in {self.options.least} videos or more are parted into splits; "
                    f"'{self.name}' has {len(labels)} of them"
                )
            classes = split_classes(labels, None, seed=self.options.seed)
            return {split: tuple(i for i in self.intervals if i.label in classes[split]) for split in SPLITS}
        if not given <= set(SPLITS):
            raise ConfigError(
                f"each interval has a split, train, val or test, or none has; got {', '.join(map(repr, sorted(given)))}"
            )
        return {split: tuple(i for i in self.intervals if i.split == split) for split in SPLITS}

    def _askable(self, intervals: Sequence[Interval]) -> tuple[list[str], list[str]]:
        videos: dict[str, set[str]] = {}
        for interval in intervals:
            videos.setdefault(interval.label, set()).add(interval.source or interval.video)
        labels = sorted(label for label, seen in videos.items() if len(seen) >= self.options.least)
        return labels, sorted(set(videos) - set(labels))

    def _counts(self, split: Split) -> dict[str, int]:
        own = self._splits[split]
        return {"classes": len(self.classes(split)), "items": len(own), "videos": len({i.video for i in own})}


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> IntervalDataset:
    """Intervals from their spec.

    Args:
        root: The folder, or the file of intervals itself.
        features: Where the features are; default: beside the intervals.
        options: `step_s`, those of `IntervalOptions`, and `key`, where a video's array is in an HDF5 file.

    Raises:
        ConfigError: no intervals, some that make no sense, or an option that does not.
    """
    refuse_unknown(NAME, options, ("step_s", "key", *OPTIONS))
    path = intervals_path(root)
    intervals, step_s = read_intervals(path)
    if "step_s" in options:
        try:
            step_s = float(options["step_s"])
        except ValueError:
            step_s = 0.0
        if not 0 < step_s < float("inf"):
            raise ConfigError(f"option 'step_s' of '{NAME}' is seconds above 0, got '{options['step_s']}'")

    def open_features() -> FeatureStore:
        return open_arrays(features or features_path(path.parent), step_s=step_s, key=options.get("key", "{video}"))

    return IntervalDataset(NAME, intervals, open_features, options=IntervalOptions.of(NAME, options))
