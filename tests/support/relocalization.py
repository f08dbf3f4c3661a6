"""A small re-localization dataset in memory, with planted moments."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recue.core import Segment
from recue.datasets.stores import ArrayStore
from recue.datasets.task import SPLITS, Clip, DatasetReport, FeatureStore, Item, Question, Split
from support.sequences import noise

STEP_S = 0.5


@dataclass(frozen=True)
class MadeDataset:
    """Whatever was put in it."""

    store: FeatureStore
    split_items: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    split_questions: Mapping[str, tuple[Question, ...]] = field(default_factory=dict)
    name: str = "made"

    def classes(self, split: Split) -> tuple[str, ...]:
        return tuple(sorted({question.query.label for question in self.questions(split)}))

    def items(self, split: Split) -> tuple[Item, ...]:
        return self.split_items.get(split, ())

    def queries(self, split: Split) -> tuple[Clip, ...]:
        return tuple(dict.fromkeys(question.query for question in self.questions(split)))

    def questions(self, split: Split, *, seed: int = 0) -> tuple[Question, ...]:
        return self.split_questions.get(split, ())

    def check(self) -> DatasetReport:
        return DatasetReport(self.name, {split: {"questions": len(self.questions(split))} for split in SPLITS})


class ExactDataset(MadeDataset):
    """One whose truths end a tenth of a second after the step."""

    def truths_s(self, question: Question) -> tuple[Segment, ...]:
        return tuple(Segment(first * STEP_S, stop * STEP_S + 0.1) for first, stop in question.truths)


def planted_dataset(*, n_references: int = 12, n_absent: int = 3, seed: int = 0, jitter: float = 0.3) -> MadeDataset:
    """Three classes a split, each a run of its own vectors; every reference but the last few holds it once.

    References have 60 steps, the moment 8 of them; the location is 50 steps, from step 10 on.
    """
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.float32]] = {}
    items: dict[str, list[Item]] = {split: [] for split in SPLITS}
    questions: dict[str, list[Question]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        runs = {f"{split}-{letter}": noise(rng, 8) for letter in "abc"}
        for k in range(n_references + n_absent):
            label = sorted(runs)[k % 3]
            query, reference = f"{split}-q{k}", f"{split}-r{k}"
            arrays[query] = np.concatenate([noise(rng, 2), runs[label] + jitter * noise(rng, 8), noise(rng, 2)])
            arrays[reference] = noise(rng, 60)
            clip = Clip(query, 2, 10, label, source=query)
            first = 10 + int(rng.integers(42))
            if k >= n_references:
                questions[split].append(Question(clip, reference, (10, 60), ()))
                continue
            arrays[reference][first : first + 8] = runs[label] + jitter * noise(rng, 8)
            items[split].append(Item(Clip(reference, first, first + 8, label, source=reference), (10, 60)))
            questions[split].append(Question(clip, reference, (10, 60), ((first, first + 8),)))
    return MadeDataset(
        ArrayStore(arrays, step_s=STEP_S, name="made"),
        {split: tuple(own) for split, own in items.items()},
        {split: tuple(own) for split, own in questions.items()},
    )
