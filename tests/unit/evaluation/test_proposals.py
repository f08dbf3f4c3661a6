"""AR@AN and AUC against a plain version in exact fractions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation import metrics
from recue.evaluation.proposals import Pooling
from support.segments import segments, tiou

Lists = list[NDArray[np.float64]]
NONE, ONE = np.zeros((0, 2)), np.array([[0.0, 1.0]])


def made_lists(seed: int, *, n_pairs: int = 7, most: int = 30) -> tuple[Lists, Lists]:
    """Proposals of very different number (some none) and one truth a pair or more, some of zero length."""
    rng = np.random.default_rng(seed)
    proposals = [segments(rng, int(rng.integers(0, most + 1))) for _ in range(n_pairs)]
    truths = [segments(rng, int(rng.integers(1, 4))) for _ in range(n_pairs)]
    return proposals, truths


def plain_average_recall(
    proposals: Lists, truths: Lists, *, max_n: int, thresholds: tuple[float, ...], strict: bool, pooling: Pooling
) -> list[float]:
    n_pairs = len(truths)
    lists = [p.copy() for p in proposals]
    if pooling == "share":
        total = sum(len(p) for p in lists)
        ratio = min(Fraction(1), Fraction(max_n * n_pairs, max(total, 1)))
        lists = [p[: int(len(p) * ratio)] for p in lists]
    curve = []
    for number in range(1, max_n + 1):
        recalls = []
        for threshold in thresholds:
            found = n_truths = 0
            for p, t in zip(lists, truths, strict=True):
                share = Fraction(number * n_pairs, max(sum(len(q) for q in lists), 1))
                shown = p[: int(len(p) * share)] if pooling == "share" else p[:number]
                n_truths += len(t)
                for truth in t:
                    overlaps = [tiou(truth, own) for own in shown]
                    found += any(o > threshold if strict else o >= threshold for o in overlaps)
            recalls.append(found / n_truths)
        curve.append(sum(recalls) / len(recalls))
    return curve


@pytest.mark.parametrize(
    ("seed", "max_n", "strict", "pooling"),
    list(itertools.product(range(4), (3, 10, 60), (True, False), ("share", "first"))),
)
def test_average_recall(seed: int, max_n: int, strict: bool, pooling: Pooling) -> None:
    proposals, truths = made_lists(seed)
    options = {"max_n": max_n, "thresholds": (0.5, 0.75), "strict": strict, "pooling": pooling}
    got = metrics.average_recall(proposals, truths, **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(got, plain_average_recall(proposals, truths, **options))  # type: ignore[arg-type]
    assert got.shape == (max_n,)


def test_a_pair_with_many_proposals_gives_more_of_them() -> None:
    truths = [ONE, ONE]
    # 9 and 1 proposals, 5 a pair on average: at AN 1 a fifth of each list, so 1 of the 9 and none of the other.
    proposals = [np.concatenate([ONE + 5, ONE, ONE.repeat(7, axis=0)]), ONE]
    shared = metrics.average_recall(proposals, truths, max_n=5, thresholds=(0.5,))
    assert shared.tolist() == [0.0, 0.5, 0.5, 0.5, 1.0]
    first = metrics.average_recall(proposals, truths, max_n=5, thresholds=(0.5,), pooling="first")
    assert first.tolist() == [0.5, 1.0, 1.0, 1.0, 1.0]


def test_no_proposal_is_lost_to_rounding() -> None:
    # 100 * (29 / 100) is 28.999... in floats.
    proposals = [np.concatenate([np.tile(ONE + 5, (28, 1)), ONE, np.tile(ONE + 5, (71, 1))])]
    recall = metrics.average_recall(proposals, [ONE], thresholds=(0.5,))
    assert recall[27] == 0.0
    assert recall[28] == 1.0


def test_one_proposal_may_recall_two_truths_and_a_tiou_at_the_threshold_counts() -> None:
    truths = [np.array([[0.0, 2.0], [1.0, 2.0]])]
    assert metrics.average_recall([np.array([[0.0, 2.0]])], truths, max_n=1, thresholds=(0.5,)).tolist() == [1.0]
    strict = metrics.average_recall([np.array([[0.0, 2.0]])], truths, max_n=1, thresholds=(0.5,), strict=True)
    assert strict.tolist() == [0.5]


def test_nothing_proposed_recalls_nothing() -> None:
    recall = metrics.average_recall([NONE, NONE], [ONE, ONE])
    assert recall.tolist() == [0.0] * 100
    assert metrics.area_under_recall(recall) == 0.0


def test_the_most_that_a_hundred_proposals_reach() -> None:
    recall = metrics.average_recall([ONE, ONE + 3], [ONE, ONE + 3])
    assert metrics.area_under_recall(recall) == pytest.approx(0.99)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_area_is_the_trapezoids_over_the_last_number(recall: list[float]) -> None:
    trapezoids = sum((a + b) / 2 for a, b in itertools.pairwise(recall))
    assert metrics.area_under_recall(np.array(recall)) == pytest.approx(trapezoids / len(recall))


@given(st.integers(0, 10_000), st.sampled_from(("share", "first")), st.booleans())
def test_recall_never_falls_with_more_proposals(seed: int, pooling: Pooling, strict: bool) -> None:
    proposals, truths = made_lists(seed, n_pairs=4, most=12)
    recall = metrics.average_recall(proposals, truths, max_n=20, pooling=pooling, strict=strict)
    assert (np.diff(recall) >= 0).all()
    assert recall[0] >= 0
    assert recall[-1] <= 1
    assert recall[0] * 0.9 <= metrics.area_under_recall(recall) <= recall[-1]
    every = [max((tiou(t, p) for p in own), default=0.0) for own, ts in zip(proposals, truths, strict=True) for t in ts]
    if pooling == "first":
        assert recall[-1] == pytest.approx(metrics.share_above(np.array(every), strict=strict).mean())


def test_average_recall_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ShapeError, match="one pair"):
        metrics.average_recall([], [])
    with pytest.raises(ShapeError, match="1 and 2"):
        metrics.average_recall([ONE], [ONE, ONE])
    with pytest.raises(ShapeError, match="pair 1 has no truth"):
        metrics.average_recall([ONE, ONE], [ONE, NONE])
    with pytest.raises(ConfigError, match="1 proposal"):
        metrics.average_recall([ONE], [ONE], max_n=0)
    with pytest.raises(ConfigError, match="1 threshold"):
        metrics.average_recall([ONE], [ONE], thresholds=())
    with pytest.raises(ConfigError, match="'share' or 'first'"):
        metrics.average_recall([ONE], [ONE], pooling="all")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="two numbers"):
        metrics.area_under_recall(np.ones(1))
