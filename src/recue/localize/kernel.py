"""The local-alignment kernel: Smith-Waterman over a gain matrix, with the slope held between half and double.

Rows are reference steps, columns are query steps. A path moves one reference step at a time and

- advances the query by one step,
- advances it by two (the reference runs up to twice as fast), or
- holds the query step, never twice running (the reference runs at least half as fast),

and gains the matrix entry of every cell it visits. A path may begin anywhere, and is dropped once its sum is not
positive. All three moves come from the previous row, so a row is computed without a chain through itself and the
compiler turns it into vector instructions: scoring a library costs less than the similarities it is made of.

Source: Smith and Waterman 1981, with the slope constraint of Sakoe and Chiba 1978.
"""

import numpy as np
from jaxtyping import Float32, Int32, Int64
from numba import njit


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def scan_rows(
    similarity: Float32[np.ndarray, "rows query"],
    thresholds: Float32[np.ndarray, " query"],
    edges: Int64[np.ndarray, " edges"],
    fresh: bool,
    state: Float32[np.ndarray, "4 padded"],
    best: Float32[np.ndarray, " rows"],
) -> None:
    """Best score of a path that ends at each row, without where it began, for a block of several references.

    Args:
        similarity: Of the rows with the query.
        thresholds: Taken from it; the gain is positive where a match is likely.
        edges: Where references begin inside the block, from 0 to the number of rows, both included.
        fresh: Whether a reference begins at row 0; if not, the state of the block before goes on.
        state: Four work rows of `query + 2`; the first two carry the scores from block to block. The two first
            columns stay zero.
        best: Filled in; 0 where no path of positive sum ends.

    Cost: O(rows * query) time, O(query) memory.
    """
    n_query = similarity.shape[1]
    moved, held, next_moved, next_held = state[0], state[1], state[2], state[3]
    for part in range(len(edges) - 1):
        if part > 0 or fresh:
            moved[:] = 0.0
            held[:] = 0.0
        for row in range(edges[part], edges[part + 1]):
            row_best = np.float32(0.0)
            for i in range(n_query):
                here = similarity[row, i] - thresholds[i]
                one = max(moved[i + 1], held[i + 1])
                two = max(moved[i], held[i])
                by_move = max(np.float32(0.0), max(one, two)) + here
                by_hold = moved[i + 2] + here
                next_moved[i + 2] = by_move
                next_held[i + 2] = by_hold
                row_best = max(row_best, max(by_move, by_hold))
            best[row] = row_best
            moved, next_moved = next_moved, moved
            held, next_held = next_held, held
    if len(similarity) % 2 == 1:
        # The rows have changed places an odd number of times: the carried ones are the second pair.
        for i in range(n_query + 2):
            state[0, i] = moved[i]
            state[1, i] = held[i]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def align_rows(
    gain: Float32[np.ndarray, "rows query"],
    hold_cost: float,
    best: Float32[np.ndarray, " rows"],
    start_row: Int32[np.ndarray, " rows"],
    start_query: Int32[np.ndarray, " rows"],
    end_query: Int32[np.ndarray, " rows"],
    n_held: Int32[np.ndarray, " rows"],
) -> None:
    """As `scan_rows` for one whole reference, and carries where each best path began.

    Args:
        gain: Similarity less the threshold.
        hold_cost: Taken from the sum for each held query step; 0 in `scan_rows`.
        best: Filled in: score of the best path that ends at each row; 0 where there is none.
        start_row: Filled in: its first row; -1 where there is none.
        start_query: Filled in: its first query step.
        end_query: Filled in: its last query step.
        n_held: Filled in: how many of its reference steps held the query.

    Cost: O(rows * query) time, O(query) memory.
    """
    n_rows, n_query = gain.shape
    cost = np.float32(hold_cost)
    width = n_query + 2
    moved = np.zeros(width, np.float32)
    held = np.zeros(width, np.float32)
    next_moved = np.zeros(width, np.float32)
    next_held = np.zeros(width, np.float32)
    # Origin of the path in each cell, reference row and query step, and how often it held.
    moved_from = np.zeros((3, width), np.int32)
    held_from = np.zeros((3, width), np.int32)
    next_moved_from = np.zeros((3, width), np.int32)
    next_held_from = np.zeros((3, width), np.int32)
    for row in range(n_rows):
        best[row] = 0.0
        start_row[row] = -1
        start_query[row] = -1
        end_query[row] = -1
        n_held[row] = 0
        for i in range(n_query):
            here = gain[row, i]
            before = np.float32(0.0)
            from_row = row
            from_query = i
            holds = 0
            # Ties go to the longer path: one step, then two, then a fresh start.
            if moved[i] > before:
                before, from_row, from_query, holds = moved[i], moved_from[0, i], moved_from[1, i], moved_from[2, i]
            if held[i] > before:
                before, from_row, from_query, holds = held[i], held_from[0, i], held_from[1, i], held_from[2, i]
            if moved[i + 1] >= before and moved[i + 1] > 0:
                before, from_row, from_query, holds = (
                    moved[i + 1],
                    moved_from[0, i + 1],
                    moved_from[1, i + 1],
                    moved_from[2, i + 1],
                )
            if held[i + 1] > before:
                before, from_row, from_query, holds = (
                    held[i + 1],
                    held_from[0, i + 1],
                    held_from[1, i + 1],
                    held_from[2, i + 1],
                )
            by_move = before + here
            next_moved[i + 2] = by_move
            next_moved_from[0, i + 2] = from_row
            next_moved_from[1, i + 2] = from_query
            next_moved_from[2, i + 2] = holds
            by_hold = moved[i + 2] + here - cost
            next_held[i + 2] = by_hold
            next_held_from[0, i + 2] = moved_from[0, i + 2]
            next_held_from[1, i + 2] = moved_from[1, i + 2]
            next_held_from[2, i + 2] = moved_from[2, i + 2] + 1
            if by_move > best[row]:
                best[row] = by_move
                start_row[row] = from_row
                start_query[row] = from_query
                end_query[row] = i
                n_held[row] = holds
            if by_hold > best[row] and moved[i + 2] > 0:
                best[row] = by_hold
                start_row[row] = moved_from[0, i + 2]
                start_query[row] = moved_from[1, i + 2]
                end_query[row] = i
                n_held[row] = moved_from[2, i + 2] + 1
        moved, next_moved = next_moved, moved
        held, next_held = next_held, held
        moved_from, next_moved_from = next_moved_from, moved_from
        held_from, next_held_from = next_held_from, held_from
