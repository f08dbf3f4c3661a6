"""Pairs of a query and a reference for tests of pair models, padded with what must not matter."""

import numpy as np
from numpy.typing import NDArray

from recue.models.pairs import PairBatch, pair_batch


def made_pairs(
    rng: np.random.Generator, n_query: tuple[int, ...], n_reference: tuple[int, ...], dim: int
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Queries and references of these lengths, of noise."""

    def noise(n: int) -> NDArray[np.float32]:
        return rng.standard_normal((n, dim)).astype(np.float32)

    return [noise(n) for n in n_query], [noise(n) for n in n_reference]


def dirty_batch(queries: list[NDArray[np.float32]], references: list[NDArray[np.float32]]) -> PairBatch:
    """A padded batch with large numbers where the padding is."""
    batch = pair_batch(queries, references)
    for padded, lengths in ((batch.query, batch.n_query), (batch.reference, batch.n_reference)):
        for row, length in zip(padded, lengths.tolist(), strict=True):
            row[length:] = 1e4
    return batch


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1.0 / (1.0 + np.exp(-x))
