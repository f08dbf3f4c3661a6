import itertools

import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.datasets.task import Clip, Item
from recue.evaluation import controls
from recue.evaluation.metrics import THRESHOLDS, tiou_matrix
from recue.localize.trivial import Chance, valid_steps


def item(location: tuple[int, int], *truths: tuple[int, int]) -> Item:
    return Item(Clip("v", *truths[0], "a"), location, truths[1:])


def test_the_fitted_window_is_the_best_of_all_by_the_plain_way() -> None:
    rng = np.random.default_rng(0)
    times_s = np.cumsum(rng.uniform(0.2, 2.0, size=201))
    items = []
    for _ in range(15):
        bounds = sorted(rng.choice(200, size=6, replace=False).tolist())
        items.append(item((bounds[0], bounds[5]), (bounds[1], bounds[2]), (bounds[3], bounds[4])))
    window = controls.fit_window(items, lambda _: times_s, n_parts=8)

    def reached(start: float, end: float) -> tuple[float, float]:
        tious = []
        for one in items:
            first_s, last_s = times_s[list(one.location)]
            here = first_s + np.array([[start, end]]) * (last_s - first_s)
            tious.append(tiou_matrix(here, times_s[np.array(one.truths)]).max())
        return float(np.mean([np.mean([t > h for h in THRESHOLDS]) for t in tious])), float(np.mean(tious))

    grid = [(a / 8, b / 8) for a, b in itertools.combinations(range(9), 2)]
    assert len(grid) == 36
    best = max(grid, key=lambda w: tuple(round(v, 9) for v in reached(*w)))
    assert (window.start, window.end) == best


def test_ties_go_to_the_earlier_and_shorter_window() -> None:
    # Nothing reaches a threshold of 0.95 or overlaps more with both truths than the first or the last quarter.
    window = controls.fit_window([item((0, 4), (0, 1), (3, 4))], lambda _: np.arange(5.0), n_parts=4)
    assert (window.start, window.end) == (0.0, 0.25)


def test_a_window_needs_something_to_be_fitted_to() -> None:
    with pytest.raises(ConfigError, match="one item or more"):
        controls.fit_window([], lambda _: np.arange(5.0))
    with pytest.raises(ConfigError, match="0 parts"):
        controls.fit_window([item((0, 4), (0, 1))], lambda _: np.arange(5.0), n_parts=0)


@pytest.mark.parametrize("chance", [Chance(), Chance(max_steps=5), Chance(length="query")])
@pytest.mark.parametrize("truths", [[[2.0, 5.0]], [[7.5, 9.0], [1.0, 4.0]], [[1.0, 6.0], [4.0, 9.0]]])
def test_the_closed_form_is_what_counting_gives(chance: Chance, truths: list[list[float]]) -> None:
    times_s, found = np.arange(13.0), np.array(truths)
    steps = valid_steps(12, 3, length=chance.length, max_steps=chance.max_steps)
    counted = controls.counted_rate(times_s, found, (0.5, 0.7), steps)
    exact = controls.expected_rate(times_s, found, (0.5, 0.7), n_query=3, chance=chance)
    assert exact == pytest.approx(counted)
    low = controls.expected_rate(times_s, found, (0.2, 0.7), n_query=3, chance=chance)
    assert low[1] == pytest.approx(counted[1])
    assert low[0] >= exact[0]


def test_deviation_counts_standard_errors() -> None:
    rates = np.full((100, 2), 0.5)
    # The error of a share of 100 fair coins is 0.05, of 4 runs of them 0.025.
    assert controls.deviation((0.6, 0.5), rates, n_runs=1) == pytest.approx(2.0)
    assert controls.deviation((0.5, 0.6), rates, n_runs=4) == pytest.approx(4.0)
    assert controls.deviation((0.0,), np.zeros((3, 1)), n_runs=1) == 0.0
    assert controls.deviation((0.1,), np.zeros((3, 1)), n_runs=1) == np.inf


@pytest.mark.parametrize("seed", range(4))
def test_displaced_is_a_permutation_over_classes(seed: int) -> None:
    labels = list("aaabbbbcc")
    moved = controls.displaced(labels, seed=seed)
    assert sorted(moved) == list(range(9))
    assert all(labels[k] != labels[other] for k, other in enumerate(moved))
    assert moved == controls.displaced(labels, seed=seed)
    assert {tuple(controls.displaced(labels, seed=k)) for k in range(20)} != {tuple(moved)}


def test_displacing_too_many_of_one_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than half"):
        controls.displaced(list("aab"), seed=0)


def test_drawing_elsewhere_needs_no_permutation() -> None:
    labels = list("aaaaab")
    drawn = controls.drawn_elsewhere(labels, seed=0)
    assert drawn[:5] == [5] * 5
    assert drawn[5] < 5
    assert len({controls.drawn_elsewhere(labels, seed=k)[5] for k in range(30)}) == 5
    assert drawn == controls.drawn_elsewhere(labels, seed=0)
    with pytest.raises(ConfigError, match="two or more"):
        controls.drawn_elsewhere(list("aa"), seed=0)
