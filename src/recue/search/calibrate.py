"""From a localizer's score to a confidence that means the same for every query.

A score is compared with the scores that the same query gets where there is no match: in stretches of video whose
directions are mirrored at random (see `Space.mirrored`), and in real stretches of the gallery, most of which hold no
match either. Their *level* differs much between queries. A low level has two reasons, a query that is hard to match by
chance and a query that is like nothing here at all, and only the first makes a match worth more; so the level is mostly
the usual one: what stretches of the gallery itself, of the query's length, have in the middle (`Space.usual_level`).

The best of many alignments follows a Gumbel law whose deviation is a fixed share of its mean, so the number of
stretches as good by chance alone, in a gallery of this size, can be estimated, as sequence search in biology does. A
logistic curve turns the logarithm of that number into a confidence; its constants were chosen on the validation classes
of a benchmark (see `docs/confidence.md`).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.localize.space import STRETCH_STEPS

#: Deviation of the scores without a match over their mean: 0.45 for half of all queries, 0.38 to 0.59 for 90 %.
_DEVIATION = 0.45

#: The same law as mode and scale, for a mean of 1: a Gumbel law's deviation is pi / sqrt(6) scales, and its mean lies
#: Euler's constant times the scale above its mode.
_SCALE = _DEVIATION * math.sqrt(6.0) / math.pi
_MODE = 1.0 - 0.5772156649 * _SCALE

#: Weight of the real stretches' median beside the mirrored ones' mean.
_REAL_WEIGHT = 0.5

#: Weight, in logarithms, of the query's own level beside the usual one.
_OWN_WEIGHT = 0.15

#: A gallery counts as at least this many stretches (about half an hour): in a small one a chance match is no more
#: worth having, and what was found by searching one video must not become surer than by searching all.
_MIN_STRETCHES = 48

#: Fewer videos tell nothing of what is ordinary: most of them may hold a match.
_MIN_VIDEOS = 8

#: A normal law's deviation over its median absolute deviation.
_OF_MEDIAN_DEVIATION = 1.4826

#: Confidence = logistic(SLOPE · (evidence - MIDPOINT)), evidence = -ln(expected number by chance).
SLOPE = 1.0
MIDPOINT = -1.5

#: Below this confidence the answer is "no match", unless the caller says otherwise.
DEFAULT_MIN_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Null:
    """What one query scores at best in a stretch without a match.

    Attributes:
        level: What that score is taken to be on average; 0 if no stretch scores at all.
        n_stretches: Stretches in the gallery.
        zero: The score that counts as none.
    """

    level: float
    n_stretches: float
    zero: float = 0.0

    @classmethod
    def fit(
        cls,
        mirrored: Float[np.ndarray, " mirrored"],
        real: Float[np.ndarray, " real"] | None = None,
        *,
        n_query: int,
        n_steps: int,
        usual_level: float | None = None,
    ) -> "Null":
        """Fit to the best scores in stretches.

        Args:
            mirrored: In stretches that cannot hold a match.
            real: In stretches of the gallery; None to go by the mirrored ones alone.
            n_query: Steps of the query.
            n_steps: Steps of the whole gallery, whichever of its videos are searched.
            usual_level: Of a query of one step; None for a localizer whose scores have none.
        """
        level = float(np.mean(mirrored))
        if real is not None:
            level = (level + _REAL_WEIGHT * float(np.median(real))) / (1.0 + _REAL_WEIGHT)
        if usual_level is not None:
            level = level**_OWN_WEIGHT * (usual_level * n_query**0.5) ** (1.0 - _OWN_WEIGHT)
        return cls(level, max(float(_MIN_STRETCHES), n_steps / STRETCH_STEPS))

    @classmethod
    def fit_any(
        cls, mirrored: Float[np.ndarray, " mirrored"], real: Float[np.ndarray, " real"], *, n_steps: int
    ) -> "Null":
        """Fit to scores on a scale of their own, negative ones included: logarithms, cosines, probabilities.

        Nothing is known of such a law but its place and its width, so both are measured: in mirrored stretches by mean
        and deviation, in the videos by median and median deviation, which stand some matches; the larger one of each
        counts. A network may be sure of anything in one of the two kinds.

        Args:
            mirrored: Best scores in stretches that cannot hold a match.
            real: Best score in each searched video; a few are not looked at.
            n_steps: Steps of the whole gallery.
        """
        places, widths = [0.0], [0.0]
        if len(mirrored):
            places, widths = [float(np.mean(mirrored))], [float(np.std(mirrored))]
        if len(real) >= _MIN_VIDEOS:
            middle = float(np.median(real))
            places.append(middle)
            widths.append(_OF_MEDIAN_DEVIATION * float(np.median(np.abs(real - middle))))
        level = max(*widths, 1e-6) / _DEVIATION
        return cls(level, max(float(_MIN_STRETCHES), n_steps / STRETCH_STEPS), max(places) - level)

    def evidence(self, scores: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """`-ln(number of stretches as good by chance)` of each score; higher is better."""
        relative = (np.asarray(scores, np.float64) - self.zero) / max(self.level, 1e-9)
        evidence: NDArray[np.float64] = (relative - _MODE) / _SCALE - math.log(self.n_stretches)
        return evidence


def confidence_of(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """In [0, 1]; rises with the evidence."""
    exponent = np.clip(-SLOPE * (evidence - MIDPOINT), -700.0, 700.0)
    confidence: NDArray[np.float64] = 1.0 / (1.0 + np.exp(exponent))
    return confidence
