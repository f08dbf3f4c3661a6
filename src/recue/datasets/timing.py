"""From seconds to steps."""

import numpy as np
from numpy.typing import NDArray

from recue.core.segment import Segment
from recue.datasets.task import Bounds


def steps_within(times_s: NDArray[np.float64], segment: Segment) -> Bounds:
    """The steps whose middle lies in a segment; the one nearest step if there is none.

    >>> steps_within(np.array([0.0, 1.0, 2.0, 3.0]), Segment(0.4, 2.4))
    (0, 2)
    >>> steps_within(np.array([0.0, 1.0, 2.0, 3.0]), Segment(1.1, 1.3))
    (1, 2)
    """
    middle_s = 0.5 * (times_s[:-1] + times_s[1:])
    first, stop = (int(np.searchsorted(middle_s, bound_s, side="left")) for bound_s in (segment.start_s, segment.end_s))
    if stop <= first:
        first = int(np.abs(middle_s - segment.middle_s).argmin())
        stop = first + 1
    return first, stop
