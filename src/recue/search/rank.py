"""From the segments of all videos to one list: confidence, threshold, cap."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from recue.core.moment import ScoredSegment
from recue.search.calibrate import Null


@dataclass(frozen=True, slots=True)
class Found:
    """A scored segment and the video it lies in.

    Attributes:
        video_id: Id in the gallery.
        position: Of the video in the bank.
        scored: What the localizer said.
    """

    video_id: str
    position: int
    scored: ScoredSegment


def rank(
    found: list[Found], null: Null, *, min_confidence: float, top: int, per_video: int | None
) -> tuple[list[tuple[Found, float]], list[tuple[Found, float]]]:
    """Best first, in two lists: at or above the threshold, and below it; each at most `top` long.

    Ties go to the video that comes first in the bank, then to the earlier start.
    """
    if not found:
        return [], []
    confidences = null.confidence(np.array([one.scored.score for one in found]))
    order = sorted(
        range(len(found)),
        key=lambda i: (-found[i].scored.score, found[i].position, found[i].scored.segment.start_s),
    )
    accepted: list[tuple[Found, float]] = []
    missed: list[tuple[Found, float]] = []
    taken: Counter[str] = Counter()
    for i in order:
        one, confidence = found[i], float(confidences[i])
        if per_video is not None and taken[one.video_id] >= per_video:
            continue
        into = accepted if confidence >= min_confidence else missed
        if len(into) < top:
            into.append((one, confidence))
            taken[one.video_id] += 1
    return accepted, missed
