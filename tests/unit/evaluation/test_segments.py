"""Both strictnesses, R@n, mAP@1 and mAP over all instances, against plain loops; and what must hold for any input."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation import metrics
from support.segments import Pairs, made_pairs, plain_average_precision, segment_lists, tiou

STRICTNESS = (True, False)


def hits(overlap: float, threshold: float, strict: bool) -> bool:
    return overlap > threshold if strict else overlap >= threshold


def with_truth(pairs: Pairs) -> Pairs:
    kept = [triple for triple in zip(*pairs, strict=True) if len(triple[2])]
    return tuple(list(column) for column in zip(*kept, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize(("seed", "strict"), list(itertools.product(range(4), STRICTNESS)))
def test_recall_at(seed: int, strict: bool) -> None:
    predictions, _, truths = with_truth(made_pairs(seed, n_pairs=20))
    ns, thresholds = (1, 2, 5), (0.25, 0.5, 1.0)
    got = metrics.recall_at(predictions, truths, n=ns, thresholds=thresholds, strict=strict)
    for (i, n), (j, m) in itertools.product(enumerate(ns), enumerate(thresholds)):
        found = [
            any(hits(tiou(a, b), m, strict) for a in p[:n] for b in t) for p, t in zip(predictions, truths, strict=True)
        ]
        assert got[i, j] == pytest.approx(sum(found) / len(found))
    first = metrics.map_at_1(predictions, truths, thresholds=thresholds, strict=strict)
    np.testing.assert_array_equal(first, got[0])


def test_at_the_threshold_only_the_loose_reading_counts() -> None:
    half, truth = [np.array([[0.0, 1.0]])], [np.array([[0.0, 2.0]])]
    assert metrics.map_at_1(half, truth, thresholds=(0.5,)).tolist() == [0.0]
    assert metrics.map_at_1(half, truth, thresholds=(0.5,), strict=False).tolist() == [1.0]
    assert metrics.match(half[0], truth[0], threshold=0.5, strict=False).tolist() == [True]
    assert metrics.average_precision(half, [np.ones(1)], truth, threshold=0.5, strict=False) == 1.0
    assert metrics.precision_at(np.array([0]), half[0], truth, k=1) == 0.0
    assert metrics.precision_at(np.array([0]), half[0], truth, k=1, strict=False) == 1.0


def test_equal_segments_reach_one_and_are_never_above_it() -> None:
    one = [np.array([[0.0, 2.0]])]
    assert metrics.recall_at(one, one, n=(1,), thresholds=(1.0,)).tolist() == [[0.0]]
    assert metrics.recall_at(one, one, n=(1,), thresholds=(1.0,), strict=False).tolist() == [[1.0]]


def test_touching_and_zero_length_answers_hit_nothing() -> None:
    truth = [np.array([[2.0, 4.0]])] * 3
    answers = [np.array([[0.0, 2.0]]), np.array([[3.0, 3.0]]), np.zeros((0, 2))]
    assert metrics.recall_at(answers, truth, n=(1,), thresholds=(0.0,)).tolist() == [[0.0]]
    assert metrics.recall_at(answers, truth, n=(1,), thresholds=(0.01,), strict=False).tolist() == [[0.0]]


def test_a_tie_is_a_tie_whatever_the_floats_say() -> None:
    step_s = 1 / 3
    predictions, truths = [np.array([[1.0, 1.0 + 8 * step_s]])], [np.array([[1.0, 1.0 + 10 * step_s]])]
    for threshold in (0.8, 0.7 + 0.1, np.arange(0.5, 1.0, 0.1)[3]):
        assert metrics.map_at_1(predictions, truths, thresholds=(threshold,)).tolist() == [0.0]
        assert metrics.map_at_1(predictions, truths, thresholds=(threshold,), strict=False).tolist() == [1.0]


@pytest.mark.parametrize(("threshold", "strict"), [(-0.1, True), (1.5, True), (0.0, False), (1.5, False)])
def test_a_threshold_is_a_share(threshold: float, strict: bool) -> None:
    with pytest.raises(ConfigError, match="threshold"):
        metrics.share_above(np.array([0.5]), (threshold,), strict=strict)


def test_recall_of_a_pair_without_truth_is_refused() -> None:
    one, none = np.array([[0.0, 1.0]]), np.zeros((0, 2))
    with pytest.raises(ShapeError, match="pair 1 has no truth"):
        metrics.recall_at([one, one], [one, none])
    with pytest.raises(ShapeError, match="one pair"):
        metrics.map_at_1([], [])
    with pytest.raises(ConfigError, match="n of 1"):
        metrics.recall_at([one], [one], n=(0,))


@pytest.mark.parametrize(("seed", "strict"), list(itertools.product(range(4), STRICTNESS)))
def test_map_over_all_instances_is_the_mean_over_classes_that_have_a_truth(seed: int, strict: bool) -> None:
    predictions, scores, truths = made_pairs(seed, n_pairs=24)
    labels = [("a", "b", "c", "none")[i % 4] for i in range(24)]
    truths = [t[:0] if label == "none" else t for t, label in zip(truths, labels, strict=True)]
    thresholds = (0.25, 0.5)
    got = metrics.mean_average_precision(predictions, scores, truths, labels, thresholds=thresholds, strict=strict)
    for threshold, value in zip(thresholds, got, strict=True):
        by_class = []
        for label in "abc":
            own = [i for i in range(24) if labels[i] == label]
            pairs = tuple([column[i] for i in own] for column in (predictions, scores, truths))
            by_class.append(plain_average_precision(pairs, threshold, strict=strict))  # type: ignore[arg-type]
        assert value == pytest.approx(sum(by_class) / 3)


def test_map_over_all_instances_needs_a_truth_and_lists_that_fit() -> None:
    one, none, score = np.array([[0.0, 1.0]]), np.zeros((0, 2)), np.ones(1)
    with pytest.raises(ShapeError, match="one class"):
        metrics.mean_average_precision([one], [score], [none], ["a"])
    with pytest.raises(ShapeError, match="2 and 1"):
        metrics.mean_average_precision([one], [score], [one], ["a", "b"])
    with pytest.raises(ShapeError, match="2 and 1"):
        metrics.mean_average_precision([one, one], [score], [one], ["a"])


@given(segment_lists(), segment_lists(), st.floats(-50, 50), st.floats(0.1, 10))
def test_tiou_is_symmetric_bounded_and_knows_no_clock(
    a: NDArray[np.float64], b: NDArray[np.float64], shift: float, scale: float
) -> None:
    got = metrics.tiou_matrix(a, b)
    assert got.shape == (len(a), len(b))
    assert ((got >= 0) & (got <= 1)).all()
    np.testing.assert_array_equal(got, metrics.tiou_matrix(b, a).T)
    np.testing.assert_allclose(metrics.tiou_matrix(a * scale + shift, b * scale + shift), got, atol=2e-9)
    np.testing.assert_array_equal(np.diag(metrics.tiou_matrix(a, a)), (a[:, 1] > a[:, 0]).astype(float))


@given(st.integers(0, 10_000))
def test_recall_grows_with_n_and_falls_with_the_threshold(seed: int) -> None:
    predictions, _, truths = with_truth(made_pairs(seed, n_pairs=15))
    strict = metrics.recall_at(predictions, truths, n=(1, 2, 9), thresholds=(0.2, 0.5, 0.75))
    loose = metrics.recall_at(predictions, truths, n=(1, 2, 9), thresholds=(0.2, 0.5, 0.75), strict=False)
    assert (np.diff(strict, axis=0) >= 0).all()
    assert (np.diff(strict, axis=1) <= 0).all()
    assert (loose >= strict).all()


@given(st.integers(0, 10_000), st.sampled_from((0.2, 0.5)), st.booleans())
def test_average_precision_looks_at_the_order_of_scores_alone(seed: int, threshold: float, strict: bool) -> None:
    predictions, scores, truths = made_pairs(seed)
    if not sum(len(t) for t in truths):
        return
    got = metrics.average_precision(predictions, scores, truths, threshold=threshold, strict=strict)
    stretched = [np.exp(s) - 7 for s in scores]
    assert 0 <= got <= 1
    again = metrics.average_precision(predictions, stretched, truths, threshold=threshold, strict=strict)
    assert again == pytest.approx(got)
    late = [np.append(s, -99.0) for s in scores]
    more = [np.concatenate([p, [[90.0, 91.0]]]) for p in predictions]
    last = metrics.average_precision(more, late, truths, threshold=threshold, strict=strict)
    assert last == pytest.approx(got)
