"""The rows that no table goes without: chance, a window that ignores the content, and a query that asks for another.

A localizer that does not beat the first two has found nothing; one that does not fall to them when it is asked for
something else has found what is salient, and not what was asked for.
"""

from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.datasets.task import Item
from recue.evaluation import metrics
from recue.evaluation.chance import expected_hit_rate
from recue.evaluation.metrics import THRESHOLDS
from recue.localize.trivial import Chance, ConstantWindow, valid_steps


def displaced(labels: Sequence[str], *, seed: int) -> list[int]:
    """For each position another one of a *different* label, a permutation.

    Raises:
        ConfigError: one label has more than half of the positions, so there is no such permutation.
    """
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    most = max(counts.values(), default=0)
    if 2 * most > len(labels):
        raise ConfigError("queries can be shuffled over classes only while no class has more than half of them")
    rng = Random(f"shuffle/{seed}")
    order = list(range(len(labels)))
    rng.shuffle(order)
    # Grouped by class and moved on by the largest class, every position meets one of another class.
    classes = sorted(counts)
    rng.shuffle(classes)
    rank = {label: k for k, label in enumerate(classes)}
    order.sort(key=lambda k: rank[labels[k]])
    moved = [0] * len(order)
    for k, position in enumerate(order):
        moved[position] = order[(k + most) % len(order)]
    return moved


def drawn_elsewhere(labels: Sequence[str], *, seed: int) -> list[int]:
    """For each position another one of a different label, drawn by itself: for where no permutation can be.

    Raises:
        ConfigError: there is one label alone.
    """
    if len(set(labels)) < 2:
        raise ConfigError("queries can be shuffled over classes only where there are two or more")
    rng = Random(f"elsewhere/{seed}")
    others = {label: [k for k, other in enumerate(labels) if other != label] for label in set(labels)}
    return [others[label][int(rng.random() * len(others[label]))] for label in labels]


def fit_window(
    items: Sequence[Item],
    times_of: Callable[[str], NDArray[np.float64]],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    n_parts: int = 40,
) -> ConstantWindow:
    """The window that would score best on these items: mAP@1, mean over the thresholds.

    Every start and end on a grid of `n_parts` equal shares is tried. Ties go to the larger mean tIoU, then to the
    earlier start, then to the shorter window.

    Args:
        items: Of the training split, whose videos no question is about.
        times_of: From a video to its step bounds `[steps + 1]` in seconds.
        thresholds: tIoU.
        n_parts: Shares that the location is parted into.

    Raises:
        ConfigError: there is no item, or `n_parts` is below 1.

    Cost: O(items · truths · n_parts²).
    """
    if not items or n_parts < 1:
        raise ConfigError(f"a window is fitted to one item or more on a grid, got {len(items)} and {n_parts} parts")
    first, stop = np.triu_indices(n_parts + 1, k=1)
    windows = np.stack([first, stop], axis=1) / n_parts
    hits, overlap = np.zeros(len(windows)), np.zeros(len(windows))
    for item in items:
        times_s = times_of(item.moment.video)
        start_s, end_s = (float(times_s[bound]) for bound in item.location)
        truths = np.array([[times_s[a], times_s[b]] for a, b in item.truths])
        tiou = metrics.tiou_matrix(windows, (truths - start_s) / (end_s - start_s)).max(axis=1)
        hits += (tiou[:, None] > np.asarray(thresholds)).mean(axis=1)
        overlap += tiou
    # Sums of a few shares: equal ones may differ by rounding.
    best = max(
        range(len(windows)), key=lambda k: (round(float(hits[k]), 9), round(float(overlap[k]), 9), -first[k], -stop[k])
    )
    return ConstantWindow(start=float(windows[best, 0]), end=float(windows[best, 1]))


def expected_rate(
    times_s: Float[np.ndarray, " bound"],
    truths: Float[np.ndarray, "m 2"],
    thresholds: Sequence[float],
    *,
    n_query: int,
    chance: Chance,
) -> Float[np.ndarray, " threshold"]:
    """Probability that the first segment `chance` draws hits a truth above each threshold, exactly.

    By `expected_hit_rate` where that holds (thresholds from 0.5 on, disjoint truths), and by counting every segment
    that may be drawn where it does not.

    Cost: as `expected_hit_rate`; counting costs O(steps · max_steps · truths).
    """
    ordered = truths[np.argsort(truths[:, 0], kind="stable")]
    if min(thresholds) >= 0.5 and (ordered[1:, 0] >= ordered[:-1, 1]).all():
        return expected_hit_rate(
            times_s, ordered, thresholds, n_query=n_query, length=chance.length, max_steps=chance.max_steps
        )
    steps = valid_steps(len(times_s) - 1, n_query, length=chance.length, max_steps=chance.max_steps)
    return counted_rate(times_s, truths, thresholds, steps)


def counted_rate(
    times_s: Float[np.ndarray, " bound"],
    truths: Float[np.ndarray, "m 2"],
    thresholds: Sequence[float],
    steps: NDArray[np.int64],
) -> Float[np.ndarray, " threshold"]:
    """Share of the segments `steps` `[n, 2]` that hit a truth above each threshold."""
    tiou = metrics.tiou_matrix(times_s[steps], truths).max(axis=1, initial=0.0)
    return metrics.share_above(tiou, thresholds)


def deviation(sampled: Sequence[float], rates: Float[np.ndarray, "question threshold"], *, n_runs: int) -> float:
    """By how many standard errors a sampled share lies off its expectation, at the threshold where that is most.

    Args:
        sampled: Share of hits at each threshold, mean over the runs.
        rates: Exact probability of a hit, for each question.
        n_runs: Independent draws of all questions.
    """
    expected = rates.mean(axis=0)
    error = np.sqrt((rates * (1.0 - rates)).sum(axis=0) / n_runs) / len(rates)
    apart = np.abs(np.asarray(sampled) - expected)
    # Where nothing can vary, any difference is one too many.
    return float(np.max(np.where(error > 0, apart / np.maximum(error, 1e-300), np.where(apart > 1e-12, np.inf, 0.0))))
