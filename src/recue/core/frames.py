"""Frame and FrameSampling: what a backbone asks of the decoder, and what it gets."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError

#: Which frames the decoder may leave out. `none` decodes all; `nonref` leaves out the frames no other frame
#: needs; `nonkey` decodes key frames alone. What is left out is replaced by the latest frame before it.
Skip = Literal["none", "nonref", "nonkey"]

#: How a frame is brought to the asked size. `squash` ignores the shape of the picture; `crop` scales the
#: shorter side and takes the middle; `pad` scales the longer side and fills with black.
Fit = Literal["squash", "crop", "pad"]


@dataclass(frozen=True, slots=True)
class FrameSampling:
    """What a backbone asks of the decoder.

    Attributes:
        rate_fps: Frames a second of presentation time, an exact fraction. None: every frame as it comes.
        height: Rows of the delivered frame.
        width: Columns of the delivered frame.
        fit: How a picture of another shape is brought to that size.
        skip: Which frames the decoder may leave out.
        fast_decode: Leave out the codec's in-loop deblocking filter: cheaper, slightly blockier pictures.
    """

    rate_fps: Fraction | None
    height: int
    width: int
    fit: Fit = "crop"
    skip: Skip = "none"
    fast_decode: bool = False

    def __post_init__(self) -> None:
        if self.rate_fps is not None and self.rate_fps <= 0:
            raise ConfigError(f"a sampling rate is above 0 frames a second, got {self.rate_fps}")
        if self.height < 1 or self.width < 1:
            raise ConfigError(f"a frame is at least 1x1, got {self.height}x{self.width}")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One sampled picture.

    Attributes:
        image: uint8 `[height, width, 3]`, RGB, upright (rotation metadata applied).
        due_s: The instant on the sampling grid for which this picture was taken, on the video's clock.
        shown_s: The exact presentation time of the picture, at or before `due_s` (the first picture of a
            stream may lie after it). Equal to `due_s` when every frame was asked for.
        until_s: The end of the grid cell `[due_s, until_s)` that this picture stands for.
    """

    image: NDArray[np.uint8]
    due_s: float
    shown_s: float
    until_s: float
