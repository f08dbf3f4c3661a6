"""Segments in steps of a reference: how much two overlap, and the best few of many."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recue.core.errors import ConfigError
from recue.models.pairs import FoundSteps


def tiou_steps(first: Tensor, stop: Tensor, other_first: Tensor, other_stop: Tensor) -> Tensor:
    """Temporal intersection over union of half-open segments of one step or more, element by element.

    The four shapes are broadcast. A segment of no step at all overlaps nothing.
    """
    both = (stop.minimum(other_stop) - first.maximum(other_first)).clamp(min=0)
    either = (stop - first) + (other_stop - other_first) - both
    return both / either.clamp(min=1)


def best_steps(
    first: NDArray[np.integer],
    stop: NDArray[np.integer],
    score: NDArray[np.floating],
    *,
    n: int,
    max_tiou: float,
) -> list[FoundSteps]:
    """The best `n` segments, of which none overlaps a better one by more than `max_tiou`.

    Ties go to the one given first. A score of minus infinity is no answer.

    Args:
        first: `[segment]`, first step of each.
        stop: `[segment]`, step after its last.
        score: `[segment]`; higher is better.
        n: Answer with this many at most.
        max_tiou: 0 keeps none that overlap, 1 keeps all.

    >>> found = best_steps(np.array([0, 1, 5]), np.array([4, 4, 6]), np.array([0.9, 0.8, 0.5]), n=2, max_tiou=0.5)
    >>> [(s.first, s.stop) for s in found]
    [(0, 4), (5, 6)]

    Raises:
        ConfigError: `n` is below 1.

    Cost: O(n · segments).
    """
    if n < 1:
        raise ConfigError(f"one asks for 1 segment or more, got n={n}")
    left = np.array(score, dtype=np.float64)
    found: list[FoundSteps] = []
    while len(found) < n and len(left):
        best = int(left.argmax())
        if left[best] == -np.inf:
            break
        found.append(FoundSteps(int(first[best]), int(stop[best]), float(left[best])))
        if len(found) < n:
            both = np.clip(np.minimum(stop, stop[best]) - np.maximum(first, first[best]), 0, None)
            either = (stop - first) + (stop[best] - first[best]) - both
            left[both > max_tiou * either] = -np.inf
            left[best] = -np.inf
    return found
