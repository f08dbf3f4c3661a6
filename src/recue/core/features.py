"""FeatureSequence: the one form in which the content of a video travels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import FingerprintError, ShapeError
from recue.core.segment import Segment


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSequence:
    """Feature vectors of consecutive steps of one video.

    Attributes:
        values: `[time, dim]`, float16 or float32, finite.
        times_s: `[time + 1]`, float64, strictly increasing seconds; step t covers `[times_s[t], times_s[t+1])`.
        backbone: Registry name of what made it, for people.
        fingerprint: Identity of what made it (weights, preprocessing, rate, step), for machines. Sequences of
            different fingerprints are never compared.

    Raises:
        ShapeError: empty, wrong rank, lengths that do not fit, not finite, or times that do not increase.
    """

    values: NDArray[np.floating]
    times_s: NDArray[np.float64]
    backbone: str
    fingerprint: str

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or 0 in self.values.shape:
            raise ShapeError(f"feature values are [time, dim] and not empty, got shape {self.values.shape}")
        if self.times_s.shape != (len(self.values) + 1,):
            raise ShapeError(
                f"{len(self.values)} steps need {len(self.values) + 1} step bounds, got shape {self.times_s.shape}"
            )
        if not np.isfinite(self.values).all():
            raise ShapeError(f"features of '{self.backbone}' hold values that are not finite")
        if not (np.isfinite(self.times_s).all() and (np.diff(self.times_s) > 0).all()):
            raise ShapeError("step bounds must be finite and strictly increasing seconds")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dim(self) -> int:
        """Length of one feature vector."""
        return int(self.values.shape[1])

    @property
    def span(self) -> Segment:
        """From the first step's start to the last step's end."""
        return Segment(float(self.times_s[0]), float(self.times_s[-1]))

    @property
    def mean_step_s(self) -> float:
        """Mean length of a step in seconds."""
        return self.span.duration_s / len(self)

    def segment(self, first: int, stop: int) -> Segment:
        """The seconds covered by steps `first` to `stop - 1`."""
        return Segment(float(self.times_s[first]), float(self.times_s[stop]))

    def between(self, segment: Segment) -> "FeatureSequence":
        """The steps whose middle lies in `segment`; the one nearest step if there is none.

        Raises:
            ShapeError: `segment` does not touch the sequence at all.
        """
        if segment.end_s < self.times_s[0] or segment.start_s > self.times_s[-1]:
            raise ShapeError(
                f"[{segment.start_s:.3f}, {segment.end_s:.3f}) s lies outside the video's "
                f"[{self.times_s[0]:.3f}, {self.times_s[-1]:.3f}) s"
            )
        middle_s = 0.5 * (self.times_s[:-1] + self.times_s[1:])
        first = int(np.searchsorted(middle_s, segment.start_s, side="left"))
        stop = int(np.searchsorted(middle_s, segment.end_s, side="left"))
        if stop <= first:
            first = int(np.abs(middle_s - segment.middle_s).argmin())
            stop = first + 1
        return self.with_steps(first, stop)

    def with_steps(self, first: int, stop: int) -> "FeatureSequence":
        """Steps `first` to `stop - 1`, on the same clock."""
        return FeatureSequence(self.values[first:stop], self.times_s[first : stop + 1], self.backbone, self.fingerprint)

    def require_same_source(self, other: "FeatureSequence") -> None:
        """Refuse to compare with a sequence that something else made.

        Raises:
            FingerprintError: names both sources.
        """
        if self.fingerprint != other.fingerprint:
            raise FingerprintError(
                f"features of '{self.backbone}' ({self.fingerprint}) cannot be compared with features of "
                f"'{other.backbone}' ({other.fingerprint}); make both with the same backbone and settings"
            )
