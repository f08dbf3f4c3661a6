"""A search result as one self-contained HTML page: strips, scores, curves."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from recue import __version__
from recue.core.clock import format_hms
from recue.core.moment import Moment, Query, SearchResult
from recue.core.segment import Segment
from recue.export.curve import Scale, curve_svg
from recue.export.pages import page_environment, save_page
from recue.export.strips import Strip, still_of, strip_of


@dataclass(frozen=True, slots=True)
class _Card:
    """What the template shows of one moment."""

    rank: int
    name: str
    path: str
    link: str
    start: str
    end: str
    length: str
    confidence: str
    percent: float
    score: str
    is_query: bool
    matches: str
    metadata: tuple[tuple[str, str], ...]
    strip: Strip
    curve: Markup | None
    curve_start: str
    curve_end: str


def write_report(
    result: SearchResult,
    path: str | os.PathLike[str],
    *,
    query_path: str | os.PathLike[str] | None = None,
    spans: Mapping[str, Segment] | None = None,
    title: str | None = None,
) -> Path:
    """Write the page. It needs no other file and no network; the folder it goes to is made where absent.

    A video that is gone or damaged gets a card without pictures that says so. Moments without a `curve` get none:
    search with `curve=True` for a full page.

    Args:
        result: What was found.
        path: The page; an existing one is replaced, whole or not at all.
        query_path: Where the query's pictures come from; default: `result.query.source`.
        spans: Start and end of each video's clock by video id, for the curves' horizontal axis; default: the
            curve's own.
        title: Headline; default: how many moments there are and of what.

    Returns:
        The absolute path of the page.

    Raises:
        ConfigError: the page cannot be written there.

    Cost: 8 seeks a moment; about 40 kB a moment.
    """
    text = render_report(result, query_path=query_path, spans=spans, title=title)
    return save_page(text, path, what="the report")


def render_report(
    result: SearchResult,
    *,
    query_path: str | os.PathLike[str] | None = None,
    spans: Mapping[str, Segment] | None = None,
    title: str | None = None,
) -> str:
    """The page as text; arguments as `write_report`."""
    query = result.query
    shown = (*result.moments, *result.near_misses)
    scale = Scale.of(moment.curve for moment in shown if moment.curve is not None)
    makers = _Cards(result.moments, spans=spans or {}, scale=scale)
    source = Path(query_path if query_path is not None else query.source)
    name = Path(query.source).name
    return (
        page_environment()
        .get_template("report.html.jinja")
        .render(
            title=title or _headline(result, name),
            result=result,
            query=query,
            query_name=name,
            query_times=_times(query.segment) if query.segment else "",
            query_strip=_query_strip(query, source),
            moments=makers.of(result.moments),
            near_misses=makers.of(result.near_misses),
            has_curves=any(moment.curve is not None for moment in shown),
            searched=_hms(result.searched_s),
            version=__version__,
            made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        )
    )


def _query_strip(query: Query, source: Path) -> Strip | None:
    if query.kind == "image":
        return still_of(source, query.segment.start_s if query.segment else None)
    return strip_of(source, query.segment) if query.kind != "features" and query.segment else None


class _Cards:
    """Makes cards; moments of one video share what they share."""

    def __init__(self, found: Sequence[Moment], *, spans: Mapping[str, Segment], scale: Scale) -> None:
        self._found = found
        self._spans = spans
        self._scale = scale

    def of(self, moments: Iterable[Moment]) -> list[_Card]:
        return [self._card(rank, moment) for rank, moment in enumerate(moments, 1)]

    def _card(self, rank: int, moment: Moment) -> _Card:
        bounds = self._bounds(moment)
        matched = moment.query_segment
        return _Card(
            rank=rank,
            name=Path(moment.video).name,
            path=moment.video,
            link=_link(moment),
            start=format_hms(moment.start_s),
            end=format_hms(moment.end_s),
            length=f"{moment.segment.duration_s:.2f} s",
            confidence=f"{moment.confidence:.2f}",
            percent=round(100 * min(max(moment.confidence, 0.0), 1.0), 1),
            score=f"{moment.score:.3f}",
            is_query=moment.is_query,
            matches=_times(matched) if matched else "",
            metadata=tuple((str(key), str(value)) for key, value in moment.metadata.items()),
            strip=strip_of(moment.video, moment.segment),
            curve=self._curve(moment, bounds),
            curve_start=_hms(bounds.start_s),
            curve_end=_hms(bounds.end_s),
        )

    def _curve(self, moment: Moment, bounds: Segment) -> Markup | None:
        if moment.curve is None or not moment.curve.values:
            return None
        others = [
            other.segment
            for other in self._found
            if other.video_id == moment.video_id and other.segment != moment.segment
        ]
        label = f"Similarity along {Path(moment.video).name}; the moment is {_times(moment.segment)}"
        return curve_svg(
            moment.curve, bounds=bounds, scale=self._scale, found=moment.segment, others=others, label=label
        )

    def _bounds(self, moment: Moment) -> Segment:
        if moment.video_id in self._spans:
            return self._spans[moment.video_id]
        times = moment.curve.times_s if moment.curve is not None else ()
        return Segment(
            min([0.0, moment.start_s, *times[:1]]),
            max([moment.end_s, *times[-1:]]),
        )


def _headline(result: SearchResult, name: str) -> str:
    count = len(result.moments)
    if count == 0:
        return f"No moment like {name}"
    return f"{count} moment{'s' if count > 1 else ''} like {name}"


def _hms(seconds: float) -> str:
    """Whole seconds, where more says nothing."""
    return format_hms(float(round(seconds))).partition(".")[0]


def _times(segment: Segment) -> str:
    return f"{format_hms(segment.start_s)} – {format_hms(segment.end_s)}"


def _link(moment: Moment) -> str:
    """Opens the video at the moment, where the page is read on the machine that holds it."""
    return f"{Path(moment.video).absolute().as_uri()}#t={moment.start_s:.3f},{moment.end_s:.3f}"
