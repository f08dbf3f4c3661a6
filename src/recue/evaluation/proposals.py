"""Metrics of proposals: average recall against the average number of proposals, and the area under it.

A pair (one query, one reference) takes the place of a video of the ActivityNet proposal task: its proposals are
segments `[n, 2]`, best first, its truths `[m, 2]`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation.precision_recall import reaches, require_same_length
from recue.evaluation.segments import THRESHOLDS, require_truths, tiou_matrix

#: How proposals are shared out at an average number of AN. "share": each pair gives the same share of its own list,
#: such that AN come on a pair on average, so a pair with many proposals gives more of them (ActivityNet). "first": each
#: pair gives its first AN.
Pooling = Literal["share", "first"]


def average_recall(
    proposals: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    *,
    max_n: int = 100,
    thresholds: Sequence[float] = THRESHOLDS,
    strict: bool = False,
    pooling: Pooling = "share",
) -> Float[np.ndarray, " max_n"]:
    """AR@AN for AN = 1 to `max_n`: recall of all truths of all pairs, mean over the thresholds.

    A truth is recalled when one of the proposals that count reaches the threshold with it; one proposal may recall
    several truths. `average_recall(...)[AN - 1]` is AR@AN.

    With "share" (ActivityNet): of N proposals of P pairs, a pair with n gives its first `floor(n · AN · P / N)`.
    Where N is above `max_n · P`, every list is first cut to `floor(n · max_n · P / N)`, and N is what is left. We
    count in whole numbers; the published script multiplies floats and can lose a proposal to rounding
    (100 · 0.29 = 28.99…).

    >>> truths = [np.array([[0.0, 2.0], [5.0, 6.0]])]
    >>> average_recall([np.array([[0.0, 2.0], [5.0, 6.2]])], truths, max_n=2, thresholds=(0.5, 0.9)).tolist()
    [0.5, 0.75]

    Args:
        proposals: Best first, one array `[n, 2]` a pair; may be empty.
        truths: One array `[m, 2]` a pair, not empty.
        max_n: Largest average number of proposals.
        thresholds: tIoU to reach.
        strict: Strictly above the threshold; False, as in ActivityNet, counts a tIoU at it too.
        pooling: How proposals are shared out.

    Raises:
        ShapeError: there is no pair, not as many lists of proposals as of truths, or a pair has no truth.
        ConfigError: `max_n` is below 1, `thresholds` is empty or holds no share, or the pooling is unknown.

    Cost: O(pairs · (proposals · truths · thresholds + max_n)).
    """
    if max_n < 1 or len(thresholds) == 0:
        raise ConfigError(f"average recall needs 1 proposal and 1 threshold or more, got {max_n} and {thresholds}")
    require_same_length(proposals, truths)
    require_truths(truths, "average recall")
    if not truths:
        raise ShapeError("average recall needs one pair or more, got none")
    n_shown = _shown(np.array([len(p) for p in proposals], dtype=np.int64), max_n, pooling)
    recalled = np.zeros(max_n)
    for own, there, shown in zip(proposals, truths, n_shown, strict=True):
        if len(own) == 0:
            continue
        enough = reaches(tiou_matrix(own, there)[..., None], np.asarray(thresholds), strict=strict)
        # [truth * threshold]: rank of the first proposal that recalls it; out of reach where none does.
        first = np.where(enough.any(axis=0), enough.argmax(axis=0), len(own)).ravel()
        recalled += np.searchsorted(np.sort(first), shown, side="left")
    shares: NDArray[np.float64] = recalled / (sum(len(t) for t in truths) * len(thresholds))
    return shares


def area_under_recall(recall: Float[np.ndarray, " max_n"]) -> float:
    """AUC of AR against AN: the trapezoids from AN = 1 to the last, divided by the last, as in ActivityNet.

    So the most that `max_n = 100` proposals can reach is 0.99.

    >>> area_under_recall(np.array([0.0, 0.5, 0.5, 1.0]))  # (0.25 + 0.5 + 0.75) / 4
    0.375

    Args:
        recall: From `average_recall`.

    Raises:
        ShapeError: it has fewer than two points.
    """
    if len(recall) < 2:
        raise ShapeError(f"an area needs average recall at two numbers of proposals or more, got {len(recall)}")
    return float(0.5 * (recall[1:] + recall[:-1]).sum() / len(recall))


def _shown(n: NDArray[np.int64], max_n: int, pooling: str) -> NDArray[np.int64]:
    """`[pair, max_n]`: how many proposals of each pair count at each average number."""
    numbers = np.arange(1, max_n + 1, dtype=np.int64)
    if pooling == "first":
        return np.minimum(n[:, None], numbers[None, :])
    if pooling != "share":
        raise ConfigError(f"proposals are pooled by 'share' or 'first', got '{pooling}'")
    if n.sum() > max_n * len(n):
        n = n * max_n * len(n) // n.sum()
    total = max(int(n.sum()), 1)
    shown: NDArray[np.int64] = np.minimum(n[:, None], n[:, None] * numbers[None, :] * len(n) // total)
    return shown
