"""Made-up pairs of a query and a reference, and the plain versions of the metrics over them."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from recue.core import Segment

#: Predictions, scores, truths; one array a pair in each.
Pairs = tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], list[NDArray[np.float64]]]


def segments(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """On a coarse grid, so that touching, equal and zero-length segments come up."""
    start = rng.integers(0, 8, n)
    return np.stack([start, start + rng.integers(0, 5, n)], axis=1).astype(np.float64)


def segment_lists(max_size: int = 6) -> st.SearchStrategy[NDArray[np.float64]]:
    """`[n, 2]`, n from 0 on, on a grid of quarters."""
    one = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda x: (x[0] / 4, (x[0] + x[1]) / 4))
    return st.lists(one, max_size=max_size).map(lambda rows: np.array(rows, np.float64).reshape(-1, 2))


def made_pairs(seed: int, n_pairs: int = 12) -> Pairs:
    """Predictions (some none), scores (rounded: ties; some negative), truths (some none; never overlapping)."""
    rng = np.random.default_rng(seed)
    predictions, scores, truths = [], [], []
    for _ in range(n_pairs):
        n = int(rng.integers(0, 6))
        predictions.append(segments(rng, n))
        scores.append(np.sort(rng.integers(-3, 4, n) / 2.0)[::-1])
        cuts = np.sort(rng.choice(14, size=2 * int(rng.integers(0, 3)), replace=False))
        truths.append(cuts.reshape(-1, 2).astype(np.float64))
    return predictions, scores, truths


def tiou(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return Segment(*a.tolist()).tiou(Segment(*b.tolist()))


def plain_hits(
    predictions: NDArray[np.float64], truths: NDArray[np.float64], threshold: float, *, strict: bool = True
) -> list[bool]:
    free = list(range(len(truths)))
    out = []
    for p in predictions:
        best = max(free, key=lambda j: tiou(p, truths[j]), default=None)
        overlap = -1.0 if best is None else tiou(p, truths[best])
        hit = overlap > threshold if strict else overlap >= threshold
        if hit:
            free.remove(best)
        out.append(hit)
    return out


def plain_area(pool: list[tuple[float, bool]], n_truths: int) -> float:
    """At each distinct score as cut-off count hits and shown, then integrate the best precision to the right."""
    points = []
    for cut in sorted({s for s, _ in pool}, reverse=True):
        shown = [hit for s, hit in pool if s >= cut]
        points.append((sum(shown) / n_truths, sum(shown) / len(shown)))
    area, before = 0.0, 0.0
    for recall, _ in points:
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    return area


def plain_average_precision(pairs: Pairs, threshold: float, *, strict: bool = True) -> float:
    pool = []
    for p, s, t in zip(*pairs, strict=True):
        pool += list(zip(s.tolist(), plain_hits(p, t, threshold, strict=strict), strict=True))
    return plain_area(pool, sum(len(t) for t in pairs[2]))
