"""From the segments of all videos to one list: confidence, order, threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recue.core.moment import ScoredSegment
from recue.search.calibrate import Null, confidence_of

#: Videos whose best moments support one another.
_N_SUPPORT = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A scored segment and the video it lies in.

    Attributes:
        video_id: Id in the gallery.
        position: Of the video in the bank.
        scored: What the localizer said.
        is_query: It is the place the query was taken from.
    """

    video_id: str
    position: int
    scored: ScoredSegment
    is_query: bool = False


def rank(
    found: list[Found], null: Null, *, min_confidence: float
) -> tuple[list[tuple[Found, float]], list[tuple[Found, float]]]:
    """Best first, in two lists: at or above the threshold, and below it; how many are shown is not decided here.

    Ties go to the video that comes first in the bank, then to the earlier start.
    """
    if not found:
        return [], []
    confidences = confidence_of(evidence_of(found, null))
    order = sorted(
        range(len(found)),
        key=lambda i: (-found[i].scored.score, found[i].position, found[i].scored.segment.start_s),
    )
    accepted: list[tuple[Found, float]] = []
    missed: list[tuple[Found, float]] = []
    for i in order:
        confidence = float(confidences[i])
        (accepted if confidence >= min_confidence else missed).append((found[i], confidence))
    return accepted, missed


def evidence_of(found: list[Found], null: Null) -> NDArray[np.float64]:
    """The evidence of each moment beside the others that the same query found.

    A moment that stands alone is taken for less: its evidence is its own only by half, the other half is the mean of
    the best moments of several videos. What is in a gallery is mostly there more than once, and a query that finds one
    middling match has mostly found a likeness. Nothing becomes surer by what stands beside it.
    """
    own = null.evidence(np.array([one.scored.score for one in found]))
    return np.minimum(own, 0.5 * (own + _support(found, own)))


def _support(found: list[Found], evidence: NDArray[np.float64]) -> float:
    """Mean evidence of the best moments of the best videos; the query's own place says nothing about others."""
    best: dict[int, float] = {}
    for one, value in zip(found, evidence, strict=True):
        if not one.is_query:
            best[one.position] = max(best.get(one.position, -np.inf), float(value))
    largest = sorted(best.values(), reverse=True)[:_N_SUPPORT]
    return float(np.mean(largest)) if largest else float(evidence.max())
