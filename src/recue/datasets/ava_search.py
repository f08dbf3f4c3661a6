"""`ava-search`: one person's run of seconds as the query, boxes of everyone who does exactly the same as the answer.

Lists are `stvr_val.json` and `stvr_test.json`, each a list of pairs:

```
[{"id": video, "frames": [1563, 1564], "label": [4], "boxes": [[top, left, bottom, right], ...]},     one box a second
 {"id": video, "start": 911, "end": 914, "gt": [[[top, left, bottom, right], ...], ...]}]             one list a second
```

Times are whole seconds on the film's own clock, key frames at each; boxes are shares of the picture. A label is a *set*
of AVA action ids, the combined label; `stvr_val_test.json` holds the sets of test and of validation, `[test, val]`.
Training takes what is left of AVA: every frame that holds one of these sets is dropped.

Boxes are given as (left, top, right, bottom) from here on.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recue.core.errors import ConfigError
from recue.datasets.opening import refuse_unknown
from recue.datasets.task import DatasetReport, Split

NAME = "ava-search"
#: Left, top, right, bottom, as shares of the picture.
Box = tuple[float, float, float, float]

LISTS: dict[Split, str] = {"val": "stvr_val.json", "test": "stvr_test.json"}
LABEL_SETS = "stvr_val_test.json"
#: Pairs of the published lists.
PUBLISHED: dict[Split, int] = {"val": 6299, "test": 6495}
N_LABEL_SETS = 27
#: AVA annotates these seconds of each film.
FIRST_S, LAST_S = 900, 1800


@dataclass(frozen=True, slots=True)
class PersonQuery:
    """A run of seconds of one person.

    Attributes:
        video: The film.
        seconds: Consecutive key frames.
        label: The combined label, sorted.
        boxes: Where the person is, one box a second.
    """

    video: str
    seconds: tuple[int, ...]
    label: tuple[int, ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class PersonReference:
    """A stretch that is searched.

    Attributes:
        video: The film.
        start_s: First key frame.
        end_s: Key frame after the last.
        truths: For each second the boxes of everyone with exactly the query's label; none where there is nobody.
    """

    video: str
    start_s: int
    end_s: int
    truths: tuple[tuple[Box, ...], ...]


@dataclass(frozen=True, slots=True)
class PersonPair:
    """One question."""

    query: PersonQuery
    reference: PersonReference


class AvaSearchDataset:
    """See the module.

    Args:
        pairs: Of validation and test.
        label_sets: Combined labels of validation and test.
    """

    def __init__(
        self, pairs: dict[Split, tuple[PersonPair, ...]], label_sets: dict[Split, tuple[tuple[int, ...], ...]]
    ) -> None:
        self._pairs = pairs
        self._label_sets = label_sets

    @property
    def name(self) -> str:
        """Registry name."""
        return NAME

    def pairs(self, split: Split) -> tuple[PersonPair, ...]:
        """Questions in the order of the list; none in training, which has no list."""
        return self._pairs.get(split, ())

    def label_sets(self, split: Split) -> tuple[tuple[int, ...], ...]:
        """The combined labels of a split, each sorted, in the order of the list."""
        return self._label_sets.get(split, ())

    def held_out(self) -> frozenset[tuple[int, ...]]:
        """Combined labels that no training frame may hold."""
        return frozenset(label for split in LISTS for label in self.label_sets(split))

    def check(self) -> DatasetReport:
        """Counts against the published ones, labels of two splits, runs and boxes that make no sense."""
        problems = []
        if both := set(self.label_sets("val")) & set(self.label_sets("test")):
            problems.append(f"label sets of both val and test: {sorted(both)}")
        for split in LISTS:
            if len(self.pairs(split)) != PUBLISHED[split]:
                problems.append(f"{split} has {len(self.pairs(split))} pairs, the published list {PUBLISHED[split]}")
            if len(self.label_sets(split)) != N_LABEL_SETS:
                problems.append(f"{split} has {len(self.label_sets(split))} label sets, {N_LABEL_SETS} are published")
            known = set(self.label_sets(split))
            for k, pair in enumerate(self.pairs(split)):
                problems += [f"{split}, pair {k}: {what}" for what in _wrong(pair, known)]
        notes = (
            "train has no list: it is what AVA v2.1 holds beside the label sets of val and test",
            "pictures are read by whoever searches: AVA's films, key frames at whole seconds",
        )
        return DatasetReport(NAME, {split: self._counts(split) for split in LISTS}, (), tuple(problems), notes)

    def describe(self, split: Split, n: int) -> tuple[str, ...]:
        """The first pairs."""
        return tuple(
            f"actions {'+'.join(map(str, pair.query.label))}, as one person at {pair.query.seconds[0]} to "
            f"{pair.query.seconds[-1] + 1} s of {pair.query.video}: in {pair.reference.video}, "
            f"{pair.reference.start_s} to {pair.reference.end_s} s? "
            f"{sum(map(len, pair.reference.truths))} boxes in {sum(map(bool, pair.reference.truths))} of "
            f"{len(pair.reference.truths)} seconds"
            for pair in self.pairs(split)[:n]
        )

    def _counts(self, split: Split) -> dict[str, int]:
        pairs = self.pairs(split)
        return {
            "classes": len(self.label_sets(split)),
            "pairs": len(pairs),
            "videos": len({pair.query.video for pair in pairs} | {pair.reference.video for pair in pairs}),
            "references": len({pair.reference for pair in pairs}),
            "boxes": sum(len(boxes) for pair in pairs for boxes in pair.reference.truths),
        }


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> AvaSearchDataset:
    """The AVA-Search lists from their spec.

    Args:
        root: The folder of the lists.
        features: Must not be given: models of this task read pictures.
        options: None.

    Raises:
        ConfigError: a list is missing or makes no sense.
    """
    refuse_unknown(NAME, options, ())
    if features is not None:
        raise ConfigError(f"'{NAME}' is a task on pictures; leave features={features} out")
    path = root / LABEL_SETS
    try:
        test, val = (tuple(tuple(sorted(map(int, one))) for one in sets) for sets in _read(path))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"'{path}' is no list of label sets of test and val: {error!r}") from error
    return AvaSearchDataset(
        {split: read_pairs(root / name) for split, name in LISTS.items()}, {"val": val, "test": test}
    )


def read_pairs(path: Path) -> tuple[PersonPair, ...]:
    """The pairs of one list.

    Raises:
        ConfigError: the file cannot be read, or is no such list.
    """
    try:
        return tuple(PersonPair(_query(query), _reference(reference)) for query, reference in _read(path))
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"'{path}' is no list of query-reference pairs: {error!r}") from error


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{path}' cannot be read: {error}; name the folder of the AVA-Search lists") from error


def _query(entry: Any) -> PersonQuery:
    return PersonQuery(
        str(entry["id"]),
        tuple(map(int, entry["frames"])),
        tuple(sorted(map(int, entry["label"]))),
        tuple(map(_box, entry["boxes"])),
    )


def _reference(entry: Any) -> PersonReference:
    truths = tuple(tuple(map(_box, boxes)) for boxes in entry["gt"])
    return PersonReference(str(entry["id"]), int(entry["start"]), int(entry["end"]), truths)


def _box(listed: Any) -> Box:
    top, left, bottom, right = map(float, listed)
    return left, top, right, bottom


def _wrong(pair: PersonPair, labels: set[tuple[int, ...]]) -> list[str]:
    query, reference = pair.query, pair.reference
    problems = []
    if query.label not in labels:
        problems.append(f"the label {list(query.label)} is none of its split")
    if not query.seconds or query.seconds != tuple(range(query.seconds[0], query.seconds[0] + len(query.seconds))):
        problems.append(f"the query's seconds {list(query.seconds)} are no run")
    if len(query.boxes) != len(query.seconds):
        problems.append(f"the query has {len(query.boxes)} boxes for {len(query.seconds)} seconds")
    if not FIRST_S <= reference.start_s < reference.end_s <= LAST_S:
        problems.append(f"the reference {reference.start_s}:{reference.end_s} is no stretch of {FIRST_S}:{LAST_S} s")
    if len(reference.truths) != reference.end_s - reference.start_s:
        problems.append(f"the reference has truths for {len(reference.truths)} seconds")
    if not any(reference.truths):
        problems.append("nobody in the reference does what the query shows")
    boxes = [*query.boxes, *(box for second in reference.truths for box in second)]
    if bad := [box for box in boxes if not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1)]:
        problems.append(f"{len(bad)} boxes are no boxes, the first {bad[0]}")
    return problems
