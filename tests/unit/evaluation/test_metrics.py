"""Every metric against a separate plain version, on made-up pairs with ties, negative scores and empty answers."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation import metrics
from support.segments import made_pairs, plain_average_precision, segments, tiou


@pytest.mark.parametrize("seed", range(5))
def test_tiou_matrix_is_segment_tiou(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = segments(rng, 9), segments(rng, 7)
    expected = [[tiou(x, y) for y in b] for x in a]
    np.testing.assert_allclose(metrics.tiou_matrix(a, b), expected)
    assert metrics.tiou_matrix(a[:0], b).shape == (0, 7)


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(4), np.array([[2.0, 1.0]]), np.array([[0.0, np.nan]])])
def test_what_is_no_segment_is_refused(bad: NDArray[np.float64]) -> None:
    with pytest.raises(ShapeError, match="segments"):
        metrics.tiou_matrix(bad, np.array([[0.0, 1.0]]))


@pytest.mark.parametrize(("seed", "n", "m"), list(itertools.product(range(3), (1, 2, 5), (0.3, 0.5, 0.8))))
def test_recall_at_n(seed: int, n: int, m: float) -> None:
    predictions, _, truths = made_pairs(seed)
    got = metrics.share_above(metrics.top_tiou(predictions, truths, n=n), (m,))[0]
    hits = [any(tiou(a, b) > m for a in p[:n] for b in t) for p, t in zip(predictions, truths, strict=True)]
    assert got == pytest.approx(sum(hits) / len(hits))


def test_the_threshold_is_strict_and_no_answer_is_a_miss() -> None:
    exact, none = np.array([[0.0, 1.0]]), np.zeros((0, 2))
    top = metrics.top_tiou([exact, none, exact], [np.array([[0.0, 2.0]]), exact, exact])
    assert top.tolist() == [0.5, 0.0, 1.0]
    assert metrics.share_above(top, (0.5, 0.9, 1.0)).tolist() == pytest.approx([1 / 3, 1 / 3, 0.0])
    with pytest.raises(ShapeError, match="one pair"):
        metrics.share_above(np.zeros(0))
    with pytest.raises(ShapeError, match="1 and 2"):
        metrics.top_tiou([exact], [exact, exact])
    with pytest.raises(ConfigError, match="n of 1"):
        metrics.top_tiou([exact], [exact], n=0)


@pytest.mark.parametrize(("seed", "threshold"), list(itertools.product(range(8), (0.2, 0.5, 0.7))))
def test_average_precision(seed: int, threshold: float) -> None:
    pairs = made_pairs(seed)
    got = metrics.average_precision(*pairs, threshold=threshold)
    assert got == pytest.approx(plain_average_precision(pairs, threshold))


def test_average_precision_by_hand() -> None:
    truths = [np.array([[0.0, 2.0], [4.0, 6.0]]), np.array([[0.0, 1.0]])]
    predictions = [np.array([[0.0, 2.0], [0.0, 2.0]]), np.array([[5.0, 6.0], [0.0, 1.0]])]
    scores = [np.array([0.9, 0.8]), np.array([0.7, 0.6])]
    # hit, duplicate, miss, hit: precision 1 at recall 1/3, 1/2 at recall 2/3, recall 1 never reached.
    assert metrics.average_precision(predictions, scores, truths, threshold=0.5) == pytest.approx(1 / 3 + 1 / 6)


def test_average_precision_does_not_depend_on_the_order_of_pairs_with_ties() -> None:
    predictions, scores, truths = made_pairs(3, n_pairs=20)
    forward = metrics.average_precision(predictions, scores, truths, threshold=0.3)
    back = metrics.average_precision(predictions[::-1], scores[::-1], truths[::-1], threshold=0.3)
    assert forward == pytest.approx(back)


def test_average_precision_of_nothing() -> None:
    none, one = np.zeros((0, 2)), np.array([[0.0, 1.0]])
    assert metrics.average_precision([none], [np.zeros(0)], [one], threshold=0.5) == 0.0
    with pytest.raises(ShapeError, match="one truth"):
        metrics.average_precision([one], [np.ones(1)], [none], threshold=0.5)
    with pytest.raises(ShapeError, match="best first"):
        metrics.average_precision([np.zeros((2, 2))], [np.array([0.1, 0.2])], [one], threshold=0.5)
    with pytest.raises(ShapeError, match="as many scores"):
        metrics.average_precision([one], [np.zeros(2)], [one], threshold=0.5)


def test_a_second_hit_on_one_truth_is_a_miss_and_the_best_free_truth_is_taken() -> None:
    truths = np.array([[0.0, 4.0], [3.0, 7.0]])
    predictions = np.array([[0.0, 4.0], [1.0, 5.0], [3.0, 7.0]])
    assert metrics.match(predictions, truths, threshold=0.3).tolist() == [True, True, False]
    assert metrics.match(predictions[:2], truths[:0], threshold=0.3).tolist() == [False, False]


@pytest.mark.parametrize(("seed", "acceptance"), list(itertools.product(range(6), (0.5, 0.95, 1.0))))
def test_rejection_is_the_best_over_all_thresholds(seed: int, acceptance: float) -> None:
    rng = np.random.default_rng(seed)
    present = rng.integers(-4, 9, 40) / 4.0
    present[:2] = -np.inf
    absent = rng.integers(-8, 5, 25) / 4.0
    got = metrics.rejection(present, absent, acceptance=acceptance)
    tried = [
        (cut, sum(present >= cut) / 40, sum(absent < cut) / 25)
        for cut in {*present.tolist(), *absent.tolist(), -np.inf}
    ]
    best = max(rejected for _, accepted, rejected in tried if accepted >= acceptance)
    assert got.accepted >= acceptance
    assert got.rejected == pytest.approx(best)


def test_rejection_of_constant_scores_refuses_nothing() -> None:
    assert metrics.rejection(np.ones(20), np.ones(20)).rejected == 0.0


def test_rejection_of_twenty_pairs_accepts_nineteen() -> None:
    got = metrics.rejection(np.arange(20.0), np.array([0.5]))
    assert (got.threshold, got.accepted, got.rejected) == (1.0, 0.95, 1.0)


def test_rejection_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ShapeError, match="present and absent"):
        metrics.rejection(np.ones(1), np.ones(0))
    with pytest.raises(ShapeError, match="not a number"):
        metrics.rejection(np.array([np.nan]), np.ones(1))
    with pytest.raises(ConfigError, match="acceptance"):
        metrics.rejection(np.ones(1), np.ones(1), acceptance=0.0)


@pytest.mark.parametrize(("seed", "k"), list(itertools.product(range(4), (1, 3, 10))))
def test_precision_at_k(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    _, _, truths = made_pairs(seed, n_pairs=4)
    videos, found = rng.integers(0, 4, 8), segments(rng, 8)
    free = {(v, j) for v in range(4) for j in range(len(truths[v]))}
    n_hits = 0
    for v, p in list(zip(videos.tolist(), found, strict=True))[:k]:
        here = [(tiou(p, truths[w][j]), (w, j)) for w, j in sorted(free) if w == v]
        best = max(here, key=lambda x: x[0], default=(0.0, None))
        if best[0] > 0.5:
            free.remove(best[1])
            n_hits += 1
    assert metrics.precision_at(videos, found, truths, k=k) == pytest.approx(n_hits / k)


def test_precision_at_k_counts_missing_moments_as_wrong() -> None:
    truth = [np.array([[0.0, 1.0]])]
    assert metrics.precision_at(np.array([0]), truth[0], truth, k=5) == 0.2
    assert metrics.precision_at(np.zeros(0, int), np.zeros((0, 2)), truth, k=1) == 0.0
    with pytest.raises(ConfigError, match="k of 1"):
        metrics.precision_at(np.array([0]), truth[0], truth, k=0)


def test_bootstrap_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(0).random(400)
    got = metrics.bootstrap_interval(lambda i: float(values[i].mean()), np.arange(400))
    half = 1.96 * values.std() / 20
    assert got.low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert got.high == pytest.approx(values.mean() + half, abs=0.2 * half)
    assert got == metrics.bootstrap_interval(lambda i: float(values[i].mean()), np.arange(400))


def test_bootstrap_draws_whole_groups() -> None:
    values = np.repeat(np.random.default_rng(0).random(40), 10)

    def mean(i: NDArray[np.int64]) -> float:
        return float(values[i].mean())

    grouped = metrics.bootstrap_interval(mean, np.repeat(np.arange(40), 10))
    alone = metrics.bootstrap_interval(mean, np.arange(400))
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)


def test_bootstrap_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ShapeError, match="one item"):
        metrics.bootstrap_interval(lambda i: 0.0, np.zeros(0, int))
    with pytest.raises(ConfigError, match="level"):
        metrics.bootstrap_interval(lambda i: 0.0, np.arange(3), level=1.0)
