"""From a localizer's score to a confidence that means the same for every query.

A score is compared with the scores that the same query gets in stretches of video that cannot hold a match (see
`Space.mirrored`). The best of many alignments follows a Gumbel law, so the number of stretches as good by chance
alone in a gallery of this size can be estimated, as sequence search in biology does. The logarithm of that number is
mapped to a confidence by a line and a logistic curve whose two constants were chosen on the validation classes of a
benchmark (see `docs/confidence.md`).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.localize.space import STRETCH_STEPS

#: Mean and median of the standard Gumbel law, and its standard deviation.
_EULER = 0.5772156649
_GUMBEL_DEVIATION = math.pi / math.sqrt(6.0)

#: Confidence = logistic(SLOPE · (evidence - MIDPOINT)), evidence = -ln(expected number by chance).
SLOPE = 0.25
MIDPOINT = 4.0

#: Below this confidence the answer is "no match", unless the caller says otherwise.
DEFAULT_MIN_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Null:
    """The law of one query's best score in a stretch without a match.

    Attributes:
        location: Mode of the Gumbel law.
        scale: Its scale; 0 if the scores do not depend on the content, and then nothing is ever sure.
        n_stretches: Stretches in what is searched.
    """

    location: float
    scale: float
    n_stretches: float

    @classmethod
    def fit(cls, scores: Float[np.ndarray, " stretches"], *, n_steps: int) -> "Null":
        """Fit by moments.

        Args:
            scores: Best score in each stretch without a match; at least two.
            n_steps: Steps in what is searched.
        """
        deviation = float(np.std(scores))
        scale = deviation / _GUMBEL_DEVIATION
        return cls(float(np.mean(scores)) - _EULER * scale, scale, max(1.0, n_steps / STRETCH_STEPS))

    def evidence(self, scores: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """`-ln(number of stretches as good by chance)` of each score; higher is better."""
        given = np.asarray(scores, np.float64)
        if self.scale <= 1e-9:
            return np.full(given.shape, -np.inf)
        evidence: NDArray[np.float64] = (given - self.location) / self.scale - math.log(self.n_stretches)
        return evidence

    def confidence(self, scores: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """In [0, 1]; rises with the score."""
        exponent = np.clip(-SLOPE * (self.evidence(scores) - MIDPOINT), -700.0, 700.0)
        confidence: NDArray[np.float64] = 1.0 / (1.0 + np.exp(exponent))
        return confidence
