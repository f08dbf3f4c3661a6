"""Confidence intervals by drawing the items of an evaluation anew."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError


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
