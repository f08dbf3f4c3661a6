"""The frame-level baseline: the diagonal block of the distance table with the smallest mean distance.

Source: the frame-level row of the cross-gated bilinear matching paper (Feng et al. 2018). It leaves the exact
recursion open; ours is dynamic time warping whose diagonal move counts the cell twice. A path over Q query
steps and L reference steps then always weighs Q + L, whatever its moves, so the smallest *mean* of every block
is found exactly by the smallest sum.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence
from recue.core.moment import ScoredSegment
from recue.localize.suppress import hard_nms


@dataclass(frozen=True, slots=True)
class FrameLevel:
    """Blocks of the distance table with the smallest mean distance, found by dynamic programming, no training.

    Features are brought to unit length; a block spans the whole query and a stretch of the reference; its path
    runs from corner to corner by diagonal, horizontal and vertical moves. The score is `1 - distance / 2`, in
    [0, 1]. Of the best block of every start, those that overlap a better one are left out.

    Attributes:
        n: Segments to answer with, at most.
        max_steps: Longest segment in steps; a query that is longer raises it to its own length.

    Raises:
        ConfigError: `n` or `max_steps` is below 1.

    Cost: O(query · reference · max_steps) time, O(query · reference) memory.
    """

    n: int = 10
    max_steps: int = 64

    def __post_init__(self) -> None:
        if self.n < 1 or self.max_steps < 1:
            raise ConfigError(
                f"frame-level needs n and max_steps of 1 or more, got n={self.n}, max_steps={self.max_steps}"
            )

    @property
    def name(self) -> str:
        """Registry name."""
        return "frame-level"

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        """The best blocks that do not overlap, best first.

        Raises:
            FingerprintError: the two were made by different things.
        """
        query.require_same_source(reference)
        distance = distance_table(query.values, reference.values)
        stops, means = best_blocks(distance, max(self.max_steps, len(query)))
        found = [
            ScoredSegment(reference.segment(first, int(stop)), 1.0 - 0.5 * float(mean), query.span)
            for first, (stop, mean) in enumerate(zip(stops, means, strict=True))
        ]
        return hard_nms(found, max_tiou=0.0, n=self.n)


def distance_table(query: NDArray[np.floating], reference: NDArray[np.floating]) -> NDArray[np.float32]:
    """Euclidean distance in [0, 2] of every query step to every reference step, both brought to unit length.

    A vector of zeros stays one: it lies at distance 1 from everything of unit length.

    Args:
        query: `[query, dim]`.
        reference: `[reference, dim]`.

    Returns:
        `[query, reference]`.
    """
    a, b = _unit(query), _unit(reference)
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2.0 * (a @ b.T)
    distance: NDArray[np.float32] = np.sqrt(np.clip(squared, 0.0, 4.0))
    return distance


def best_blocks(distance: NDArray[np.float32], max_steps: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each first reference step, where the best block that starts there stops, and its mean distance.

    Ties go to the shorter block.

    Args:
        distance: `[query, reference]`, 0 or more.
        max_steps: Longest block in reference steps.
    """
    # Columns are walked one reference step at a time, so they are made contiguous: [reference, query].
    stops, means = _best_blocks(np.ascontiguousarray(distance.T), max_steps)
    return stops, means


def _unit(values: NDArray[np.floating]) -> NDArray[np.float32]:
    values = values.astype(np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    return unit


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _best_blocks(distance: Any, max_steps: int) -> Any:
    n_reference, n_query = distance.shape
    stops = np.empty(n_reference, np.int64)
    means = np.empty(n_reference, np.float64)
    cost = np.empty(n_query, np.float64)
    for first in range(n_reference):
        best, best_stop = np.inf, first + 1
        for j in range(first, min(n_reference, first + max_steps)):
            # `cost[i]` turns from the path to (i, j-1) into the path to (i, j); `corner` keeps (i-1, j-1).
            corner = np.inf
            for i in range(n_query):
                here = distance[j, i]
                left = cost[i] if j > first else np.inf
                if i == 0 and j == first:
                    step = 2.0 * here
                else:
                    step = min(left, cost[i - 1] if i > 0 else np.inf) + here
                    step = min(step, corner + 2.0 * here)
                corner = left
                cost[i] = step
            mean = cost[n_query - 1] / (n_query + j + 1 - first)
            if mean < best:
                best, best_stop = mean, j + 1
        stops[first] = best_stop
        means[first] = best
    return stops, means
