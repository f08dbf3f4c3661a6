"""HR@K, mAP@K and Prec@K against plain loops, and against torchmetrics where it has the metric."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation import metrics
from recue.evaluation.retrieval import Denominator
from support.segments import made_pairs, segments, tiou

Made = tuple[NDArray[np.float64], NDArray[np.bool_]]
KS = (1, 2, 5, 10, 50)
DENOMINATORS: tuple[Denominator, ...] = ("found", "possible", "all")


def made_gallery(seed: int, *, n_queries: int = 15, n_references: int = 12, ties: bool = True) -> Made:
    """Scores (coarse: ties, some negative) and relevance with one relevant reference a query or more."""
    rng = np.random.default_rng(seed)
    shape = (n_queries, n_references)
    scores = rng.integers(-3, 4, shape) / 2.0 if ties else rng.standard_normal(shape)
    relevant = rng.random(shape) < rng.uniform(0.05, 0.6)
    relevant[np.arange(n_queries), rng.integers(0, n_references, n_queries)] = True
    return scores, relevant


def plain_order(scores: NDArray[np.float64], relevant: NDArray[np.bool_]) -> list[bool]:
    """One query's references, best first; of those with one score the irrelevant first."""
    return [r for _, r in sorted(zip((-scores).tolist(), relevant.tolist(), strict=True))]


def plain_average_precision(order: list[bool], k: int, denominator: Denominator) -> float:
    total, found = 0.0, 0
    for rank, is_relevant in enumerate(order[:k], start=1):
        if is_relevant:
            found += 1
            total += found / rank
    by = {"found": found, "possible": min(k, sum(order)), "all": sum(order)}[denominator]
    return total / by if by else 0.0


@pytest.mark.parametrize("seed", range(6))
def test_hit_rate(seed: int) -> None:
    scores, relevant = made_gallery(seed)
    orders = [plain_order(s, r) for s, r in zip(scores, relevant, strict=True)]
    expected = [sum(any(order[:k]) for order in orders) / len(orders) for k in KS]
    np.testing.assert_allclose(metrics.hit_rate(metrics.ranked_relevance(scores, relevant), k=KS), expected)


@pytest.mark.parametrize(("seed", "denominator"), list(itertools.product(range(6), DENOMINATORS)))
def test_map_at(seed: int, denominator: Denominator) -> None:
    scores, relevant = made_gallery(seed)
    orders = [plain_order(s, r) for s, r in zip(scores, relevant, strict=True)]
    expected = [np.mean([plain_average_precision(order, k, denominator) for order in orders]) for k in KS]
    got = metrics.map_at(metrics.ranked_relevance(scores, relevant), k=KS, denominator=denominator)
    np.testing.assert_allclose(got, expected)


def test_a_score_that_tells_nothing_apart_finds_the_relevant_last() -> None:
    relevant = np.array([[True, False, False, False]])
    ranked = metrics.ranked_relevance(np.zeros((1, 4)), relevant)
    assert metrics.hit_rate(ranked, k=(3, 4)).tolist() == [0.0, 1.0]


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_order_of_the_gallery_does_not_matter(seed: int, other: int) -> None:
    scores, relevant = made_gallery(seed)
    moved = np.random.default_rng(other).permutation(scores.shape[1])
    ranked = metrics.ranked_relevance(scores, relevant)
    np.testing.assert_array_equal(ranked, metrics.ranked_relevance(scores[:, moved], relevant[:, moved]))
    stretched = metrics.ranked_relevance(3 * scores - 100, relevant)
    np.testing.assert_array_equal(ranked, stretched)


@given(st.integers(0, 10_000))
def test_what_must_hold_for_every_ranking(seed: int) -> None:
    ranked = metrics.ranked_relevance(*made_gallery(seed))
    rates = metrics.hit_rate(ranked, k=KS)
    assert (np.diff(rates) >= 0).all()
    assert rates[-1] == 1.0
    found, possible, every = (metrics.map_at(ranked, k=KS, denominator=d) for d in DENOMINATORS)
    assert found[0] == possible[0] == pytest.approx(rates[0])
    assert (found >= possible - 1e-12).all()
    assert (possible >= every - 1e-12).all()
    assert (found <= rates + 1e-12).all()
    assert (np.diff(every) >= -1e-12).all()
    assert found[-1] == pytest.approx(every[-1])
    best = np.sort(ranked, axis=1)[:, ::-1]
    assert metrics.map_at(best, k=KS, denominator="possible").tolist() == pytest.approx([1.0] * len(KS))


