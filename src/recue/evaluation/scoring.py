"""From answers to numbers: every metric of one row, with intervals over references."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.core.segment import Segment
from recue.evaluation import metrics
from recue.evaluation.metrics import Interval
from recue.evaluation.results import Answered, Asked, Metrics, groups_of

_RECALL_TIOU = 0.5


def bounds_of(segments: Sequence[Segment]) -> Float[np.ndarray, "n 2"]:
    """Start and end of each, as the metrics take them."""
    return np.array([[s.start_s, s.end_s] for s in segments], np.float64).reshape(-1, 2)


def score(
    questions: Sequence[Asked],
    runs: Sequence[Sequence[Answered]],
    *,
    thresholds: Sequence[float],
    acceptance: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Metrics:
    """Every metric of one row: the mean over its runs, its intervals by bootstrap over references.

    Args:
        questions: All of the split.
        runs: An answer to each question, once a seed.
        thresholds: tIoU, each in (0, 1).
        acceptance: Share of present questions to accept, for the rejection.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ConfigError: no question has anything to find, or there is no run.
        ShapeError: a run does not answer every question.
    """
    present = [k for k, asked in enumerate(questions) if asked.present]
    absent = [k for k, asked in enumerate(questions) if not asked.present]
    if not present or not runs:
        raise ConfigError(
            f"an evaluation needs a run and a question whose reference holds the query's class, got {len(runs)} runs "
            f"and {len(present)} such questions of {len(questions)}"
        )
    for run in runs:
        if len(run) != len(questions):
            raise ShapeError(f"{len(questions)} questions need as many answers, got {len(run)}")
    truths = [bounds_of(asked.truths) for asked in questions]
    # [question, column]: hits at each threshold, their mean, R@1, R@5, tIoU; means over the runs.
    columns = np.mean([_columns(run, truths, present, thresholds) for run in runs], axis=0)
    means = columns.mean(axis=0)
    intervals = mean_intervals(columns, groups_of([questions[k] for k in present]), n_resamples=n_resamples, seed=seed)
    labels = [asked.label for asked in questions]
    n = len(thresholds)
    precision = np.mean([_precision(run, labels, truths, thresholds) for run in runs], axis=0)
    refused = [
        metrics.rejection(
            np.array([run[k].score for k in present]),
            np.array([run[k].score for k in absent]),
            acceptance=acceptance,
        ).rejected
        for run in runs
        if absent
    ]
    return Metrics(
        n_present=len(present),
        n_absent=len(absent),
        map_at_1=tuple(means[:n].tolist()),
        map_at_1_mean=float(means[n]),
        map_at_1_intervals=tuple(intervals[:n]),
        map_at_1_interval=intervals[n],
        map_all=tuple(precision.tolist()),
        map_all_mean=float(precision.mean()),
        recall_1=float(means[n + 1]),
        recall_5=float(means[n + 2]),
        mean_tiou=float(means[n + 3]),
        mean_tiou_interval=intervals[n + 3],
        rejection=float(np.mean(refused)) if refused else None,
    )


def mean_intervals(
    values: Float[np.ndarray, "item column"],
    groups: Int[np.ndarray, " item"],
    *,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> list[Interval]:
    """`metrics.bootstrap_interval` of the mean of each column, all columns under the same draws, many times faster.

    Raises:
        ShapeError: there is no item.
        ConfigError: `level` is not in (0, 1), or `n_resamples` is below 1.

    Cost: O(n_resamples · groups) memory.
    """
    drawn = drawn_means(values, groups, n_resamples=n_resamples, seed=seed)
    if not 0.0 < level < 1.0:
        raise ConfigError(f"a bootstrap needs a level in (0, 1), got {level}")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [Interval(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def drawn_means(
    values: Float[np.ndarray, "item column"], groups: Int[np.ndarray, " item"], *, n_resamples: int, seed: int
) -> Float[np.ndarray, "resample column"]:
    """The mean of each column in each draw of whole groups with replacement.

    Raises:
        ShapeError: there is no item.
        ConfigError: `n_resamples` is below 1.
    """
    if len(values) == 0 or n_resamples < 1:
        what = (ShapeError, "one item or more, got none") if n_resamples >= 1 else (ConfigError, "1 draw or more")
        raise what[0](f"a bootstrap needs {what[1]}")
    _, own = np.unique(groups, return_inverse=True)
    n_groups = int(own.max()) + 1
    sums = np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, own, values)
    sizes = np.bincount(own, minlength=n_groups)
    draws = np.random.default_rng(seed).integers(n_groups, size=(n_resamples, n_groups))
    counts = np.stack([np.bincount(draw, minlength=n_groups) for draw in draws]).astype(np.float64)
    means: NDArray[np.float64] = (counts @ sums) / (counts @ sizes)[:, None]
    return means


def _columns(
    run: Sequence[Answered],
    truths: Sequence[NDArray[np.float64]],
    present: Sequence[int],
    thresholds: Sequence[float],
) -> NDArray[np.float64]:
    tiou = np.array([run[k].tiou for k in present])
    first_five = [bounds_of([p.segment for p in run[k].predictions[:5]]) for k in present]
    of_five = metrics.top_tiou(first_five, [truths[k] for k in present], n=5)
    hits = (tiou[:, None] > np.asarray(thresholds)[None, :]).astype(np.float64)
    return np.column_stack([hits, hits.mean(axis=1), tiou > _RECALL_TIOU, of_five > _RECALL_TIOU, tiou])


def _precision(
    run: Sequence[Answered],
    labels: Sequence[str],
    truths: Sequence[NDArray[np.float64]],
    thresholds: Sequence[float],
) -> NDArray[np.float64]:
    predictions = [bounds_of([p.segment for p in answered.predictions]) for answered in run]
    scores = [np.array([p.score for p in answered.predictions], np.float64) for answered in run]
    return metrics.mean_average_precision(predictions, scores, truths, labels, thresholds=thresholds)
