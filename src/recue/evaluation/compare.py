"""Whether one row is really above another: both on the same questions, under the same draws of the bootstrap.

Intervals of two rows may overlap widely while one is better on nearly every question; their difference tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recue.evaluation.metrics import Interval
from recue.evaluation.results import Answered, Asked, BenchmarkReport, groups_of
from recue.evaluation.scoring import mean_intervals


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much one row is above another on the same questions.

    Attributes:
        value: Difference of mAP@1, mean over the thresholds; positive where the first is better.
        interval: Its 95 % bootstrap interval, both rows under the same draws. Where it excludes 0, the order is
            hardly an accident of the questions.
        at: The same at each threshold.
        at_intervals: Their intervals.
    """

    value: float
    interval: Interval
    at: tuple[float, ...]
    at_intervals: tuple[Interval, ...]


def difference(
    questions: Sequence[Asked],
    first: Sequence[Sequence[Answered]],
    second: Sequence[Sequence[Answered]],
    *,
    thresholds: Sequence[float],
    n_resamples: int = 1000,
    seed: int = 0,
) -> Difference:
    """Paired comparison of two rows' runs over the present questions.

    Raises:
        ShapeError: no question has anything to find.
    """
    present = [k for k, asked in enumerate(questions) if asked.present]

    def hits(runs: Sequence[Sequence[Answered]]) -> NDArray[np.float64]:
        tiou = np.array([[run[k].tiou for k in present] for run in runs])
        at: NDArray[np.float64] = (tiou[:, :, None] > np.asarray(thresholds)).mean(axis=0)
        return np.concatenate([at, at.mean(axis=1, keepdims=True)], axis=1)

    apart = hits(first) - hits(second)
    intervals = mean_intervals(apart, groups_of([questions[k] for k in present]), n_resamples=n_resamples, seed=seed)
    values = apart.mean(axis=0)
    return Difference(float(values[-1]), intervals[-1], tuple(values[:-1].tolist()), tuple(intervals[:-1]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rows and their difference.

    Attributes:
        first: Name of a row.
        second: Name of another.
        difference: Of the first above the second.
    """

    first: str
    second: str
    difference: Difference


def comparisons(report: BenchmarkReport, *, n_resamples: int = 1000) -> tuple[Comparison, ...]:
    """Every localizer against chance, the constant window, and every localizer before it."""
    controls, localizers = report.of_kind("chance", "constant"), report.of_kind("localizer")
    pairs = [(row, other) for k, row in enumerate(localizers) for other in (*controls, *localizers[:k])]
    return tuple(
        Comparison(
            row.name,
            other.name,
            difference(
                report.questions,
                row.runs,
                other.runs,
                thresholds=report.thresholds,
                n_resamples=n_resamples,
                seed=report.seed,
            ),
        )
        for row, other in pairs
    )
