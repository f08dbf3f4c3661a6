"""Probabilities of starting, ending and lying inside, a value a step, to the best segments: the face for arrays.

The kernel is `recue.models.layers.span_decode`, which runs on arrays of NumPy without copying them first.
"""

import numpy as np
import torch
from jaxtyping import Float, Int

from recue.core.errors import ShapeError
from recue.models.layers.span_decode import best_spans
from recue.models.pairs import FoundSteps


def best_segments(
    log_start: Float[np.ndarray, "batch time"],
    log_end: Float[np.ndarray, "batch time"],
    log_inside: Float[np.ndarray, "batch time"],
    n_steps: Int[np.ndarray, " batch"],
    *,
    max_steps: int = 64,
    n: int = 1,
    max_tiou: float = 0.0,
) -> list[list[FoundSteps]]:
    """For each sequence the segments with the largest p_start · p_end · (geometric mean of p_inside), best first.

    Ties go to the earlier start, then to the shorter segment.

    Args:
        log_start: Logarithm of the probability that a segment starts at each step; finite where valid.
        log_end: That it ends there: that it is the last step of one.
        log_inside: That it lies inside one.
        n_steps: Valid steps of each sequence; what lies after them is not looked at.
        max_steps: Longest segment.
        n: Segments a sequence, at most.
        max_tiou: None of them overlaps a better one by more than this; 1 keeps all, 0 none that overlap.

    Returns:
        Half-open bounds in steps; the score is the joint probability, in [0, 1].

    >>> start, end, inside = np.log([[[0.9, 0.1, 0.1]], [[0.1, 0.8, 0.1]], [[0.5, 0.5, 0.1]]])
    >>> (found,), = best_segments(start, end, inside, np.array([3]))
    >>> found.first, found.stop, round(found.score, 3)
    (0, 2, 0.36)

    Raises:
        ConfigError: `max_steps` or `n` is below 1, or `max_tiou` lies outside [0, 1].
        ShapeError: the arrays do not fit each other, or a valid value is not finite.

    Cost: O(n · batch · time · max_steps).
    Source: Feng et al. 2018, eq. 12.
    """
    values = [np.asarray(array) for array in (log_start, log_end, log_inside)]
    lengths = np.asarray(n_steps)
    if any(array.ndim != 2 for array in values) or lengths.ndim != 1:
        raise ShapeError(
            "probabilities are [batch, time] and n_steps is [batch], got "
            f"{[array.shape for array in values]} and {lengths.shape}"
        )
    start, end, inside = (torch.from_numpy(np.require(array, requirements=["C", "W"])) for array in values)
    spans = best_spans(start, end, inside, torch.tensor(lengths), max_steps=max_steps, n=n, max_tiou=max_tiou)
    return spans.found()
