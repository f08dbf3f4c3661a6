"""A picture as a moment: a step of a video in which nothing moves."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from recue.core.features import FeatureSequence
from recue.core.frames import Frame
from recue.core.protocols import Backbone


def encode_image(backbone: Backbone, image: NDArray[np.uint8]) -> FeatureSequence:
    """One step `[0, step_s)` of a picture that stands still.

    Args:
        backbone: Any backbone.
        image: uint8 RGB of the size that `backbone.sampling` asks for.

    Raises:
        ShapeError: the picture has another size.
        WeightsError: the weights are not on this machine.
    """
    rate = backbone.sampling.rate_fps or Fraction(1)
    n_frames = max(1, round(rate * Fraction(backbone.step_s)))
    starts_s = [float(index / rate) for index in range(n_frames + 1)]
    frames = [Frame(image, *bounds) for bounds in zip(starts_s, starts_s, starts_s[1:], strict=False)]
    return backbone.encode(frames)
