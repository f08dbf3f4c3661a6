"""Metrics of re-localization, as pure functions over arrays.

A *pair* is one query asked of one reference. Its predictions are segments `[n, 2]` (start_s, end_s), best first;
its truths are segments `[m, 2]` of the query's class. A prediction hits a truth when their tIoU is strictly above
the threshold, as in the published protocol.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError

#: The thresholds of the published mAP@1 tables.
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


def tiou_matrix(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "n m"]:
    """Temporal intersection over union of every segment of `a` with every one of `b`, in [0, 1].

    A zero-length segment overlaps nothing, itself included; touching segments do not overlap.

    >>> tiou_matrix(np.array([[1.0, 3.0]]), np.array([[2.0, 4.0], [3.0, 4.0], [1.0, 1.0]])).round(3).tolist()
    [[0.333, 0.0, 0.0]]

    Raises:
        ShapeError: not `[n, 2]`, not finite, or an end before its start.
    """
    a, b = _segments(a), _segments(b)
    both = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    both = np.clip(both, 0.0, None)
    either = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None, :] - both
    tiou: NDArray[np.float64] = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
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
    _same_length(predictions, truths)
    return np.array(
        [tiou_matrix(p[:n], t).max(initial=0.0) for p, t in zip(predictions, truths, strict=True)],
        dtype=np.float64,
    )


def share_above(
    tiou: Float[np.ndarray, " pair"], thresholds: Sequence[float] = THRESHOLDS
) -> Float[np.ndarray, " threshold"]:
    """Share of pairs whose tIoU is strictly above each threshold.

    Of `top_tiou(..., n=1)` over the pairs that have a truth this is mAP@1; of `n=5` it is R@5.

    >>> share_above(np.array([0.5, 0.9, 0.0, 0.6]), (0.5, 0.8)).tolist()
    [0.5, 0.25]

    Raises:
        ShapeError: there is no pair.
    """
    if len(tiou) == 0:
        raise ShapeError("a share needs one pair or more, got none")
    shares: NDArray[np.float64] = (tiou[:, None] > np.asarray(thresholds)[None, :]).mean(axis=0)
    return shares


def match(
    predictions: Float[np.ndarray, "n 2"], truths: Float[np.ndarray, "m 2"], *, threshold: float
) -> Bool[np.ndarray, " n"]:
    """Which predictions hit a truth that none before them hit.

    In the order given, each prediction takes the free truth with which its tIoU is largest, if that is strictly
    above the threshold. So a second hit on the same truth is a miss.

    >>> match(np.array([[0.0, 2.0], [0.0, 2.1]]), np.array([[0.0, 2.0]]), threshold=0.5).tolist()
    [True, False]
    """
    tiou = tiou_matrix(predictions, truths)
    hits = np.zeros(len(tiou), dtype=bool)
    if tiou.shape[1] == 0:
        return hits
    for i, row in enumerate(tiou):
        j = int(row.argmax())
        if row[j] > threshold:
            hits[i] = True
            tiou[:, j] = -1.0
    return hits


def average_precision(
    predictions: Sequence[NDArray[np.floating]],
    scores: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    *,
    threshold: float,
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

    Raises:
        ShapeError: the lists do not fit each other, scores increase or are not numbers, or no pair has a truth.
    """
    _same_length(predictions, truths)
    _same_length(scores, truths)
    n_truths = sum(len(t) for t in truths)
    if n_truths == 0:
        raise ShapeError("average precision needs one truth or more, got none")
    for p, s in zip(predictions, scores, strict=True):
        if s.shape != (len(p),) or np.isnan(s).any() or (s[1:] > s[:-1]).any():
            raise ShapeError(f"{len(p)} predictions need as many scores, best first, got {s.tolist()}")
    hit = np.concatenate([match(p, t, threshold=threshold) for p, t in zip(predictions, truths, strict=True)])
    score = np.concatenate([np.asarray(s, dtype=np.float64) for s in scores])
    if len(score) == 0:
        return 0.0
    order = np.argsort(-score, kind="stable")
    hit, score = hit[order], score[order]
    last_of_tie = np.append(score[1:] != score[:-1], True)
    n_hits = np.cumsum(hit)[last_of_tie]
    n_shown = np.arange(1, len(hit) + 1)[last_of_tie]
    precision = np.maximum.accumulate((n_hits / n_shown)[::-1])[::-1]
    recall = n_hits / n_truths
    return float((np.diff(recall, prepend=0.0) * precision).sum())


