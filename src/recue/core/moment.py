"""What a search answers with: scored segments, moments, and the whole result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recue.core.segment import Segment

QueryKind = Literal["clip", "range", "image", "features"]


@dataclass(frozen=True, slots=True)
class ScoredSegment:
    """What a localizer answers with: a segment of the reference and how well it matches.

    Attributes:
        segment: On the reference's clock.
        score: Higher is better; comparable only under one query and one localizer.
        query_segment: The stretch of the query that it matches, on the query's clock, where the localizer knows.
    """

    segment: Segment
    score: float
    query_segment: Segment | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What a search looks for.

    Attributes:
        kind: `clip` (a whole file), `range` (a stretch of a file or of a gallery video), `image`, `features`.
        source: The path as given, or the name of the gallery video.
        segment: The stretch that was used, on the source's clock; None for an image.
        video_id: The gallery video it comes from, where it does.
    """

    kind: QueryKind
    source: str
    segment: Segment | None = None
    video_id: str | None = None


@dataclass(frozen=True, slots=True)
class SimilarityCurve:
    """How well each step of one video matches the query, for drawing.

    Attributes:
        times_s: Middle of each step on the video's clock.
        values: Normalised similarity of the best-matching query step; higher is better.
    """

    times_s: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """One found moment.

    Attributes:
        video: Path of the video, as the gallery last saw it.
        video_id: Its id in the gallery.
        segment: Where, on that video's clock.
        score: The localizer's, after ranking; comparable within one search.
        confidence: In [0, 1], means the same for every query: see `docs/confidence.md`.
        query_segment: The stretch of the query that it matches, on the query's clock, where known.
        is_query: The moment is the place the query itself was taken from.
        metadata: The video's own, as given when it was indexed.
        curve: Similarity along the video, only when asked for.
    """

    video: str
    video_id: str
    segment: Segment
    score: float
    confidence: float
    query_segment: Segment | None = None
    is_query: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    curve: SimilarityCurve | None = None

    @property
    def start_s(self) -> float:
        """Start on the video's clock."""
        return self.segment.start_s

    @property
    def end_s(self) -> float:
        """End on the video's clock."""
        return self.segment.end_s


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one search.

    Attributes:
        query: What was looked for.
        moments: Those at or above the threshold, best first. Empty means "not there".
        near_misses: Those below the threshold, best first, only when asked for.
        min_confidence: The threshold that was used.
        n_videos: How many videos were searched.
        searched_s: How many seconds of video were searched.
        elapsed_s: Wall time of the search, the query's features included.
        localizer: Registry name of what found the moments.
        backbone: Name of what made the features.
        warnings: What the user should know: a damaged query, a gallery that is out of date.
    """

    query: Query
    moments: tuple[Moment, ...]
    near_misses: tuple[Moment, ...]
    min_confidence: float
    n_videos: int
    searched_s: float
    elapsed_s: float
    localizer: str
    backbone: str
    warnings: tuple[str, ...] = ()

    @property
    def no_match(self) -> bool:
        """Whether the honest answer is "not there"."""
        return not self.moments
