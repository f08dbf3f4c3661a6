"""What a random segment scores, without drawing one."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.localize.trivial import ChanceLength


def expected_hit_rate(
    times_s: Float[np.ndarray, " bound"],
    truths: Float[np.ndarray, "m 2"],
    thresholds: Sequence[float],
    *,
    n_query: int = 1,
    length: ChanceLength = "any",
    max_steps: int | None = 64,
) -> Float[np.ndarray, " threshold"]:
    """Probability that one segment drawn by `chance` has a tIoU above each threshold with one of the truths.

    With a start S and a truth [a, b) the tIoU rises with the end e up to e = b and falls after it, so it lies
    above a threshold h exactly for

        max(S, a) + h · (b - min(S, a))  <  e  <  min(S, a) + (b - max(S, a)) / h.

    Counting step bounds in that open interval gives the probability. At h >= 0.5 one segment cannot hit two
    disjoint truths, so the counts add up. A tIoU at the threshold is not above it, however the seconds are rounded
    (as in `tiou_matrix`): truths are often made of steps, and then ties are common.

    Args:
        times_s: Step bounds of the reference, increasing.
        truths: Disjoint segments of the reference.
        thresholds: Each in [0.5, 1).
        n_query: Steps of the query; matters for `length="query"` alone.
        length: As in `recue.localize.trivial.valid_steps`.
        max_steps: As there.

    >>> expected_hit_rate(np.arange(4.0), np.array([[0.0, 2.0]]), (0.5, 0.7))  # of 6 segments: 0-2 and 0-3; 0-2
    array([0.33333333, 0.16666667])

    Raises:
        ConfigError: a threshold is below 0.5 or not below 1, or truths overlap.

    Cost: O(truths · thresholds · steps · log(steps)).
    """
    if any(not 0.5 <= h < 1.0 for h in thresholds):
        raise ConfigError(f"the closed form holds for thresholds in [0.5, 1), got {tuple(thresholds)}")
    truths = np.asarray(truths, dtype=np.float64).reshape(-1, 2)
    truths = truths[np.argsort(truths[:, 0], kind="stable")]
    if (truths[1:, 0] < truths[:-1, 1]).any():
        raise ConfigError("the closed form holds for disjoint truths, got some that overlap; merge them first")
    n = len(times_s) - 1
    first, lowest, highest = _stops(n, n_query, length, max_steps)
    start_s = times_s[first]
    hits = np.zeros(len(thresholds))
    for k, threshold in enumerate(thresholds):
        # Half of the last decimal that a tIoU is rounded to: what lies above this is above the threshold.
        h = threshold + 0.5e-9
        for a, b in truths:
            inner, outer = np.maximum(start_s, a), np.minimum(start_s, a)
            # First stop strictly above the lower bound, last stop strictly below the upper one.
            low = np.searchsorted(times_s, inner + h * (b - outer), side="right")
            high = np.searchsorted(times_s, outer + (b - inner) / h, side="left") - 1
            hits[k] += np.clip(np.minimum(high, highest) - np.maximum(low, lowest) + 1, 0, None).sum()
    n_valid = int((highest - lowest + 1).sum())
    rates: NDArray[np.float64] = hits / n_valid
    return rates


def _stops(
    n: int, n_query: int, length: ChanceLength, max_steps: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every first step that may be drawn, with its lowest and highest stop."""
    if length == "query":
        steps = min(n_query, n)
        first = np.arange(n - steps + 1)
        return first, first + steps, first + steps
    first = np.arange(n)
    return first, first + 1, np.minimum(first + (max_steps or n), n)
