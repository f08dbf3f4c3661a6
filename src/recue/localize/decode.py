"""From what a network says of each step to segments: the face of the decoder for arrays and for tensors.

Both are read in place where they lie in memory, by the one kernel in `recue.models.layers.span_decode`.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recue.models.layers.span_decode import best_spans
from recue.models.pairs import FoundSteps

#: Floating `[batch, time]`, or whole `[batch]` for lengths.
Array = NDArray[np.floating] | NDArray[np.integer] | Tensor


def best_segments(
    log_start: Array,
    log_end: Array,
    log_inside: Array,
    n_steps: Array,
    *,
    max_steps: int = 64,
    n: int = 1,
    max_tiou: float = 0.0,
) -> list[list[FoundSteps]]:
    """The best segments of each sequence of a batch; arguments, result and errors are those of `best_spans`.

    >>> start, end, inside = np.log([[[0.9, 0.1, 0.1]], [[0.1, 0.8, 0.1]], [[0.5, 0.5, 0.1]]])
    >>> best_segments(start, end, inside, np.array([3]))[0][0][:2]
    (0, 2)
    """
    arrays = (_array(values) for values in (log_start, log_end, log_inside, n_steps))
    return best_spans(*arrays, max_steps=max_steps, n=n, max_tiou=max_tiou)


def _array(values: Array) -> NDArray[np.floating]:
    array: NDArray[np.floating] = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array