def test_retrieval_refuses_what_makes_no_sense() -> None:
    scores, relevant = made_gallery(0)
    with pytest.raises(ShapeError, match="query, reference"):
        metrics.ranked_relevance(scores[:, :3], relevant)
    with pytest.raises(ShapeError, match="query, reference"):
        metrics.ranked_relevance(scores[:0], relevant[:0])
    with pytest.raises(ShapeError, match="not a number"):
        metrics.ranked_relevance(np.full_like(scores, np.nan), relevant)
    without = relevant.copy()
    without[3] = False
    with pytest.raises(ShapeError, match="query 3 has nothing relevant"):
        metrics.ranked_relevance(scores, without)
    with pytest.raises(ShapeError, match="query 3 has nothing relevant"):
        metrics.hit_rate(without)
    with pytest.raises(ConfigError, match="k of 1"):
        metrics.map_at(relevant, k=(0,))
    with pytest.raises(ConfigError, match="'found', 'possible' or 'all'"):
        metrics.map_at(relevant, denominator="some")  # type: ignore[arg-type]


@pytest.mark.parametrize(("seed", "k", "strict"), list(itertools.product(range(4), (1, 3, 10), (True, False))))
def test_precision_of_moments_that_may_repeat(seed: int, k: int, strict: bool) -> None:
    rng = np.random.default_rng(seed)
    _, _, truths = made_pairs(seed, n_pairs=4)
    videos, found = rng.integers(0, 4, 8), segments(rng, 8)
    n_hits = 0
    for video, p in list(zip(videos.tolist(), found, strict=True))[:k]:
        best = max((tiou(p, t) for t in truths[video]), default=0.0)
        n_hits += best > 0.5 if strict else best >= 0.5
    assert metrics.precision_at(videos, found, truths, k=k, strict=strict, once=False) == pytest.approx(n_hits / k)
    assert metrics.precision_at(videos, found, truths, k=k, strict=strict) <= n_hits / k


def test_a_moment_over_two_instances_is_one_right_moment() -> None:
    truths = [np.array([[0.0, 2.0], [2.0, 4.0]])]
    moments = np.array([[0.0, 4.0], [8.0, 9.0]])
    assert metrics.precision_at(np.zeros(2, int), moments, truths, k=2, threshold=0.4, once=False) == 0.5


@pytest.fixture(scope="module")
def torchmetrics_retrieval():  # type: ignore[no-untyped-def]
    pytest.importorskip("torchmetrics")
    import torchmetrics.functional.retrieval as functional

    return functional


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_torchmetrics(seed: int, torchmetrics_retrieval) -> None:  # type: ignore[no-untyped-def]
    import torch

    scores, relevant = made_gallery(seed, ties=False)
    # torchmetrics takes a score of 0 or less for "not retrieved"; the order is all that counts.
    positive = torch.from_numpy(np.exp(scores))
    target = torch.from_numpy(relevant)
    ranked = metrics.ranked_relevance(scores, relevant)
    ks = (1, 2, 5, 10, 12)

    def mean(function) -> list[float]:  # type: ignore[no-untyped-def]
        return [
            float(np.mean([float(function(p, t, top_k=k)) for p, t in zip(positive, target, strict=True)])) for k in ks
        ]

    np.testing.assert_allclose(
        metrics.hit_rate(ranked, k=ks), mean(torchmetrics_retrieval.retrieval_hit_rate), atol=1e-6
    )
    np.testing.assert_allclose(
        metrics.map_at(ranked, k=ks), mean(torchmetrics_retrieval.retrieval_average_precision), atol=1e-6
    )


@pytest.mark.parametrize(("seed", "k"), list(itertools.product(range(3), (1, 3, 10))))
def test_precision_agrees_with_torchmetrics(seed: int, k: int, torchmetrics_retrieval) -> None:  # type: ignore[no-untyped-def]
    import torch

    rng = np.random.default_rng(seed)
    _, _, truths = made_pairs(seed, n_pairs=4)
    videos, found = rng.integers(0, 4, 8), segments(rng, 8)
    right = [any(tiou(p, t) > 0.3 for t in truths[v]) for v, p in zip(videos.tolist(), found, strict=True)]
    scores = torch.linspace(1.0, 0.1, len(found))
    expected = torchmetrics_retrieval.retrieval_precision(scores, torch.tensor(right), top_k=k)
    got = metrics.precision_at(videos, found, truths, k=k, threshold=0.3, once=False)
    assert got == pytest.approx(float(expected))
