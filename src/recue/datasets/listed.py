"""A re-localization dataset that is a list of items and a store: what most protocols come down to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

from recue.core.errors import ConfigError
from recue.datasets.task import SPLITS, Clip, DatasetReport, FeatureStore, Item, Question, Split


def pair_with_longer(
    queries: Sequence[Clip], items: Sequence[Item], *, seed: int, exclude_own: bool = False
) -> tuple[Question, ...]:
    """One question a query: its reference is drawn among items of its class that are at least as long as it.

    Each draw depends on the seed and on the query alone, so leaving one query out changes no other question.

    Args:
        queries: What is asked with.
        items: What references are drawn from.
        seed: Of every draw.
        exclude_own: Never draw an item whose location overlaps the query in its video, nor one of its source. The
            published rule does not exclude the query itself.

    Returns:
        The questions, in the order of the queries; a query that no item is long enough for asks none.

    Source: Feng et al., Video Re-localization, 2018, section 4.1.
    """
    by_label: dict[str, list[Item]] = {}
    for item in items:
        by_label.setdefault(item.moment.label, []).append(item)
    questions = []
    for query in queries:
        able = [
            item
            for item in by_label.get(query.label, [])
            if item.location[1] - item.location[0] >= len(query) and not (exclude_own and _is_own(query, item))
        ]
        if able:
            rng = Random(f"pair/{seed}/{query.label}/{query.video}/{query.first}/{query.stop}")
            # random() is the one draw whose values no version of Python changes.
            drawn = able[int(rng.random() * len(able))]
            questions.append(Question(query, drawn.moment.video, drawn.location, drawn.truths))
    return tuple(questions)


def _is_own(query: Clip, item: Item) -> bool:
    if query.source and query.source == item.moment.source:
        return True
    return query.video == item.moment.video and query.first < item.location[1] and item.location[0] < query.stop


@dataclass(frozen=True, eq=False)
class ListedDataset:
    """Items of each split, a store that is opened when asked for, and pairing by the published rule.

    Attributes:
        name: Registry name.
        split_items: Items of each split.
        open_features: Opens the store; raises `ConfigError` with the way out where there is none.
        split_queries: What queries are drawn from, where that is not every item's moment.
        exclude_own: See `pair_with_longer`.
        missing: What is needed and not there, for `check`.
        problems: What is wrong, for `check`.
        notes: What is worth knowing, for `check`.
        n_steps: Steps of each video as the lists say; `check` compares the store's.
        examine: Further problems and notes, for `check`; may take a while.
    """

    name: str
    split_items: Mapping[Split, tuple[Item, ...]]
    open_features: Callable[[], FeatureStore]
    split_queries: Mapping[Split, tuple[Clip, ...]] = field(default_factory=dict)
    exclude_own: bool = False
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    n_steps: Mapping[str, int] = field(default_factory=dict)
    examine: Callable[[], tuple[tuple[str, ...], tuple[str, ...]]] | None = None
    _opened: list[FeatureStore] = field(default_factory=list, repr=False)

    @property
    def store(self) -> FeatureStore:
        """Its features.

        Raises:
            ConfigError: they are not there.
        """
        if not self._opened:
            self._opened.append(self.open_features())
        return self._opened[0]

    def classes(self, split: Split) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted({item.moment.label for item in self.items(split)}))

    def items(self, split: Split) -> tuple[Item, ...]:
        """What references are drawn from, in the order of the lists.

        Raises:
            ConfigError: no such split.
        """
        if split not in SPLITS:
            raise ConfigError(f"a split is train, val or test, got '{split}'")
        return tuple(self.split_items.get(split, ()))

    def queries(self, split: Split) -> tuple[Clip, ...]:
        """What queries are drawn from: each item's moment, where nothing else was said."""
        if split in self.split_queries:
            return tuple(self.split_queries[split])
        return tuple(item.moment for item in self.items(split))

    def questions(self, split: Split, *, seed: int = 0) -> tuple[Question, ...]:
        """One question a query, by `pair_with_longer`."""
        return pair_with_longer(self.queries(split), self.items(split), seed=seed, exclude_own=self.exclude_own)

    def check(self) -> DatasetReport:
        """Counts, classes in two splits, and whether the store holds every step that the lists name."""
        return check_listed(self)


def check_listed(dataset: ListedDataset) -> DatasetReport:
    """See `ListedDataset.check`."""
    counts: dict[str, dict[str, int]] = {split: _counts(dataset, split) for split in SPLITS if dataset.items(split)}
    missing, problems, notes = list(dataset.missing), list(dataset.problems), list(dataset.notes)
    if dataset.examine is not None:
        more_problems, more_notes = dataset.examine()
        problems += more_problems
        notes += more_notes
    problems += [
        f"classes in both {split} and {other}: {_some(both)}"
        for split, other in combinations(SPLITS, 2)
        if (both := sorted(set(dataset.classes(split)) & set(dataset.classes(other))))
    ]
    if not counts:
        problems.append("the lists hold no item")
    try:
        store = dataset.store
    except ConfigError as error:
        missing.append(str(error))
    else:
        problems += _short_of(dataset, store)
    return DatasetReport(dataset.name, counts, tuple(missing), tuple(problems), tuple(notes))


def _counts(dataset: ListedDataset, split: Split) -> dict[str, int]:
    items, queries = dataset.items(split), dataset.queries(split)
    return {
        "classes": len(dataset.classes(split)),
        "items": len(items),
        "queries": len(queries),
        "videos": len({item.moment.video for item in items} | {query.video for query in queries}),
    }


def _short_of(dataset: ListedDataset, store: FeatureStore) -> list[str]:
    """Videos that the store does not hold, or not as far as the lists go."""
    needed: dict[str, int] = {}
    for split in SPLITS:
        spans = [(item.moment.video, item.location[1]) for item in dataset.items(split)]
        for video, stop in spans + [(query.video, query.stop) for query in dataset.queries(split)]:
            needed[video] = max(needed.get(video, 0), stop)
    held = set(store.videos())
    absent = sorted(set(needed) - held)
    short = [
        f"{video} ({store.n_steps(video)} of {needed[video]})"
        for video in sorted(set(needed) & held)
        if store.n_steps(video) < needed[video]
    ]
    problems = []
    if absent:
        problems.append(
            f"the features '{store.name}' hold {len(needed) - len(absent)} of {len(needed)} videos; absent: "
            + _some(absent)
        )
    other = [
        f"{video} ({store.n_steps(video)}, {dataset.n_steps[video]} in the lists)"
        for video in sorted(set(needed) & held & set(dataset.n_steps))
        if store.n_steps(video) != dataset.n_steps[video]
    ]
    if other:
        problems.append(
            f"the features '{store.name}' have another number of steps than the lists were made on; keep every n-th "
            f"vector with every=n where they are denser: {_some(other)}"
        )
    if short:
        problems.append(f"the features '{store.name}' are shorter than the lists say: {_some(short)}")
    return problems


def _some(names: Sequence[str], n: int = 3) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
