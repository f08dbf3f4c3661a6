"""Fewer segments that say the same: hard and soft suppression, and merging.

Every function takes segments in any order and answers best first; ties go to the earlier start, then to the
earlier end. None changes what it was given.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.moment import ScoredSegment
from recue.core.segment import Segment


def best_first(segments: Iterable[ScoredSegment]) -> list[ScoredSegment]:
    """By score, highest first; ties by start, then by end."""
    return sorted(segments, key=lambda s: (-s.score, s.segment.start_s, s.segment.end_s))


def soft_nms(
    segments: Iterable[ScoredSegment],
    *,
    sigma: float = 0.4,
    n: int | None = None,
    min_score: float | None = None,
    floor: float | None = None,
) -> list[ScoredSegment]:
    """Lower the score of what overlaps something better, the more the more it overlaps.

    The best segment is kept; the score s of every other one becomes `floor + (s - floor) · exp(-tIoU² / sigma)`;
    then the best of the rest is kept, and so on.

    Args:
        segments: Of one reference.
        sigma: Width of the Gaussian; smaller suppresses more.
        n: Keep this many at most.
        min_score: Leave out what falls below it.
        floor: What a fully suppressed score tends to; no score may lie below it. Default: 0, or the lowest
            score where that is negative, because a negative score would *rise* when multiplied by less than 1.

    >>> segments = [ScoredSegment(Segment(0, 4), 0.9), ScoredSegment(Segment(0, 4), 0.8),
    ...             ScoredSegment(Segment(9, 12), 0.5)]
    >>> [(s.segment.start_s, round(s.score, 3)) for s in soft_nms(segments)]
    [(0, 0.9), (9, 0.5), (0, 0.066)]

    Raises:
        ConfigError: `sigma` is not above 0, `n` is negative, or a score lies below `floor`.

    Cost: O(kept · segments).
    Source: Bodla et al. 2017, Gaussian form, on intervals; the floor is ours.
    """
    if not sigma > 0:
        raise ConfigError(f"soft-NMS needs a sigma above 0, got {sigma}")
    _check_count(n)
    ordered = best_first(segments)
    if not ordered:
        return []
    scores = np.array([s.score for s in ordered], dtype=np.float64)
    if floor is None:
        floor = min(0.0, float(scores.min()))
    elif scores.min() < floor:
        raise ConfigError(f"soft-NMS has a score of {scores.min():g}, below its floor of {floor:g}")
    bounds = _bounds(ordered)
    open_ = np.ones(len(ordered), dtype=bool)
    kept: list[ScoredSegment] = []
    while open_.any() and (n is None or len(kept) < n):
        best = int(np.where(open_, scores, -np.inf).argmax())
        if min_score is not None and scores[best] < min_score:
            break
        kept.append(replace(ordered[best], score=float(scores[best])))
        open_[best] = False
        decay = np.exp(-(_tiou_with(bounds, best) ** 2) / sigma)
        scores = np.where(open_, floor + (scores - floor) * decay, scores)
    return best_first(kept)


def hard_nms(segments: Iterable[ScoredSegment], *, max_tiou: float = 0.5, n: int | None = None) -> list[ScoredSegment]:
    """Keep the best, drop all that overlap it by more than `max_tiou`, go on with the rest.

    Raises:
        ConfigError: `max_tiou` is not in [0, 1], or `n` is negative.

    Cost: O(kept · segments).
    """
    if not 0.0 <= max_tiou <= 1.0:
        raise ConfigError(f"a tIoU lies in [0, 1], got max_tiou={max_tiou}")
    _check_count(n)
    ordered = best_first(segments)
    bounds = _bounds(ordered)
    open_ = np.ones(len(ordered), dtype=bool)
    kept: list[ScoredSegment] = []
    for i, segment in enumerate(ordered):
        if n is not None and len(kept) >= n:
            break
        if open_[i]:
            kept.append(segment)
            open_ &= _tiou_with(bounds, i) <= max_tiou
    return kept


def merge(segments: Iterable[ScoredSegment], *, gap_s: float = 0.0) -> list[ScoredSegment]:
    """Join segments that overlap, touch, or lie at most `gap_s` apart into one.

    The joined segment carries the score and the query segment of its best part.

    >>> merge([ScoredSegment(Segment(0, 2), 0.5), ScoredSegment(Segment(2, 3), 0.7)])
    [ScoredSegment(segment=Segment(start_s=0, end_s=3), score=0.7, query_segment=None)]

    Raises:
        ConfigError: `gap_s` is negative or not a number.
    """
    if not (math.isfinite(gap_s) and gap_s >= 0):
        raise ConfigError(f"a gap is 0 seconds or more, got {gap_s}")
    joined: list[ScoredSegment] = []
    for new in sorted(segments, key=lambda s: (s.segment, -s.score)):
        if not joined or new.segment.start_s - joined[-1].segment.end_s > gap_s:
            joined.append(new)
            continue
        last = joined[-1]
        best = new if new.score > last.score else last
        whole = Segment(last.segment.start_s, max(last.segment.end_s, new.segment.end_s))
        joined[-1] = replace(best, segment=whole)
    return best_first(joined)


def _bounds(segments: list[ScoredSegment]) -> NDArray[np.float64]:
    return np.array([[s.segment.start_s, s.segment.end_s] for s in segments], dtype=np.float64).reshape(-1, 2)


def _tiou_with(bounds: NDArray[np.float64], i: int) -> NDArray[np.float64]:
    start_s, end_s = bounds[:, 0], bounds[:, 1]
    both = np.clip(np.minimum(end_s, end_s[i]) - np.maximum(start_s, start_s[i]), 0.0, None)
    either = (end_s - start_s) + (end_s[i] - start_s[i]) - both
    tiou: NDArray[np.float64] = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return tiou


def _check_count(n: int | None) -> None:
    if n is not None and n < 0:
        raise ConfigError(f"one keeps 0 segments or more, got n={n}")
