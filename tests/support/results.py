"""Search results made by hand."""

from collections.abc import Sequence
from typing import Any

from recue.core import Moment, Query, SearchResult, Segment

MOMENT = Moment(video="/v/a.mp4", video_id="a9", segment=Segment(1.0, 2.0), score=1.5, confidence=0.9)


def make_result(
    *,
    moments: Sequence[Moment] = (MOMENT,),
    near_misses: Sequence[Moment] = (),
    query: Query | None = None,
    **others: Any,
) -> SearchResult:
    """A result with one moment, but for what is asked to be otherwise."""
    values: dict[str, Any] = {
        "min_confidence": 0.5,
        "n_videos": 2,
        "searched_s": 90.0,
        "elapsed_s": 0.25,
        "localizer": "align",
        "backbone": "i3d",
    }
    return SearchResult(
        query=query or Query("clip", "q.mp4", Segment(0.0, 1.0)),
        moments=tuple(moments),
        near_misses=tuple(near_misses),
        **(values | others),
    )
