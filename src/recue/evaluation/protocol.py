"""Runs any localizer over a composition, and turns its answers into a report.

The grid of all queries by all references of a split is answered once; the pairs of the composition, the gallery
search and the shuffled-query control are then different readings of the same answers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence
from recue.core.moment import ScoredSegment
from recue.core.protocols import Localizer
from recue.core.segment import Segment
from recue.datasets.composition import Composition, Pair, QueryClip
from recue.evaluation import metrics
from recue.evaluation.chance import expected_hit_rate
from recue.evaluation.controls import displaced
from recue.evaluation.metrics import THRESHOLDS, Interval
from recue.localize.trivial import Chance

#: What a localizer answers, best first, for each query (id) and reference (id).
Answers = Mapping[tuple[str, str], Sequence[ScoredSegment]]

#: From a query's id, a reference's id and the answer to how sure it is that the moment is there at all.
ScoreOf = Callable[[str, str, Sequence[ScoredSegment]], float]


def best_score(query_id: str, reference_id: str, answer: Sequence[ScoredSegment]) -> float:
    """The score of the best segment; -inf where there is none."""
    return max((segment.score for segment in answer), default=float("-inf"))


def answer_grid(
    localizer: Localizer,
    queries: Mapping[str, FeatureSequence],
    references: Mapping[str, FeatureSequence],
) -> dict[tuple[str, str], list[ScoredSegment]]:
    """What a localizer answers to every query on every reference.

    Raises:
        FingerprintError: they were not all made by one backbone.

    Cost: one call of the localizer a query and reference.
    """
    return {
        (query_id, reference_id): localizer.localize(query, reference)
        for query_id, query in queries.items()
        for reference_id, reference in references.items()
    }


def shuffle_queries(queries: Sequence[QueryClip], *, seed: int) -> dict[str, str]:
    """For each query another one of a *different class* to be asked in its place; a permutation.

    A localizer that uses the query must fall to chance under it. One that does not fall finds what is salient, not
    what was asked for.

    Raises:
        ConfigError: one class has more than half of the queries, so there is no such permutation.
    """
    order = sorted(queries, key=lambda query: query.id)
    moved = displaced([query.label for query in order], seed=seed)
    return {query.id: order[k].id for query, k in zip(order, moved, strict=True)}


@dataclass(frozen=True, slots=True)
class Report:
    """What one localizer reaches on one split.

    All but the rejections are shares in [0, 1], higher is better. The first block is over pairs whose reference
    holds the query's class; `map_all` adds the absent pairs as false alarms waiting to happen.

    Attributes:
        n_present: Pairs whose reference holds the class.
        n_absent: Pairs whose reference does not.
        map_at_1: Share of present pairs whose best segment has a tIoU strictly above each threshold.
        map_at_1_mean: Mean over the thresholds 0.5 to 0.9.
        map_at_1_interval: 95 % bootstrap interval of that mean, over references.
        map_all: Average precision of all segments of all pairs, by score, averaged over classes, a threshold.
        map_all_mean: Mean over the thresholds.
        recall_1: R@1 at tIoU 0.5; equal to `map_at_1` there.
        recall_5: R@5 at tIoU 0.5.
        rejection: Of absent pairs, at 95 % acceptance of present ones.
        gallery_rejection: The same for the best answer of a whole gallery: queries whose class is in none of its
            videos against those whose class is. NaN without such queries.
        precision_1: Prec@1 of moments ranked over the whole gallery, tIoU 0.5, mean over queries.
        precision_5: Prec@5 of the same.
    """

    n_present: int
    n_absent: int
    map_at_1: tuple[float, ...]
    map_at_1_mean: float
    map_at_1_interval: Interval
    map_all: tuple[float, ...]
    map_all_mean: float
    recall_1: float
    recall_5: float
    rejection: float
    gallery_rejection: float
    precision_1: float
    precision_5: float


def evaluate(
    split: Composition,
    answers: Answers,
    *,
    asked: Mapping[str, str] | None = None,
    absent_queries: Sequence[str] = (),
    score_of: ScoreOf = best_score,
    acceptance: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Report:
    """Every metric of one set of answers.

    Args:
        split: One split of a composition: `composition.of("val")`.
        answers: To every query of the split, and every one of `absent_queries`, on every reference of the split.
        asked: Which query was asked in the place of which, from `shuffle_queries`; None for each itself.
        absent_queries: Queries of other splits, whose classes are nowhere in this one.
        score_of: How sure an answer is that the moment is there; used for the two rejections.
        acceptance: Share of present pairs to accept.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ConfigError: an answer is missing, or the split lacks present or absent pairs.
    """
    asked = asked or {}

    def answer(query_id: str, reference_id: str) -> Sequence[ScoredSegment]:
        key = (asked.get(query_id, query_id), reference_id)
        if key not in answers:
            raise ConfigError(f"there is no answer to query '{key[0]}' on reference '{reference_id}'")
        return answers[key]

    references = {reference.id: reference for reference in split.references}
    present = [pair for pair in split.pairs if pair.present]
    absent = [pair for pair in split.pairs if not pair.present]
    if not present or not absent:
        raise ConfigError(
            f"an evaluation needs present and absent pairs, got {len(present)} and {len(absent)}; "
            "compose more references"
        )

    def predictions(pairs: Sequence[Pair]) -> list[NDArray[np.float64]]:
        return [_bounds(s.segment for s in answer(p.query_id, p.reference_id)) for p in pairs]

    def truths(pairs: Sequence[Pair]) -> list[NDArray[np.float64]]:
        return [_bounds(references[p.reference_id].truths(p.label)) for p in pairs]

    def scores(pairs: Sequence[Pair]) -> list[NDArray[np.float64]]:
        return [np.array([s.score for s in answer(p.query_id, p.reference_id)], np.float64) for p in pairs]

    def sure(query_id: str, reference_id: str) -> float:
        return score_of(asked.get(query_id, query_id), reference_id, answer(query_id, reference_id))

    top_1 = metrics.top_tiou(predictions(present), truths(present), n=1)
    top_5 = metrics.top_tiou(predictions(present), truths(present), n=5)
    map_at_1 = metrics.share_above(top_1)
    ids = sorted(references)
    groups = np.array([ids.index(pair.reference_id) for pair in present])
    interval = metrics.bootstrap_interval(
        lambda drawn: float(metrics.share_above(top_1[drawn]).mean()), groups, n_resamples=n_resamples, seed=seed
    )
    by_class = [[p for p in split.pairs if p.label == label] for label in sorted({p.label for p in present})]
    map_all = [
        float(
            np.mean(
                [
                    metrics.average_precision(predictions(own), scores(own), truths(own), threshold=threshold)
                    for own in by_class
                ]
            )
        )
        for threshold in THRESHOLDS
    ]
    of_present, of_absent = (np.array([sure(p.query_id, p.reference_id) for p in pairs]) for pairs in (present, absent))
    in_gallery = np.array([max(sure(query.id, r) for r in ids) for query in split.queries])
    nowhere = np.array([max(sure(query_id, r) for r in ids) for query_id in absent_queries])
    gallery_rejection = (
        metrics.rejection(in_gallery, nowhere, acceptance=acceptance).rejected if len(nowhere) else float("nan")
    )
    precision = [np.mean([_gallery_precision(query, k, ids, answer, split) for query in split.queries]) for k in (1, 5)]
    return Report(
        n_present=len(present),
        n_absent=len(absent),
        map_at_1=tuple(map_at_1.tolist()),
        map_at_1_mean=float(map_at_1.mean()),
        map_at_1_interval=interval,
        map_all=tuple(map_all),
        map_all_mean=float(np.mean(map_all)),
        recall_1=float(metrics.share_above(top_1, (0.5,))[0]),
        recall_5=float(metrics.share_above(top_5, (0.5,))[0]),
        rejection=metrics.rejection(of_present, of_absent, acceptance=acceptance).rejected,
        gallery_rejection=gallery_rejection,
        precision_1=float(precision[0]),
        precision_5=float(precision[1]),
    )


def expected_chance(
    split: Composition,
    queries: Mapping[str, FeatureSequence],
    references: Mapping[str, FeatureSequence],
    *,
    chance: Chance | None = None,
) -> tuple[float, ...]:
    """The exact expectation of `Report.map_at_1` for `chance`, at each threshold."""
    chance = chance or Chance()
    by_id = {reference.id: reference for reference in split.references}
    rates = [
        expected_hit_rate(
            references[pair.reference_id].times_s,
            _bounds(by_id[pair.reference_id].truths(pair.label)),
            THRESHOLDS,
            n_query=len(queries[pair.query_id]),
            length=chance.length,
            max_steps=chance.max_steps,
        )
        for pair in split.pairs
        if pair.present
    ]
    return tuple(np.mean(rates, axis=0).tolist())


def _gallery_precision(
    query: QueryClip,
    k: int,
    ids: Sequence[str],
    answer: Callable[[str, str], Sequence[ScoredSegment]],
    split: Composition,
) -> float:
    """Prec@k of one query over all references; ties go to the earlier reference, then the earlier segment."""
    found = [(-s.score, v, s.segment) for v, r in enumerate(ids) for s in answer(query.id, r)]
    found.sort()
    by_id = {reference.id: reference for reference in split.references}
    return metrics.precision_at(
        np.array([video for _, video, _ in found], np.int64),
        _bounds(segment for _, _, segment in found),
        [_bounds(by_id[r].truths(query.label)) for r in ids],
        k=k,
    )


def _bounds(segments: Iterable[Segment]) -> NDArray[np.float64]:
    return np.array([[s.start_s, s.end_s] for s in segments], np.float64).reshape(-1, 2)
