"""Feature sequences with a planted moment, for tests of whatever takes two of them."""

import numpy as np
from numpy.typing import NDArray

from recue.core import FeatureSequence, Segment


def sequence(
    values: NDArray[np.floating], *, step_s: float = 0.5, start_s: float = 0.0, fingerprint: str = "made"
) -> FeatureSequence:
    times_s = start_s + step_s * np.arange(len(values) + 1)
    return FeatureSequence(values, times_s, "made", fingerprint)


def noise(rng: np.random.Generator, n: int, dim: int = 24) -> NDArray[np.float32]:
    return rng.standard_normal((n, dim)).astype(np.float32)


def planted(
    rng: np.random.Generator,
    *,
    n_query: int = 8,
    n_reference: int = 60,
    at: tuple[int, ...] = (20,),
    dim: int = 24,
    jitter: float = 0.3,
    start_s: float = 0.0,
) -> tuple[FeatureSequence, FeatureSequence, list[Segment]]:
    """A query, a reference that holds it (with noise) from each of the steps `at`, and where that is."""
    query = noise(rng, n_query, dim)
    reference = noise(rng, n_reference, dim)
    for first in at:
        reference[first : first + n_query] = query + jitter * noise(rng, n_query, dim)
    made = sequence(reference, start_s=start_s)
    return sequence(query), made, [made.segment(first, first + n_query) for first in at]
