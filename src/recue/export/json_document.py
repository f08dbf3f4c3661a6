"""The JSON form of a search result: schema 1, described field by field in `docs/json.md`."""

import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from recue import __version__
from recue.core.moment import Moment, Query, SearchResult, SimilarityCurve

#: Raised when a field changes its meaning or goes away; new fields may come without.
SCHEMA = 1

_DECIMALS = 6  # a microsecond: finer than any time base in use


def to_document(result: SearchResult, *, clips: Mapping[int, str] | None = None) -> dict[str, Any]:
    """A search result as plain JSON values.

    Args:
        result: What to write.
        clips: Path of the saved clip by rank, for the moments that have one.

    Returns:
        A dictionary that `dumps` accepts; key order is the order of the documentation. Numbers are finite: a
        similarity that is not a number becomes null.
    """
    saved = clips or {}
    return {
        "schema": SCHEMA,
        "recue": __version__,
        "query": _query(result.query),
        "no_match": result.no_match,
        "min_confidence": _number(result.min_confidence),
        "n_videos": result.n_videos,
        "searched_s": _number(result.searched_s),
        "elapsed_s": _number(result.elapsed_s),
        "localizer": result.localizer,
        "backbone": result.backbone,
        "warnings": list(result.warnings),
        "moments": [_moment(rank, moment, saved.get(rank)) for rank, moment in enumerate(result.moments, 1)],
        "near_misses": [_moment(rank, moment, None) for rank, moment in enumerate(result.near_misses, 1)],
    }


def dumps(document: Mapping[str, Any]) -> str:
    """The document as text: two-space indent, UTF-8 letters as they are, strict JSON."""
    # A path may hold bytes that are no UTF-8 (surrogates): escaped, so that the text can always be printed.
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") if _has_surrogate(text) else text


def _query(query: Query) -> dict[str, Any]:
    return {
        "kind": query.kind,
        "source": query.source,
        "start_s": _number(query.segment.start_s) if query.segment else None,
        "end_s": _number(query.segment.end_s) if query.segment else None,
        "video_id": query.video_id,
    }


def _moment(rank: int, moment: Moment, clip: str | None) -> dict[str, Any]:
    part = moment.query_segment
    entry: dict[str, Any] = {
        "rank": rank,
        "video": moment.video,
        "name": PurePath(moment.video).name,
        "video_id": moment.video_id,
        "start_s": _number(moment.start_s),
        "end_s": _number(moment.end_s),
        "duration_s": _number(moment.segment.duration_s),
        "score": _number(moment.score),
        "confidence": _number(moment.confidence),
        "query_start_s": _number(part.start_s) if part else None,
        "query_end_s": _number(part.end_s) if part else None,
        "is_query": moment.is_query,
        "metadata": dict(moment.metadata),
    }
    if clip is not None:
        entry["clip"] = clip
    if moment.curve is not None:
        entry["curve"] = _curve(moment.curve)
    return entry


def _curve(curve: SimilarityCurve) -> dict[str, Any]:
    return {"times_s": [_number(t) for t in curve.times_s], "values": [_number(v) for v in curve.values]}


def _number(value: float) -> float | None:
    return round(float(value), _DECIMALS) if math.isfinite(value) else None


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)
