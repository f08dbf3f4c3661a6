"""What an evaluation answers with: rows of numbers, and every single answer behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.moment import ScoredSegment
from recue.core.protocols import Localizer
from recue.core.segment import Segment
from recue.datasets.task import Clip, Question
from recue.evaluation.metrics import Interval

#: What a row is: a localizer; the same asked for something else; or one that looks at nothing.
RowKind = Literal["localizer", "shuffled", "constant", "chance", "chance-exact"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the split, in seconds of the videos' own clocks.

    Attributes:
        question: As the dataset gives it, in steps.
        query: The stretch of `question.query.video` that is shown.
        location: The stretch of `question.video` that is searched.
        truths: Where the class is, in order; empty where it is absent.
    """

    question: Question
    query: Segment
    location: Segment
    truths: tuple[Segment, ...]

    @property
    def present(self) -> bool:
        """Whether there is anything to find."""
        return bool(self.truths)

    @property
    def label(self) -> str:
        """The query's class."""
        return self.question.query.label

    @property
    def target_s(self) -> float:
        """Mean length of the truths in seconds.

        Raises:
            ConfigError: there is none.
        """
        if not self.truths:
            raise ConfigError(f"the class '{self.label}' is absent from '{self.question.video}', so it has no length")
        return sum(truth.duration_s for truth in self.truths) / len(self.truths)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to one question.

    Attributes:
        query: What was shown: the question's own query, or another one in its place.
        predictions: Best first.
        tiou: The largest tIoU of the first prediction with a truth; 0 where there is no prediction or no truth.
    """

    query: Clip
    predictions: tuple[ScoredSegment, ...]
    tiou: float

    @property
    def score(self) -> float:
        """Of the first prediction; -inf where there is none."""
        return self.predictions[0].score if self.predictions else float("-inf")


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one row reaches. All but the counts are shares in [0, 1], higher is better.

    Over the present questions, but for `map_all`, where absent ones may raise false alarms, and `rejection`. A field
    is None where it cannot be had: the closed form knows `map_at_1` alone, and without absent questions nothing is to
    be refused.

    Attributes:
        n_present: Questions whose reference holds the query's class.
        n_absent: Questions whose reference does not.
        map_at_1: Share of present questions whose first prediction has a tIoU strictly above each threshold.
        map_at_1_mean: Mean over the thresholds.
        map_at_1_intervals: 95 % bootstrap interval of each.
        map_at_1_interval: Of the mean.
        map_all: Average precision of all predictions by score, averaged over classes, at each threshold.
        map_all_mean: Mean over the thresholds.
        recall_1: R@1 at tIoU 0.5.
        recall_5: R@5 at tIoU 0.5.
        mean_tiou: Mean tIoU of the first prediction.
        mean_tiou_interval: Its 95 % bootstrap interval.
        rejection: Share of absent questions refused where 95 % of the present ones are accepted.
    """

    n_present: int
    n_absent: int
    map_at_1: tuple[float, ...]
    map_at_1_mean: float
    map_at_1_intervals: tuple[Interval, ...] | None = None
    map_at_1_interval: Interval | None = None
    map_all: tuple[float, ...] | None = None
    map_all_mean: float | None = None
    recall_1: float | None = None
    recall_5: float | None = None
    mean_tiou: float | None = None
    mean_tiou_interval: Interval | None = None
    rejection: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: Of the localizer, with what was done to it.
        kind: See `RowKind`.
        metrics: Means over the runs.
        runs: What was answered to each question, in the report's order; one run a seed. Empty for the closed form.
        spread: Standard deviation of `map_at_1_mean` over the runs; None for a single one.
        ms: Wall time a question in milliseconds, reading features left out; None where it says nothing.
        localizer: What was asked, as it was asked; None for the closed form.
    """

    name: str
    kind: RowKind
    metrics: Metrics
    runs: tuple[tuple[Answered, ...], ...] = ()
    spread: float | None = None
    ms: float | None = None
    localizer: Localizer | None = field(default=None, repr=False, compare=False)

    def tiou(self) -> NDArray[np.float64]:
        """`[run, question]`."""
        return np.array([[answered.tiou for answered in run] for run in self.runs], np.float64)


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """What every localizer reaches on one split.

    Attributes:
        dataset: Registry name.
        split: `train`, `val` or `test`.
        features: Name of what made the features.
        fingerprint: Of the same.
        thresholds: tIoU.
        seed: Of the questions, the bootstrap and the first draw.
        n_seeds: Draws of chance and of shuffled queries.
        questions: Every question, in the order of every run.
        rows: Those that look at nothing first.
        window: Start and end of the constant window, as shares of the reference.
        chance_deviation: By how many standard errors sampled chance and its closed form differ, at the threshold where
            that is most. Above 4 one of the two is wrong.
        notes: What the reader must know: what was fitted on what, what was left out and why.
    """

    dataset: str
    split: str
    features: str
    fingerprint: str
    thresholds: tuple[float, ...]
    seed: int
    n_seeds: int
    questions: tuple[Asked, ...]
    rows: tuple[Row, ...]
    window: tuple[float, float]
    chance_deviation: float
    notes: tuple[str, ...] = field(default=())

    @property
    def n_present(self) -> int:
        """Questions with something to find."""
        return sum(asked.present for asked in self.questions)

    @property
    def n_absent(self) -> int:
        """Questions with nothing to find."""
        return len(self.questions) - self.n_present

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            ConfigError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise ConfigError(f"the report has no row '{name}'; it has {', '.join(row.name for row in self.rows)}")

    def of_kind(self, *kinds: RowKind) -> tuple[Row, ...]:
        """Rows of some kinds, in order."""
        return tuple(row for row in self.rows if row.kind in kinds)


def groups_of(questions: Sequence[Asked]) -> NDArray[np.int64]:
    """The group of each question: those on one stretch of one video are not independent of each other."""
    references = [(asked.question.video, asked.question.location) for asked in questions]
    order = {reference: k for k, reference in enumerate(sorted(set(references)))}
    return np.array([order[reference] for reference in references], np.int64)
