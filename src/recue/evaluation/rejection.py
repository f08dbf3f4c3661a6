"""How well a score tells pairs that hold the moment from pairs that do not."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recue.core.errors import ConfigError, ShapeError


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
