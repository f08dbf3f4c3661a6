"""Segment: a half-open stretch of one video's own clock, in seconds."""

import math
from dataclasses import dataclass

from recue.core.errors import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """`[start_s, end_s)` in seconds of presentation time on one video's clock.

    A zero-length segment is allowed: it overlaps nothing, itself included.

    >>> Segment(1.0, 3.0).tiou(Segment(2.0, 4.0))
    0.3333333333333333
    >>> Segment(1.0, 3.0).tiou(Segment(3.0, 4.0))
    0.0

    Raises:
        ConfigError: a bound is not finite, or the end lies before the start.
    """

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)):
            raise ConfigError(f"a segment needs finite bounds, got [{self.start_s}, {self.end_s})")
        if self.end_s < self.start_s:
            raise ConfigError(f"a segment ends after it starts, got [{self.start_s}, {self.end_s})")

    @property
    def duration_s(self) -> float:
        """Length in seconds, 0 or more."""
        return self.end_s - self.start_s

    @property
    def middle_s(self) -> float:
        """The instant half-way."""
        return 0.5 * (self.start_s + self.end_s)

    def intersection_s(self, other: "Segment") -> float:
        """Seconds that both cover."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))

    def tiou(self, other: "Segment") -> float:
        """Temporal intersection over union, in [0, 1]; 0 where the union is empty."""
        intersection = self.intersection_s(other)
        union = self.duration_s + other.duration_s - intersection
        return intersection / union if union > 0 else 0.0

    def contains(self, instant_s: float) -> bool:
        """Whether an instant lies inside; the end does not."""
        return self.start_s <= instant_s < self.end_s

    def clipped(self, bounds: "Segment") -> "Segment":
        """The part inside `bounds`; zero-length at the nearer bound where there is none."""
        start_s = min(max(self.start_s, bounds.start_s), bounds.end_s)
        return Segment(start_s, max(start_s, min(self.end_s, bounds.end_s)))

    def shifted(self, offset_s: float) -> "Segment":
        """The same length, `offset_s` later."""
        return Segment(self.start_s + offset_s, self.end_s + offset_s)
