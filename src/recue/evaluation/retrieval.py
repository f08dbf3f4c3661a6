"""Metrics of ranking a gallery: HR@K and mAP@K over references, Prec@K over moments.

HR@K and mAP@K start from `ranked_relevance`, which sorts each query's references once.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation.precision_recall import reaches, require_same_length
from recue.evaluation.segments import match, tiou_matrix

#: The K of the published retrieval tables.
CUTOFFS = (1, 5, 10, 50, 100)

#: What the average precision of the first K is divided by: the relevant ones among them, those that could have been
#: among them (`min(K, relevant)`), or all relevant ones of the gallery.
Denominator = Literal["found", "possible", "all"]


def ranked_relevance(
    scores: Float[np.ndarray, "query reference"], relevant: Bool[np.ndarray, "query reference"]
) -> Bool[np.ndarray, "query rank"]:
    """Whether the reference at each rank holds what the query asks for.

    Among equal scores the irrelevant come first: a score that does not tell references apart gains nothing by luck,
    and the order of the gallery does not matter.

    >>> ranked_relevance(np.array([[0.1, 0.9, 0.9]]), np.array([[True, True, False]])).tolist()
    [[False, True, True]]

    Raises:
        ShapeError: shapes differ or are empty, a score is not a number, or a query has nothing relevant.
    """
    if scores.shape != relevant.shape or scores.ndim != 2 or 0 in scores.shape:
        raise ShapeError(
            f"scores and relevance are [query, reference] and not empty, got {scores.shape} and {relevant.shape}"
        )
    if np.isnan(scores).any():
        raise ShapeError("a score is not a number")
    _require_relevant(relevant)
    order = np.lexsort((relevant, -scores), axis=1)
    return np.take_along_axis(np.asarray(relevant, dtype=bool), order, axis=1)


def hit_rate(ranked: Bool[np.ndarray, "query rank"], *, k: Sequence[int] = CUTOFFS) -> Float[np.ndarray, " k"]:
    """HR@K: share of queries with one relevant reference or more among the first K.

    >>> hit_rate(np.array([[False, True, True], [True, False, False]]), k=(1, 2)).tolist()
    [0.5, 1.0]

    Args:
        ranked: From `ranked_relevance`.
        k: How many references count; more than there are counts all.

    Raises:
        ConfigError: a K is below 1.
        ShapeError: a query has nothing relevant.
    """
    _require_relevant(ranked)
    return np.array([ranked[:, : _cutoff(cut)].any(axis=1).mean() for cut in k])


def map_at(
    ranked: Bool[np.ndarray, "query rank"], *, k: Sequence[int] = CUTOFFS, denominator: Denominator = "found"
) -> Float[np.ndarray, " k"]:
    """mAP@K: mean over queries of the average precision of the first K references.

    For one query that is the sum of precision@rank over the relevant ranks up to K, divided by `denominator`. With
    "found" (as in torchmetrics) it is the mean of those precisions, 0 where nothing was found; it can fall as K grows,
    and mAP@1 equals HR@1. "possible" divides by `min(K, relevant)`, "all" by every relevant reference of the gallery.

    >>> ranked = np.array([[False, True, True, True]])
    >>> [float(map_at(ranked, k=(2,), denominator=d)[0]) for d in ("found", "possible", "all")]  # 1/2 over 1, 2, 3
    [0.5, 0.25, 0.16666666666666666]

    Args:
        ranked: From `ranked_relevance`, the whole gallery.
        k: How many references count; more than there are counts all.
        denominator: What the sum is divided by.

    Raises:
        ConfigError: a K is below 1, or the denominator is unknown.
        ShapeError: a query has nothing relevant.

    Source: the published mAP@5 lies above mAP@1 in every row, which the other two hardly give where a query
        has many relevant references; so "found" is our reading. The text does not say.
    """
    if denominator not in ("found", "possible", "all"):
        raise ConfigError(f"the denominator of mAP@K is 'found', 'possible' or 'all', got '{denominator}'")
    _require_relevant(ranked)
    n_found = np.cumsum(ranked, axis=1)
    sums = np.cumsum(np.where(ranked, n_found / np.arange(1, ranked.shape[1] + 1), 0.0), axis=1)
    n_relevant = n_found[:, -1]
    means = []
    for cut in k:
        last = min(_cutoff(cut), ranked.shape[1]) - 1
        by = {"found": n_found[:, last], "possible": np.minimum(n_relevant, cut), "all": n_relevant}[denominator]
        means.append(float((sums[:, last] / np.maximum(by, 1)).mean()))
    return np.array(means)


def precision_at(
    videos: Int[np.ndarray, " n"],
    segments: Float[np.ndarray, "n 2"],
    truths: Sequence[NDArray[np.floating]],
    *,
    k: int,
    threshold: float = 0.5,
    strict: bool = True,
    once: bool = True,
) -> float:
    """Prec@K of one query: share of the first `k` moments of a gallery that hit an instance none before them hit.

    Fewer than `k` moments count the missing ones as wrong.

    Args:
        videos: Position of each moment's video in `truths`, best first.
        segments: The moments, in the same order.
        truths: The instances of the query's class in each video of the gallery.
        k: How many moments count.
        threshold: tIoU above which a moment hits.
        strict: Strictly above; False counts a tIoU at the threshold too.
        once: An instance counts once. False counts every moment that hits an instance, also the second on the same
            one, which is how the published Prec@K reads.

    Raises:
        ConfigError: `k` is below 1.
        ShapeError: not as many videos as segments.
    """
    if k < 1:
        raise ConfigError(f"precision at k needs k of 1 or more, got {k}")
    require_same_length(videos, segments)
    videos, segments = videos[:k], segments[:k]
    n_hits = 0
    for video in np.unique(videos):
        own, there = segments[videos == video], truths[int(video)]
        if once:
            n_hits += int(match(own, there, threshold=threshold, strict=strict).sum())
        else:
            n_hits += int(reaches(tiou_matrix(own, there), threshold, strict=strict).any(axis=1).sum())
    return n_hits / k


def _cutoff(k: int) -> int:
    if k < 1:
        raise ConfigError(f"the first k of a ranking need k of 1 or more, got {k}")
    return k


def _require_relevant(relevant: NDArray[np.bool_]) -> None:
    if relevant.ndim != 2 or 0 in relevant.shape:
        raise ShapeError(f"relevance is [query, reference] and not empty, got {relevant.shape}")
    without = np.flatnonzero(~np.asarray(relevant, dtype=bool).any(axis=1))
    if len(without):
        raise ShapeError(
            f"query {without[0]} has nothing relevant in the gallery; retrieval is asked of queries that have, "
            "rejection of the others"
        )
