import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from recue.core import Segment
from recue.core.errors import ConfigError
from recue.localize.frame_level import FrameLevel, best_blocks, distance_table
from support.sequences import noise, planted, sequence


def block_mean(distance: NDArray[np.floating], first: int, stop: int) -> float:
    """Smallest mean over all corner-to-corner paths of one block, straight from the definition."""

    @lru_cache(None)
    def cost(i: int, j: int) -> float:
        here = float(distance[i, j])
        if i == 0 and j == first:
            return 2 * here
        ways = [math.inf]
        if i > 0:
            ways.append(cost(i - 1, j) + here)
        if j > first:
            ways.append(cost(i, j - 1) + here)
        if i > 0 and j > first:
            ways.append(cost(i - 1, j - 1) + 2 * here)
        return min(ways)

    n_query = len(distance)
    return cost(n_query - 1, stop - 1) / (n_query + stop - first)


@pytest.mark.parametrize(("n_query", "n_reference", "cap"), [(1, 1, 4), (3, 9, 4), (4, 7, 20), (5, 2, 5)])
def test_best_blocks_agree_with_every_block_tried(n_query: int, n_reference: int, cap: int) -> None:
    rng = np.random.default_rng(n_query)
    distance = rng.random((n_query, n_reference)).astype(np.float32)
    stops, means = best_blocks(distance, cap)
    for first in range(n_reference):
        tried = {
            stop: block_mean(distance, first, stop) for stop in range(first + 1, min(n_reference, first + cap) + 1)
        }
        assert means[first] == pytest.approx(min(tried.values()))
        assert tried[int(stops[first])] == pytest.approx(min(tried.values()))


def paths(rows: int, columns: int) -> Iterator[list[tuple[int, int]]]:
    """Every way through a block from its first corner to its last: right, down, or both at once."""
    if rows == columns == 1:
        yield [(0, 0)]
    for down, right in ((1, 0), (0, 1), (1, 1)):
        if rows > down and columns > right:
            for path in paths(rows - down, columns - right):
                yield [*path, (rows - 1, columns - 1)]


@pytest.mark.parametrize(("n_query", "n_reference", "cap"), [(1, 5, 3), (3, 6, 4), (4, 4, 1), (2, 7, 64)])
def test_the_answer_is_the_best_of_all_paths_through_all_blocks(n_query: int, n_reference: int, cap: int) -> None:
    """From features to segment by enumeration: nothing here is shared with the dynamic programme."""
    rng = np.random.default_rng(10 * n_query + n_reference)
    query, reference = 2 * noise(rng, n_query, 3), noise(rng, n_reference, 3)
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (query, reference))
    distance = np.linalg.norm(a[:, None] - b[None, :], axis=2)
    means = {}
    for first in range(n_reference):
        for stop in range(first + 1, min(first + max(cap, n_query), n_reference) + 1):
            # A step that goes right and down at once counts its cell twice, as the first cell counts for both axes.
            means[first, stop] = min(
                sum(
                    distance[i, first + j] * (i - before_i + j - before_j)
                    for (before_i, before_j), (i, j) in zip([(-1, -1), *path], path, strict=False)
                )
                / (n_query + stop - first)
                for path in paths(n_query, stop - first)
            )
    first, stop = min(means, key=lambda bounds: means[bounds])
    answer = FrameLevel(n=1, max_steps=cap).localize(sequence(query), sequence(reference))[0]
    assert answer.segment == sequence(reference).segment(first, stop)
    assert answer.score == pytest.approx(1 - means[first, stop] / 2, abs=1e-5)


def test_distance_table_is_the_distance_of_unit_vectors() -> None:
    rng = np.random.default_rng(0)
    a, b = 3 * noise(rng, 4), noise(rng, 6)
    b[2] = 0.0
    table = distance_table(a, b)
    for i in range(4):
        for j in range(6):
            length = np.linalg.norm(b[j]) or 1.0
            expected = np.linalg.norm(a[i] / np.linalg.norm(a[i]) - b[j] / length)
            assert table[i, j] == pytest.approx(expected, abs=1e-5)
    # An exact match cancels to about the square root of the float32 rounding error.
    assert distance_table(a, a).diagonal() == pytest.approx(0.0, abs=2e-3)


def test_planted_moments_come_first_and_do_not_overlap() -> None:
    query, reference, truths = planted(np.random.default_rng(5), at=(10, 40))
    found = FrameLevel(n=4).localize(query, reference)
    assert {s.segment for s in found[:2]} == set(truths)
    assert found[1].score > found[2].score + 0.1
    for i, a in enumerate(found):
        assert all(a.segment.intersection_s(b.segment) == 0 for b in found[i + 1 :])


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_half_and_double_speed_are_found(speed: float) -> None:
    rng = np.random.default_rng(6)
    base = np.repeat(noise(rng, 6), 2, axis=0)
    query = base if speed == 2.0 else base[::2]
    played = base[::2] if speed == 2.0 else base
    values = np.concatenate([noise(rng, 15), played, noise(rng, 15)])
    found = FrameLevel().localize(sequence(query), sequence(values))[0]
    # The last of two equal frames may be left out: the shorter block is as good.
    assert found.segment.tiou(Segment(7.5, 7.5 + 0.5 * len(played))) > 0.9
    assert found.score == pytest.approx(1.0, abs=1e-3)


def test_the_cap_holds_unless_the_query_is_longer() -> None:
    rng = np.random.default_rng(7)
    still = np.ones((50, 8), np.float32)
    assert all(
        s.segment.duration_s <= 2.0 for s in FrameLevel(max_steps=4).localize(sequence(still[:3]), sequence(still))
    )
    query, reference, truths = planted(rng, n_query=12)
    assert FrameLevel(max_steps=4).localize(query, reference)[0].segment == truths[0]


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="n=0"):
        FrameLevel(n=0)
    with pytest.raises(ConfigError, match="max_steps=0"):
        FrameLevel(max_steps=0)
