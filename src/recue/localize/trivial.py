"""Localizers that never look at the pictures: what every other one must beat."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence
from recue.core.moment import ScoredSegment
from recue.core.segment import Segment

#: How long a random segment is: any length up to the cap, or as many steps as the query has.
ChanceLength = Literal["any", "query"]


def valid_steps(
    n_reference: int, n_query: int, *, length: ChanceLength = "any", max_steps: int | None = 64
) -> NDArray[np.int64]:
    """Every segment that chance may draw, as step bounds `[segment, 2]` (first, stop), by start, then by end.

    Args:
        n_reference: Steps of the reference.
        n_query: Steps of the query; matters for `length="query"` alone.
        length: `any`: all lengths from one step to the cap; `query`: the query's own number of steps, or the
            whole reference where that is shorter.
        max_steps: The cap; None for no cap. The published protocol has 64 steps of 16 frames.

    >>> valid_steps(3, 1, max_steps=2).tolist()
    [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    >>> valid_steps(3, 2, length="query").tolist()
    [[0, 2], [1, 3]]

    Raises:
        ConfigError: a count or the cap is below 1.

    Cost: O(n_reference · max_steps) time and memory; O(n_reference²) without a cap.
    """
    if n_reference < 1 or n_query < 1 or (max_steps is not None and max_steps < 1):
        raise ConfigError(f"chance needs 1 step or more, got {n_reference}, {n_query} and a cap of {max_steps}")
    if length == "query":
        n = min(n_query, n_reference)
        first = np.arange(n_reference - n + 1)
        return np.stack([first, first + n], axis=1)
    cap = min(max_steps or n_reference, n_reference)
    first, more = np.divmod(np.arange(n_reference * cap), cap)
    stop = first + more + 1
    inside = stop <= n_reference
    return np.stack([first[inside], stop[inside]], axis=1)


@dataclass(frozen=True, slots=True)
class Chance:
    """Segments drawn uniformly among all valid ones, with scores drawn uniformly from [0, 1).

    The draw depends on the seed and on the two sequences alone, so the same call gives the same answer.

    Attributes:
        seed: Another seed, another draw.
        n: Segments to answer with.
        length: See `valid_steps`.
        max_steps: See `valid_steps`.

    Raises:
        ConfigError: `n` is below 1.

    Source: the chance row of the published re-localization tables; its exact expectation is
    `recue.evaluation.chance.expected_hit_rate`.
    """

    seed: int = 0
    n: int = 5
    length: ChanceLength = "any"
    max_steps: int | None = 64

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"chance answers with 1 segment or more, got n={self.n}")

    @property
    def name(self) -> str:
        """Registry name."""
        return "chance"

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        """Draw `n` segments of the reference.

        Raises:
            FingerprintError: the two were made by different things.
        """
        query.require_same_source(reference)
        rng = np.random.default_rng(_seed_of(self.seed, query, reference))
        steps = valid_steps(len(reference), len(query), length=self.length, max_steps=self.max_steps)
        drawn = steps[rng.integers(len(steps), size=self.n)]
        scores = np.sort(rng.random(self.n))[::-1]
        return [
            ScoredSegment(reference.segment(int(first), int(stop)), float(score))
            for (first, stop), score in zip(drawn, scores, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class ConstantWindow:
    """The same stretch of every reference, whatever is in it.

    Attributes:
        start: Where it starts, as a share of the reference.
        end: Where it ends, as a share of the reference.

    Raises:
        ConfigError: not `0 <= start < end <= 1`.
    """

    start: float = 0.2
    end: float = 0.8

    def __post_init__(self) -> None:
        if not 0.0 <= self.start < self.end <= 1.0:
            raise ConfigError(f"a constant window needs 0 <= start < end <= 1, got {self.start} and {self.end}")

    @property
    def name(self) -> str:
        """Registry name."""
        return "constant-window"

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        """Answer with the window, score 1.

        Raises:
            FingerprintError: the two were made by different things.
        """
        query.require_same_source(reference)
        span = reference.span
        window = Segment(
            span.start_s + self.start * span.duration_s, span.start_s + self.end * span.duration_s
        ).clipped(span)
        return [ScoredSegment(window, 1.0)]


def _seed_of(seed: int, query: FeatureSequence, reference: FeatureSequence) -> int:
    digest = hashlib.blake2b(repr(seed).encode(), digest_size=8)
    for sequence in (query, reference):
        digest.update(sequence.values.tobytes())
        digest.update(sequence.times_s.tobytes())
    return int.from_bytes(digest.digest(), "little")
