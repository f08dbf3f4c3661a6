"""One pass over a whole bank: how well each video can match at best, in about the time of the matrix product."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recue.core.bank import FeatureBank
from recue.localize.kernel import scan_rows

#: Rows that are multiplied at once: the block and its similarities stay in the cache between the two loops.
_BLOCK_ROWS = 4096


def scan_bank(
    bank: FeatureBank,
    query: Float32[np.ndarray, "query dim"],
    threshold: Float32[np.ndarray, " query"],
    *,
    videos: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> Float32[np.ndarray, " videos"]:
    """The best local-alignment score of each video.

    The similarities are made block by block and used up at once; the table of all of them never exists.

    Args:
        bank: Mapped features.
        query: Mapped query steps, so that the dot product is a similarity.
        threshold: Of each query step; what lies above it is evidence, what lies below speaks against.
        videos: Positions in the bank to scan; None for all.
        threads: Each takes a share of the videos.

    Cost: the matrix product of the bank with the query, and a fraction of it.
    """
    chosen = np.arange(len(bank), dtype=np.int64) if videos is None else videos
    if not len(chosen):
        return np.zeros(0, np.float32)
    lengths = bank.offsets[chosen + 1] - bank.offsets[chosen]
    threads = max(1, min(threads, len(chosen)))
    # Shares of about equal length, each a run of neighbours so that memory is read in order.
    share = np.minimum((np.cumsum(lengths) - lengths) * threads // max(1, int(lengths.sum())), threads - 1)
    scores = np.zeros(len(chosen), np.float32)

    def scan(part: int) -> None:
        mine = np.flatnonzero(share == part)
        scores[mine] = _scan_videos(bank, chosen[mine], query, threshold)

    with threadpool_limits(limits=1, user_api="blas"):
        if threads == 1:
            scan(0)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(scan, range(threads)))
    return scores


def _scan_videos(
    bank: FeatureBank, videos: NDArray[np.int64], query: NDArray[np.float32], threshold: NDArray[np.float32]
) -> NDArray[np.float32]:
    columns = np.ascontiguousarray(query.T)
    scores = np.zeros(len(videos), np.float32)
    state = np.zeros((4, len(query) + 2), np.float32)
    gain = np.empty((_BLOCK_ROWS, len(query)), np.float32)
    best = np.empty(_BLOCK_ROWS, np.float32)
    position = 0
    while position < len(videos):
        # A block is one run of rows: several short neighbours, or a piece of a long video.
        stop = position + 1
        first_row = int(bank.offsets[videos[position]])
        while (
            stop < len(videos)
            and videos[stop] == videos[stop - 1] + 1
            and int(bank.offsets[videos[stop] + 1]) - first_row <= _BLOCK_ROWS
        ):
            stop += 1
        last_row = int(bank.offsets[videos[stop - 1] + 1])
        state[:] = 0.0
        for block in range(math.ceil((last_row - first_row) / _BLOCK_ROWS)):
            begin = first_row + block * _BLOCK_ROWS
            end = min(begin + _BLOCK_ROWS, last_row)
            here = gain[: end - begin]
            np.matmul(np.asarray(bank.values[begin:end], np.float32), columns, out=here)
            np.subtract(here, threshold, out=here)
            for i in range(position, stop):
                if stop - position > 1:
                    state[:] = 0.0
                low = max(int(bank.offsets[videos[i]]), begin) - begin
                high = min(int(bank.offsets[videos[i] + 1]), end) - begin
                scan_rows(here[low:high], state, best[: high - low])
                scores[i] = max(scores[i], float(best[: high - low].max(initial=0.0)))
        position = stop
    return scores
