"""The kernel against a plain recursion that tries every path."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from recue.localize.kernel import align_rows, scan_rows


def best_paths(gain):
    """For each row the best path that ends there, by trying every path backwards; (score, first row)."""
    n_rows, n_query = gain.shape

    @cache
    def ending(row, i, just_held):
        """Every (score, first row) of a path whose last cell is (row, i)."""
        here = float(gain[row, i])
        if just_held:
            if row == 0:
                return ()
            return tuple((score + here, first) for score, first in ending(row - 1, i, False) if score > 0)
        paths = [(here, row)]
        for back in (1, 2):
            if row > 0 and i >= back:
                for held in (False, True):
                    paths += [(s + here, first) for s, first in ending(row - 1, i - back, held) if s > 0]
        return tuple(paths)

    rows = []
    for row in range(n_rows):
        found = [p for i in range(n_query) for held in (False, True) for p in ending(row, i, held) if p[0] > 0]
        rows.append(max(found, default=(0.0, -1)))
    return rows


def run_align(gain, hold_cost=0.0):
    n_rows = len(gain)
    best = np.empty(n_rows, np.float32)
    where = [np.empty(n_rows, np.int32) for _ in range(4)]
    align_rows(gain, hold_cost, best, *where)
    return best, *where


@pytest.mark.parametrize("seed", range(8))
def test_scores_and_starts_equal_the_search_over_all_paths(seed):
    rng = np.random.default_rng(seed)
    gain = rng.normal(-0.1, 1.0, size=(int(rng.integers(1, 7)), int(rng.integers(1, 6)))).astype(np.float32)
    best, start_row, start_query, end_query, _ = run_align(gain)
    for row, (score, first) in enumerate(best_paths(gain)):
        assert best[row] == pytest.approx(score, abs=1e-5)
        assert start_row[row] == first
        if first >= 0:
            assert 0 <= start_query[row] <= end_query[row] < gain.shape[1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_query", [1, 2, 20])
def test_scanning_in_blocks_equals_aligning_each_reference(seed, n_query):
    rng = np.random.default_rng(seed)
    similarity = rng.normal(0.1, 1.0, size=(93, n_query)).astype(np.float32)
    thresholds = rng.uniform(0.2, 0.4, n_query).astype(np.float32)
    references = [0, 30, 31, 36, 88, 93]
    expected = [run_align(np.ascontiguousarray(similarity[a:b] - thresholds))[0] for a, b in pairwise(references)]
    state = np.zeros((4, n_query + 2), np.float32)
    best = np.full(93, np.nan, np.float32)
    for begin, end in pairwise([0, 1, 2, 9, 30, 33, 70, 93]):
        edges = np.array([begin, *(r for r in references if begin < r < end), end]) - begin
        scan_rows(similarity[begin:end], thresholds, edges, begin in references, state, best[begin:end])
    np.testing.assert_allclose(best, np.concatenate(expected), rtol=1e-4, atol=1e-5)


def diagonal(n_rows, cells):
    gain = np.full((n_rows, 4), -5.0, np.float32)
    for row, column in cells:
        gain[row, column] = 1.0
    return gain


def test_same_speed_is_followed_from_start_to_end():
    best, start_row, start_query, end_query, _ = run_align(diagonal(8, [(2, 0), (3, 1), (4, 2), (5, 3)]))
    assert (best[5], start_row[5], start_query[5], end_query[5]) == (4.0, 2, 0, 3)


def test_half_speed_holds_each_query_step_once():
    cells = [(row, row // 2) for row in range(8)]
    best, start_row, _, _, n_held = run_align(diagonal(8, cells))
    assert (best[7], start_row[7], n_held[7]) == (8.0, 0, 4)


def test_a_third_of_the_speed_is_not_followed():
    cells = [(row, row // 3) for row in range(12)]
    best, *_ = run_align(diagonal(12, cells))
    assert best.max() < 12.0


def test_double_speed_skips_every_other_query_step():
    gain = np.full((4, 8), -5.0, np.float32)
    for row in range(4):
        gain[row, 2 * row] = 1.0
    best, start_row, *_ = run_align(gain)
    assert (best[3], start_row[3]) == (4.0, 0)


def test_nothing_positive_gives_no_path():
    best, start_row, *_ = run_align(np.full((5, 3), -0.1, np.float32))
    assert not best.any()
    assert (start_row == -1).all()


def test_a_held_step_costs_what_is_asked():
    cells = [(row, row // 2) for row in range(8)]
    best, *_ = run_align(diagonal(8, cells), hold_cost=0.25)
    assert best[7] == 8.0 - 4 * 0.25
