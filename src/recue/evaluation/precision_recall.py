"""What all metrics of ranked answers share: the comparison with a threshold, and the area under the curve."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError


def reaches(
    overlap: Float[np.ndarray, "*shape"], threshold: float | NDArray[np.floating], *, strict: bool
) -> Bool[np.ndarray, "*shape"]:
    """Where an overlap counts: strictly above the threshold, or (`strict=False`) at or above it.

    The threshold is rounded to nine decimals, as overlaps are: `np.arange` gives 0.7999999999999999
    for 0.8, and a tie must stay one.

    >>> [reaches(np.array([0.6, 0.7]), 0.6, strict=strict).tolist() for strict in (True, False)]
    [[False, True], [True, True]]

    Raises:
        ConfigError: a threshold is outside [0, 1], or (`strict=False`) outside (0, 1].
    """
    bounds = np.asarray(threshold, dtype=np.float64).round(9)
    fits = (bounds >= 0) & (bounds <= 1) if strict else (bounds > 0) & (bounds <= 1)
    if not fits.all():
        given, allowed = bounds.tolist(), "[0, 1]" if strict else "(0, 1], as no overlap at all reaches 0"
        raise ConfigError(f"a threshold on an overlap lies in {allowed}, got {given}")
    return np.asarray(overlap > bounds if strict else overlap >= bounds)


def area_under_precision(hit: Bool[np.ndarray, " n"], score: Float[np.ndarray, " n"], n_truths: int) -> float:
    """Area under precision over recall, with precision made non-increasing in recall first (all-point interpolation).

    Answers with the same score enter the curve together, so their order does not matter.

    >>> area_under_precision(np.array([True, False, True]), np.array([0.9, 0.8, -1.0]), 2)  # 1/2 * 1 + 1/2 * 2/3
    0.8333333333333333

    Raises:
        ShapeError: there is no truth.
    """
    if n_truths == 0:
        raise ShapeError("average precision needs one truth or more, got none")
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


def require_same_length(a: Sequence[object] | NDArray[np.generic], b: Sequence[object] | NDArray[np.generic]) -> None:
    """Refuse lists that do not belong together.

    Raises:
        ShapeError: names both lengths.
    """
    if len(a) != len(b):
        raise ShapeError(f"as many of the one as of the other are needed, got {len(a)} and {len(b)}")


def require_ranked_scores(n: int, scores: NDArray[np.floating]) -> None:
    """Refuse scores that are not one number an answer, best first.

    Raises:
        ShapeError: another number of them, one that is not a number, or one above the one before it.
    """
    if scores.shape != (n,) or np.isnan(scores).any() or (scores[1:] > scores[:-1]).any():
        raise ShapeError(f"{n} predictions need as many scores, best first, got {scores.tolist()}")


def mean_over_labels(values: Sequence[float]) -> float:
    """The mean of one value a class.

    Raises:
        ShapeError: there is no class that has a truth.
    """
    if not values:
        raise ShapeError("a mean over classes needs one class with a truth or more, got none")
    return float(np.mean(values))
