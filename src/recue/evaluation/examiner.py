"""Asks a localizer every question of a split, each pair of query and reference once, several at a time where it can."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recue.core.features import FeatureSequence
from recue.core.moment import ScoredSegment
from recue.core.protocols import Localizer
from recue.datasets.task import Bounds, Clip, FeatureStore, sequence_of
from recue.evaluation import metrics
from recue.evaluation.results import Answered, Asked
from recue.evaluation.scoring import bounds_of

#: Called with answers so far, answers in all, and the row being worked on.
Progress = Callable[[int, int, str], None]

#: Sequences of queries and references that are kept between questions; each may be a large array.
_KEPT = 256

#: Questions that are asked at a time where a localizer takes several.
_BATCH = 32

#: What an answer depends on.
_Key = tuple[Clip, str, Bounds]


@runtime_checkable
class ManyLocalizer(Localizer, Protocol):
    """A localizer that takes several pairs at a time, faster than one by one."""

    def localize_many(
        self, pairs: Sequence[tuple[FeatureSequence, FeatureSequence]]
    ) -> Sequence[Sequence[ScoredSegment]]:
        """What `localize` answers to each."""
        ...


class Examiner:
    """Asks one localizer after another every question; answers of the last one are kept.

    Args:
        store: Features of the dataset.
        questions: All of the split.
        progress: Called after every few answers.
        n_answers: In all, for the progress.
    """

    def __init__(
        self, store: FeatureStore, questions: Sequence[Asked], progress: Progress | None, n_answers: int
    ) -> None:
        self._questions = questions
        self._truths = [bounds_of(asked.truths) for asked in questions]
        self._progress = progress
        self._n_done, self._n_answers = 0, n_answers
        self._localizer: Localizer | None = None
        self._found: dict[_Key, tuple[ScoredSegment, ...]] = {}

        @lru_cache(maxsize=_KEPT)
        def read(video: str, bounds: Bounds) -> FeatureSequence:
            return sequence_of(store, video, bounds)

        self._read = read

    def __call__(
        self, name: str, localizer: Localizer, *, instead: Sequence[Clip] | None = None, timed: bool = False
    ) -> tuple[tuple[Answered, ...], float | None]:
        """What it answers to each question, and milliseconds a question that it had to think about."""
        if localizer is not self._localizer:
            self._localizer, self._found = localizer, {}
        queries = [asked.question.query for asked in self._questions] if instead is None else instead
        keys = [(q, a.question.video, a.question.location) for q, a in zip(queries, self._questions, strict=True)]
        if timed and keys:
            _ask(localizer, [self._pair(keys[0])])  # may compile
        elapsed_s, n_asked = 0.0, 0
        for first in range(0, len(keys), _BATCH):
            batch = keys[first : first + _BATCH]
            new = [key for key in dict.fromkeys(batch) if key not in self._found]
            pairs = [self._pair(key) for key in new]
            started = time.perf_counter()
            answers = _ask(localizer, pairs)
            elapsed_s, n_asked = elapsed_s + time.perf_counter() - started, n_asked + len(new)
            self._found.update(zip(new, map(tuple, answers), strict=True))
            self._n_done += len(batch)
            if self._progress is not None:
                self._progress(self._n_done, self._n_answers, name)
        answered = tuple(
            Answered(key[0], self._found[key], _first_tiou(self._found[key], truths))
            for key, truths in zip(keys, self._truths, strict=True)
        )
        return answered, 1000 * elapsed_s / n_asked if timed and n_asked else None

    def _pair(self, key: _Key) -> tuple[FeatureSequence, FeatureSequence]:
        query, video, location = key
        return self._read(query.video, (query.first, query.stop)), self._read(video, location)


def _ask(
    localizer: Localizer, pairs: Sequence[tuple[FeatureSequence, FeatureSequence]]
) -> Sequence[Sequence[ScoredSegment]]:
    if isinstance(localizer, ManyLocalizer):
        return localizer.localize_many(pairs) if pairs else []
    return [localizer.localize(query, reference) for query, reference in pairs]


def _first_tiou(found: Sequence[ScoredSegment], truths: NDArray[np.float64]) -> float:
    return float(metrics.tiou_matrix(bounds_of([one.segment for one in found[:1]]), truths).max(initial=0.0))
