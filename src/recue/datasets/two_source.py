"""`two-source`: ActivityNet-1.3 or HACS reorganised into query clips and references of one, two and three sources.

ROOT is one annotation file in the ActivityNet format: `activity_net.v1-3.min.json`, `HACS_segments_v1.1.1.json`, or a
folder with it alone. Training and validation videos are merged and parted in halves by the seed. Actions of the first
half are the queries, by class 160/20/20 in the order of their names; the second half gives the references, one set for
all splits: a third as they are, a third with actions of one other video inserted, a third with those of two.

Features are those of the videos as they are; references are put together as they are read.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets.annotated import find_annotations, read_activitynet
from recue.datasets.listed import pair_with_longer
from recue.datasets.opening import refuse_unknown, whole_number
from recue.datasets.reorganise import Reorganised, SplicedVideo, collection, part_classes, reorganise
from recue.datasets.spliced import SplicedStore
from recue.datasets.stores import open_store
from recue.datasets.task import SPLITS, Clip, DatasetReport, FeatureStore, Item, Question, Split
from recue.datasets.timing import steps_within

NAME = "two-source"


class TwoSourceDataset:
    """See the module.

    Args:
        lists: The reorganised collection.
        open_features: Opens the store of the videos as they are; raises `ConfigError` where there is none.
    """

    def __init__(self, lists: Reorganised, open_features: Callable[[], FeatureStore]) -> None:
        self.lists = lists
        self._open_features = open_features
        labels = {label for video in lists.query_videos for label in video.labels()}
        labels |= {instance.label for reference in lists.references for instance in reference.instances}
        self._classes = part_classes(sorted(labels))
        self._by_name = {reference.name: reference for reference in lists.references}
        self._items: dict[Split, tuple[Item, ...]] = {}
        self._queries: dict[Split, tuple[Clip, ...]] = {}

    @property
    def name(self) -> str:
        """Registry name."""
        return NAME

    @property
    def references(self) -> tuple[SplicedVideo, ...]:
        """All references, with every action in them: what a retrieval ranks."""
        return self.lists.references

    @cached_property
    def store(self) -> SplicedStore:
        """Features of queries and references.

        Raises:
            ConfigError: those of the videos are not there.
        """
        return SplicedStore(self._open_features(), self.references)

    def classes(self, split: Split) -> tuple[str, ...]:
        """Sorted."""
        return self._classes[split]

    def items(self, split: Split) -> tuple[Item, ...]:
        """Each action of the split's classes in its whole reference."""
        if split not in self._items:
            self._items[split] = tuple(
                item for reference in self.references for item in self._items_of(reference, self.classes(split))
            )
        return self._items[split]

    def queries(self, split: Split) -> tuple[Clip, ...]:
        """Actions of the split's classes in the query half."""
        if split not in self._queries:
            labels = set(self.classes(split))
            self._queries[split] = tuple(
                Clip(video.name, *steps_within(self.store.times_s(video.name), one.segment), one.label, video.name)
                for video in self.lists.query_videos
                for one in video.segments
                if one.label in labels
            )
        return self._queries[split]

    def questions(self, split: Split, *, seed: int = 0) -> tuple[Question, ...]:
        """For each query one reference that holds its class, drawn by the seed."""
        return pair_with_longer(self.queries(split), self.items(split), seed=seed)

    def truths_s(self, question: Question) -> tuple[Segment, ...]:
        """Where the query's class is, in seconds of the reference before its pieces were brought to whole steps."""
        reference = self._by_name[question.video]
        exact = {
            self.store.steps_of(reference, one): one.segment
            for one in reversed(reference.instances)
            if one.label == question.query.label
        }
        return tuple(exact[bounds] for bounds in question.truths)

    def check(self) -> DatasetReport:
        """Counts of the lists, and whether the features hold every video."""
        by_sources = [sum(len(each.sources) == n for each in self.references) for n in (1, 2, 3)]
        notes = [f"references of 1, 2 and 3 sources: {', '.join(map(str, by_sources))}; one set for all splits"]
        if self.lists.n_left_out:
            notes.append(f"{self.lists.n_left_out} videos without an action are left out")
        missing, problems = [], []
        try:
            held = set(self.store.videos())
        except ConfigError as error:
            missing.append(str(error))
        else:
            needed = {video.name for video in self.lists.query_videos}
            needed |= {source for reference in self.references for source in reference.sources}
            if absent := sorted(needed - held):
                problems.append(
                    f"the features '{self.store.name}' hold {len(needed) - len(absent)} of {len(needed)} videos; "
                    f"absent: {', '.join(absent[:3])}{', ...' if len(absent) > 3 else ''}"
                )
            elif wrong := self._badly_timed():
                problems.append(
                    f"the features '{self.store.name}' last otherwise than their videos, {wrong}; say how many seconds "
                    "a step takes with step_s=SECONDS"
                )
        counts: dict[str, dict[str, int]] = {split: self._counts(split) for split in SPLITS}
        return DatasetReport(NAME, counts, tuple(missing), tuple(problems), tuple(notes))

    def describe(self, split: Split, n: int) -> tuple[str, ...]:
        """The first references that hold a class of the split."""
        labels = set(self.classes(split))
        told: list[str] = []
        for reference in self.references:
            own = [one for one in reference.instances if one.label in labels]
            if own and len(told) < n:
                where = ", ".join(f"{one.label} {one.segment.start_s:.1f} to {one.segment.end_s:.1f} s" for one in own)
                told.append(
                    f"{reference.name}, {reference.duration_s:.1f} s of {' + '.join(reference.sources)}: {where}"
                )
        return tuple(told)

    def _items_of(self, reference: SplicedVideo, labels: tuple[str, ...]) -> list[Item]:
        own = [one for one in reference.instances if one.label in labels]
        if not own:
            return []
        whole = (0, self.store.n_steps(reference.name))
        moments = [
            Clip(reference.name, *self.store.steps_of(reference, one), one.label, reference.pieces[one.piece].video)
            for one in own
        ]
        return [
            Item(
                moment,
                whole,
                tuple(
                    sorted(
                        {(other.first, other.stop) for other in moments if other.label == moment.label}
                        - {(moment.first, moment.stop)}
                    )
                ),
            )
            for moment in moments
        ]

    def _badly_timed(self) -> str:
        """The first video whose features last otherwise than it does, if many do."""
        wrong = []
        for video in self.lists.query_videos:
            times_s = self.store.times_s(video.name)
            lasts_s = float(times_s[-1])
            if abs(lasts_s - video.duration_s) > max(0.1 * video.duration_s, 2 * lasts_s / (len(times_s) - 1)):
                wrong.append(f"'{video.name}' {lasts_s:.1f} s instead of {video.duration_s:.1f} s")
        return wrong[0] if 2 * len(wrong) > len(self.lists.query_videos) else ""

    def _counts(self, split: Split) -> dict[str, int]:
        labels = set(self.classes(split))
        holding = [[one for one in each.instances if one.label in labels] for each in self.references]
        return {
            "classes": len(labels),
            "queries": sum(one.label in labels for video in self.lists.query_videos for one in video.segments),
            "items": sum(map(len, holding)),
            "references": len(self.references),
            "holding": sum(map(bool, holding)),
        }


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> TwoSourceDataset:
    """The reorganised collection from its spec.

    Args:
        root: The annotation file, or a folder with it alone.
        features: HDF5 file or folder of `.npy` files, of the videos as they are.
        options: `seed` of the lists; `step_s`, `key` and `every` of the features, as in `open_store`.

    Raises:
        ConfigError: the file is missing or makes no sense, or an option does not.
    """
    refuse_unknown(NAME, options, ("seed", "step_s", "key", "every"))
    seed = whole_number(NAME, "seed", options.get("seed", "0"))
    every = whole_number(NAME, "every", options.get("every", "1"), least=1)
    try:
        step_s = float(options["step_s"]) if "step_s" in options else None
    except ValueError as error:
        raise ConfigError(f"option 'step_s' of '{NAME}' is seconds, got '{options['step_s']}'") from error
    path = find_annotations(root)
    videos = collection(read_activitynet(path))

    def open_features() -> FeatureStore:
        if features is None:
            raise ConfigError(
                f"features of the {len(videos)} videos of '{path}' are needed: an HDF5 file or a folder of "
                "<video>.npy, with step_s=SECONDS; name them with features=PATH"
            )
        return open_store(features, key=options.get("key", "{video}"), step_s=step_s, every=every)

    return TwoSourceDataset(reorganise(videos, seed=seed), open_features)