@dataclass(frozen=True, slots=True)
class Rejection:
    """How well one threshold on the score tells present from absent.

    Attributes:
        threshold: A pair is accepted when its score is at or above this.
        accepted: Share of the present pairs that are accepted; at least what was asked for.
        rejected: Share of the absent pairs that are refused.
    """

    threshold: float
    accepted: float
    rejected: float


def rejection(
    present: Float[np.ndarray, " n"], absent: Float[np.ndarray, " m"], *, acceptance: float = 0.95
) -> Rejection:
    """The share of absent pairs refused by the highest threshold that accepts `acceptance` of the present ones.

    Args:
        present: Best score of each pair whose reference holds the query's class; -inf for no answer.
        absent: The same for pairs whose reference does not hold it.
        acceptance: Share of present pairs to accept, in (0, 1].

    >>> rejection(np.array([0.9, 0.8, 0.4, 0.7]), np.array([0.1, 0.6, 0.75]), acceptance=0.75)
    Rejection(threshold=0.7, accepted=0.75, rejected=0.6666666666666666)

    Raises:
        ConfigError: `acceptance` is not in (0, 1].
        ShapeError: one side is empty, or a score is not a number.
    """
    if not 0.0 < acceptance <= 1.0:
        raise ConfigError(f"an acceptance lies in (0, 1], got {acceptance}")
    if len(present) == 0 or len(absent) == 0:
        raise ShapeError(f"rejection needs present and absent pairs, got {len(present)} and {len(absent)}")
    if np.isnan(present).any() or np.isnan(absent).any():
        raise ShapeError("a score is not a number")
    # 1e-9 keeps 0.95 * 20 from becoming 20 by rounding.
    n_accepted = int(np.ceil(acceptance * len(present) - 1e-9))
    threshold = float(np.sort(present)[::-1][n_accepted - 1])
    return Rejection(threshold, float((present >= threshold).mean()), float((absent < threshold).mean()))


def precision_at(
    videos: Int[np.ndarray, " n"],
    segments: Float[np.ndarray, "n 2"],
    truths: Sequence[NDArray[np.floating]],
    *,
    k: int,
    threshold: float = 0.5,
) -> float:
    """Share of the first `k` moments of a gallery that hit an instance none before them hit.

    Fewer than `k` moments count the missing ones as wrong.

    Args:
        videos: Position of each moment's video in `truths`, best first.
        segments: The moments, in the same order.
        truths: The instances of the query's class in each video of the gallery.
        k: How many moments count.
        threshold: tIoU above which a moment hits.

    Raises:
        ConfigError: `k` is below 1.
        ShapeError: not as many videos as segments.
    """
    if k < 1:
        raise ConfigError(f"precision at k needs k of 1 or more, got {k}")
    _same_length(videos, segments)
    videos, segments = videos[:k], segments[:k]
    n_hits = sum(
        int(match(segments[videos == video], truths[int(video)], threshold=threshold).sum())
        for video in np.unique(videos)
    )
    return n_hits / k


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a confidence interval."""

    low: float
    high: float


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: Int[np.ndarray, " item"],
    *,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic over items that come in groups.

    Whole groups are drawn with replacement, because pairs on one reference are not independent of each other.

    Args:
        statistic: From the positions of the drawn items (with repeats) to a number.
        groups: Group of each item; `np.arange(n)` where every item stands alone.
        level: Probability mass inside the interval.
        n_resamples: How many draws.
        seed: Of the draws.

    Raises:
        ShapeError: there is no item.
        ConfigError: `level` is not in (0, 1), or `n_resamples` is below 1.

    Cost: `n_resamples` calls of `statistic`.
    """
    if len(groups) == 0:
        raise ShapeError("a bootstrap needs one item or more, got none")
    if not 0.0 < level < 1.0 or n_resamples < 1:
        raise ConfigError(f"a bootstrap needs a level in (0, 1) and 1 draw or more, got {level} and {n_resamples}")
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values = [
        statistic(np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))]))
        for _ in range(n_resamples)
    ]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _segments(values: NDArray[np.floating]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ShapeError(f"segments are [n, 2], start and end in seconds, got shape {array.shape}")
    if not np.isfinite(array).all() or (array[:, 1] < array[:, 0]).any():
        raise ShapeError("segments need finite bounds, and an end at or after the start")
    return array


def _same_length(a: Sequence[object] | NDArray[np.generic], b: Sequence[object] | NDArray[np.generic]) -> None:
    if len(a) != len(b):
        raise ShapeError(f"as many of the one as of the other are needed, got {len(a)} and {len(b)}")
