"""Metrics of segments within one reference: tIoU, recall at n, mAP@1, average precision over all instances.

A *pair* is one query asked of one reference. Its predictions are segments `[n, 2]` (start_s, end_s), best first;
its truths are segments `[m, 2]` of the query's class. A prediction hits a truth when their tIoU is strictly above
the threshold, as in the published protocols; `strict=False` counts those at the threshold as well.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation.precision_recall import (
    area_under_precision,
    mean_over_labels,
    reaches,
    require_ranked_scores,
    require_same_length,
)

#: The thresholds of the published mAP@1 tables.
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


def tiou_matrix(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "n m"]:
    """Temporal intersection over union of every segment of `a` with every one of `b`, in [0, 1].

    A zero-length segment overlaps nothing, itself included; touching segments do not overlap. Rounded to nine
    decimals: where bounds are multiples of a step, a tIoU often lies exactly at a threshold, and the rounding of
    seconds must not decide on which side.

    >>> tiou_matrix(np.array([[1.0, 3.0]]), np.array([[2.0, 4.0], [3.0, 4.0], [1.0, 1.0]])).round(3).tolist()
    [[0.333, 0.0, 0.0]]

    Raises:
        ShapeError: not `[n, 2]`, not finite, or an end before its start.
    """
    a, b = _segments(a), _segments(b)
    both = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    both = np.clip(both, 0.0, None)
    either = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None, :] - both
    tiou: NDArray[np.float64] = np.divide(both, either, out=np.zeros_like(both), where=either > 0).round(9)
    return tiou


def top_tiou(
    predictions: Sequence[NDArray[np.floating]], truths: Sequence[NDArray[np.floating]], *, n: int = 1
) -> Float[np.ndarray, " pair"]:
    """For each pair, the largest tIoU of one of its first `n` predictions with one of its truths.

    0 where there is no prediction or no truth. `(top_tiou(...) > m).mean()` is R@n at IoU = m.

    Raises:
        ShapeError: not as many predictions as truths.
        ConfigError: `n` is below 1.
    """
    if n < 1:
        raise ConfigError(f"the first n predictions need n of 1 or more, got {n}")
    require_same_length(predictions, truths)
    return np.array(
        [tiou_matrix(p[:n], t).max(initial=0.0) for p, t in zip(predictions, truths, strict=True)],
        dtype=np.float64,
    )


def share_above(
    tiou: Float[np.ndarray, " pair"], thresholds: Sequence[float] = THRESHOLDS, *, strict: bool = True
) -> Float[np.ndarray, " threshold"]:
    """Share of pairs whose tIoU is above each threshold.

    Of `top_tiou(..., n=1)` over the pairs that have a truth this is mAP@1; of `n=5` it is R@5.

    >>> share_above(np.array([0.5, 0.9, 0.0, 0.6]), (0.5, 0.8)).tolist()
    [0.5, 0.25]
    >>> share_above(np.array([0.5, 0.9, 0.0, 0.6]), (0.5, 0.8), strict=False).tolist()
    [0.75, 0.25]

    Args:
        tiou: One a pair.
        thresholds: In [0, 1]; above 0 where not strict.
        strict: Strictly above, as published; False counts a tIoU at the threshold too.

    Raises:
        ShapeError: there is no pair.
        ConfigError: a threshold is no share.
    """
    if len(tiou) == 0:
        raise ShapeError("a share needs one pair or more, got none")
    shares: NDArray[np.float64] = reaches(tiou[:, None], np.asarray(thresholds)[None, :], strict=strict).mean(axis=0)
    return shares


def map_at_1(
    predictions: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    strict: bool = True,
) -> Float[np.ndarray, " threshold"]:
    """Share of pairs whose first prediction hits, at each threshold: the published mAP@1.

    With one prediction a pair, precision and recall are one number, so no curve is involved.

    Raises:
        ShapeError: there is no pair, not as many predictions as truths, or a pair has no truth.
    """
    (shares,) = recall_at(predictions, truths, n=(1,), thresholds=thresholds, strict=strict)
    return np.asarray(shares)


def recall_at(
    predictions: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    *,
    n: Sequence[int] = (1, 5, 10),
    thresholds: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5),
    strict: bool = True,
) -> Float[np.ndarray, "n threshold"]:
    """R@n at IoU = m: share of pairs for which one of the first n predictions hits a truth.

    >>> predictions = [np.array([[0.0, 1.0], [0.0, 2.0]]), np.array([[5.0, 6.0]])]
    >>> truths = [np.array([[0.0, 2.0]]), np.array([[0.0, 9.0]])]
    >>> recall_at(predictions, truths, n=(1, 5), thresholds=(0.3, 0.5)).tolist()
    [[0.5, 0.0], [0.5, 0.5]]

    Args:
        predictions: Best first, one array a pair; may be empty.
        truths: One array a pair, not empty.
        n: How many predictions count.
        thresholds: tIoU to be above.
        strict: Strictly above, as published; False counts a tIoU at the threshold too.

    Raises:
        ShapeError: there is no pair, not as many predictions as truths, or a pair has no truth.
        ConfigError: an n is below 1, or a threshold is no share.
    """
    require_truths(truths, "recall")
    return np.stack([share_above(top_tiou(predictions, truths, n=k), thresholds, strict=strict) for k in n])


def match(
    predictions: Float[np.ndarray, "n 2"], truths: Float[np.ndarray, "m 2"], *, threshold: float, strict: bool = True
) -> Bool[np.ndarray, " n"]:
    """Which predictions hit a truth that none before them hit.

    In the order given, each prediction takes the free truth with which its tIoU is largest, if that is above the
    threshold. So a second hit on the same truth is a miss.

    >>> match(np.array([[0.0, 2.0], [0.0, 2.1]]), np.array([[0.0, 2.0]]), threshold=0.5).tolist()
    [True, False]

    Raises:
        ConfigError: `threshold` is no share.
    """
    tiou = tiou_matrix(predictions, truths)
    enough = reaches(tiou, threshold, strict=strict)
    hits = np.zeros(len(tiou), dtype=bool)
    if tiou.shape[1] == 0:
        return hits
    for i, row in enumerate(tiou):
        j = int(row.argmax())
        if row[j] >= 0 and enough[i, j]:
            hits[i] = True
            tiou[:, j] = -1.0
    return hits


def average_precision(
    predictions: Sequence[NDArray[np.floating]],
    scores: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    *,
    threshold: float,
    strict: bool = True,
) -> float:
    """Area under the precision-recall curve of all predictions of all pairs, ranked by score.

    As in object detection: predictions are matched to truths pair by pair (`match`), then all are pooled;
    precision is made non-increasing in recall before the area is taken. Predictions with the same score enter
    the curve together, so their order does not matter. A pair without a truth adds only false alarms.

    Args:
        predictions: Best first, one array `[n, 2]` a pair.
        scores: One array `[n]` a pair, not increasing; comparable over the pairs; may be negative.
        truths: One array `[m, 2]` a pair.
        threshold: tIoU above which a prediction hits.
        strict: Strictly above; False counts a tIoU at the threshold too.

    Raises:
        ShapeError: the lists do not fit each other, scores increase or are not numbers, or no pair has a truth.
    """
    require_same_length(predictions, truths)
    require_same_length(scores, truths)
    n_truths = sum(len(t) for t in truths)
    if n_truths == 0:
        raise ShapeError("average precision needs one truth or more, got none")
    for p, s in zip(predictions, scores, strict=True):
        require_ranked_scores(len(p), s)
    hit = np.concatenate(
        [match(p, t, threshold=threshold, strict=strict) for p, t in zip(predictions, truths, strict=True)]
    )
    score = np.concatenate([np.asarray(s, dtype=np.float64) for s in scores])
    return area_under_precision(hit, score, n_truths)


def mean_average_precision(
    predictions: Sequence[NDArray[np.floating]],
    scores: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    labels: Sequence[Hashable],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    strict: bool = True,
) -> Float[np.ndarray, " threshold"]:
    """mAP over all instances: `average_precision` of each class by itself, then the mean over classes.

    A class none of whose pairs has a truth has no average precision and does not take part.

    Args:
        predictions: As in `average_precision`.
        scores: As there; comparable within a class.
        truths: As there.
        labels: Class of each pair.
        thresholds: tIoU to be above.
        strict: Strictly above; False counts a tIoU at the threshold too.

    Raises:
        ShapeError: the lists do not fit each other, or no pair has a truth.
    """
    require_same_length(labels, truths)
    classes = [
        [i for i, other in enumerate(labels) if other == label]
        for label in dict.fromkeys(label for label, t in zip(labels, truths, strict=True) if len(t))
    ]

    def of_class(own: Sequence[int], threshold: float) -> float:
        p, s, t = ([values[i] for i in own] for values in (predictions, scores, truths))
        return average_precision(p, s, t, threshold=threshold, strict=strict)

    require_same_length(predictions, truths)
    require_same_length(scores, truths)
    return np.array([mean_over_labels([of_class(own, threshold) for own in classes]) for threshold in thresholds])


def require_truths(truths: Sequence[NDArray[np.floating]], what: str) -> None:
    """Refuse pairs that hold nothing to find, of which recall says nothing.

    Raises:
        ShapeError: names the first of them.
    """
    for i, t in enumerate(truths):
        if len(t) == 0:
            raise ShapeError(
                f"pair {i} has no truth; {what} is asked of pairs that hold the moment, rejection of the others"
            )


def _segments(values: NDArray[np.floating]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ShapeError(f"segments are [n, 2], start and end in seconds, got shape {array.shape}")
    if not np.isfinite(array).all() or (array[:, 1] < array[:, 0]).any():
        raise ShapeError("segments need finite bounds, and an end at or after the start")
    return array
