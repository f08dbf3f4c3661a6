"""One pass over a whole bank: how well a match can end at each step, in about the time of the matrix product."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from recue.core.bank import FeatureBank
from recue.localize.kernel import scan_rows

#: Rows that are multiplied at once: the block and its similarities stay in the cache between the two loops.
_BLOCK_ROWS = 4096


def scan_bank(
    bank: FeatureBank,
    query: Float32[np.ndarray, "query dim"],
    thresholds: Float32[np.ndarray, " query"],
    *,
    videos: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> Float32[np.ndarray, " step"]:
    """The best local-alignment score of a path that ends at each step of a bank.

    The similarities are made block by block and used up at once; the table of all of them never exists.

    Args:
        bank: Mapped features.
        query: Mapped query steps, so that the dot product is a similarity.
        thresholds: Of each query step; what lies above it is evidence, what lies below speaks against.
        videos: Positions in the bank to scan, increasing; None for all. The steps of the others score 0.
        threads: Each takes a share of the steps.

    Cost: the matrix product of the bank with the query, and a fraction of it; four bytes a step.
    """
    chosen = np.arange(len(bank), dtype=np.int64) if videos is None else videos
    scores = np.zeros(bank.n_steps, np.float32)
    if not len(chosen):
        return scores
    lengths = bank.offsets[chosen + 1] - bank.offsets[chosen]
    threads = max(1, min(threads, len(chosen)))
    # Shares of about equal length, each a run of neighbours so that memory is read in order.
    share = np.minimum((np.cumsum(lengths) - lengths) * threads // max(1, int(lengths.sum())), threads - 1)

    def scan(part: int) -> None:
        _scan_videos(bank, chosen[share == part], query, thresholds, scores)

    if threads == 1:
        scan(0)
        return scores
    # The threads are ours: each multiplies alone, or they would wait for one another inside the matrix library.
    with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(scan, range(threads)))
    return scores


@cache
def _blas() -> ThreadpoolController:
    """Found once: looking through the loaded libraries takes longer than a small scan."""
    return ThreadpoolController()


def _scan_videos(
    bank: FeatureBank,
    videos: NDArray[np.int64],
    query: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    columns = np.ascontiguousarray(query.T)
    gain = np.empty((_BLOCK_ROWS, len(query)), np.float32)
    state = np.zeros((4, len(query) + 2), np.float32)
    # Runs of videos that lie side by side are read as one; the video a row belongs to only resets the state.
    breaks = np.flatnonzero(np.diff(videos) != 1) + 1
    for run in np.split(videos, breaks):
        if not len(run):
            continue
        first, last = int(bank.offsets[run[0]]), int(bank.offsets[run[-1] + 1])
        bounds = bank.offsets[run[0] : run[-1] + 2]
        for begin in range(first, last, _BLOCK_ROWS):
            end = min(begin + _BLOCK_ROWS, last)
            here = gain[: end - begin]
            np.matmul(np.asarray(bank.values[begin:end], np.float32), columns, out=here)
            # The first bound is one of those at or before this block; more may lie inside it.
            nearest = int(np.searchsorted(bounds, begin, "right"))
            inside = bounds[nearest : np.searchsorted(bounds, end, "left")]
            edges = np.concatenate([[begin], inside, [end]]) - begin
            scan_rows(here, thresholds, edges, bool(bounds[nearest - 1] == begin), state, scores[begin:end])
