"""The best segments of per-step probabilities of starting, ending and lying inside, for a batch, by prefix sums.

Source: Feng et al. 2018, eq. 12: the segment [s, e] with the largest p_start(s) · p_end(e) · (Π p_inside)^(1/length).
In log space the product is a difference of two prefix sums, so a segment costs one subtraction whatever its length:
O(reference · max_steps) in all.

Further segments are found greedily. For each start the best end is kept; after a segment was taken, only the starts
whose best end overlaps it too much look for another.

Compiled by numba and not written in torch: a batch is a few thousand steps, which torch would copy into tables of
some million segments, and the answer leaves the device in any case.
"""

import math
from typing import Any

import numba
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.models.pairs import FoundSteps


def best_spans(
    log_start: Float[np.ndarray, "batch time"],
    log_end: Float[np.ndarray, "batch time"],
    log_inside: Float[np.ndarray, "batch time"],
    n_steps: Int[np.ndarray, " batch"],
    *,
    max_steps: int,
    n: int = 1,
    max_tiou: float = 0.0,
) -> list[list[FoundSteps]]:
    """For each sequence the segments with the largest p_start · p_end · (geometric mean of p_inside), best first.

    Ties go to the earlier start, then to the shorter segment.

    Args:
        log_start: Logarithm of the probability that a segment starts at each step; finite where valid.
        log_end: That it ends there: that this is the last step of one.
        log_inside: That the step lies inside one.
        n_steps: Valid steps of each sequence; what lies after them is not looked at.
        max_steps: Longest segment.
        n: Segments a sequence, at most.
        max_tiou: None of them overlaps a better one by more than this; 1 keeps all, 0 none that overlap.

    Returns:
        Half-open bounds in steps; the score is the joint probability, in [0, 1].

    >>> start, end, inside = np.log([[[0.9, 0.1, 0.1]], [[0.1, 0.8, 0.1]], [[0.5, 0.5, 0.1]]])
    >>> (found,), = best_spans(start, end, inside, np.array([3]), max_steps=64)
    >>> found.first, found.stop, round(found.score, 3)
    (0, 2, 0.36)

    Raises:
        ConfigError: `max_steps` or `n` is below 1, or `max_tiou` lies outside [0, 1].
        ShapeError: the arrays do not fit each other, or a valid value is not finite.

    Cost: O(time · max_steps) a sequence for the first; each further one at most O(n · max_steps²).
    """
    if max_steps < 1 or n < 1 or not 0.0 <= max_tiou <= 1.0:
        raise ConfigError(
            "max_steps and n are 1 or more and max_tiou lies in [0, 1], got "
            f"max_steps={max_steps}, n={n}, max_tiou={max_tiou}"
        )
    shapes = [np.shape(array) for array in (log_start, log_end, log_inside)]
    if len({*shapes}) > 1 or len(shapes[0]) != 2 or np.shape(n_steps) != shapes[0][:1]:
        raise ShapeError(
            f"probabilities are [batch, time] of one shape and n_steps is [batch], got {shapes} and {np.shape(n_steps)}"
        )
    # float64: a prefix sum grows with the reference, and what is read from it is a difference.
    start, end, inside = (np.asarray(array, np.float64) for array in (log_start, log_end, log_inside))
    return [
        _best_of(start[i, :length], end[i, :length], inside[i, :length], max_steps, n, max_tiou)
        for i, length in enumerate(n_steps.tolist())
    ]


def _best_of(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    inside: NDArray[np.float64],
    max_steps: int,
    n: int,
    max_tiou: float,
) -> list[FoundSteps]:
    # Contiguous: the kernel is compiled for one layout.
    start, end, total = np.ascontiguousarray(start), np.ascontiguousarray(end), np.append(0.0, np.cumsum(inside))
    if not math.isfinite(total[-1] + start.sum() + end.sum()):
        raise ShapeError("the logarithms of probabilities are not all finite; has the training diverged?")
    firsts, stops, scores = _greedy(start, end, total, max_steps, min(n, len(start) * max_steps), max_tiou)
    return [
        FoundSteps(first, stop, math.exp(score))
        for first, stop, score in zip(firsts.tolist(), stops.tolist(), scores.tolist(), strict=True)
    ]


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _greedy(start: Any, end: Any, total: Any, max_steps: int, n: int, max_tiou: float) -> Any:
    """First, stop and log score of the best segments; fewer than `n` where no more are left."""
    time = len(start)
    first, stop, score = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.float64)
    best, best_stop = np.empty(time, np.float64), np.empty(time, np.int64)
    for s in range(time):
        best[s], best_stop[s] = _best_from(s, start, end, total, max_steps, first[:0], stop, max_tiou)
    for k in range(n):
        s = int(np.argmax(best))
        if best[s] == -np.inf:
            return first[:k], stop[:k], score[:k]
        first[k], stop[k], score[k] = s, best_stop[s], best[s]
        if k + 1 < n:
            for other in range(max(0, s - max_steps + 1), min(time, stop[k])):
                if best[other] > -np.inf and _too_close(other, best_stop[other], first[k], stop[k], max_tiou):
                    best[other], best_stop[other] = _best_from(
                        other, start, end, total, max_steps, first[: k + 1], stop, max_tiou
                    )
    return first, stop, score


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _best_from(
    s: int, start: Any, end: Any, total: Any, max_steps: int, kept_first: Any, kept_stop: Any, max_tiou: float
) -> Any:
    """Score and stop of the best segment that starts at `s` and is not too close to one that was kept."""
    best, best_stop = -np.inf, s + 1
    for stop in range(s + 1, min(len(start), s + max_steps) + 1):
        score = end[stop - 1] + (total[stop] - total[s]) / (stop - s)
        if score > best:
            free = True
            for i in range(len(kept_first)):
                if _too_close(s, stop, kept_first[i], kept_stop[i], max_tiou):
                    free = False
                    break
            if free:
                best, best_stop = score, stop
    return best + start[s], best_stop


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _too_close(first: int, stop: int, other_first: int, other_stop: int, max_tiou: float) -> Any:
    """Whether two segments are the same or overlap by more than `max_tiou`."""
    shared = min(stop, other_stop) - max(first, other_first)
    if shared <= 0:
        return False
    either = max(stop, other_stop) - min(first, other_first)
    return shared == either or shared > max_tiou * either
