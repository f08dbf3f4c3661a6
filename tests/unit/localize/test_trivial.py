import itertools

import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.localize.trivial import Chance, ConstantWindow, valid_steps
from support.sequences import noise, sequence


@pytest.mark.parametrize(("n", "cap"), [(1, 1), (5, 2), (5, 5), (4, 9), (7, None)])
def test_valid_steps_are_all_start_end_pairs_up_to_the_cap(n: int, cap: int | None) -> None:
    expected = [[s, e] for s, e in itertools.combinations(range(n + 1), 2) if e - s <= (cap if cap is not None else n)]
    assert valid_steps(n, 3, max_steps=cap).tolist() == expected


def test_valid_steps_of_the_querys_length() -> None:
    assert valid_steps(5, 3, length="query").tolist() == [[0, 3], [1, 4], [2, 5]]
    assert valid_steps(2, 3, length="query").tolist() == [[0, 2]]


@pytest.mark.parametrize("bad", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_valid_steps_refuses_nothing_to_draw_from(bad: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="1 step or more"):
        valid_steps(bad[0], bad[1], max_steps=bad[2])


def test_chance_draws_every_valid_segment_equally_often() -> None:
    rng = np.random.default_rng(1)
    query, reference = sequence(noise(rng, 3)), sequence(noise(rng, 6), step_s=1.0)
    drawn = Chance(seed=2, n=20_000, max_steps=4).localize(query, reference)
    seen, counts = np.unique([(s.segment.start_s, s.segment.end_s) for s in drawn], axis=0, return_counts=True)
    assert len(seen) == len(valid_steps(6, 3, max_steps=4)) == 18
    expected = 20_000 / 18
    assert np.abs(counts - expected).max() < 5 * expected**0.5


def test_chance_depends_on_seed_and_content() -> None:
    rng = np.random.default_rng(1)
    query, other, reference = sequence(noise(rng, 3)), sequence(noise(rng, 3)), sequence(noise(rng, 40))
    answer = Chance(seed=1).localize(query, reference)
    assert answer == Chance(seed=1).localize(query, reference)
    assert answer != Chance(seed=2).localize(query, reference)
    assert answer != Chance(seed=1).localize(other, reference)


def test_constant_window_is_a_share_of_the_references_own_clock() -> None:
    rng = np.random.default_rng(1)
    reference = sequence(noise(rng, 20), step_s=0.5, start_s=100.0)
    (window,) = ConstantWindow().localize(sequence(noise(rng, 2)), reference)
    assert (window.segment.start_s, window.segment.end_s) == pytest.approx((102.0, 108.0))


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="start < end"):
        ConstantWindow(start=0.8, end=0.2)
    with pytest.raises(ConfigError, match="n=0"):
        Chance(n=0)
