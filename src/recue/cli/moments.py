"""A search result in the terminal."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recue.cli import output, words
from recue.cli.output import Column
from recue.core import Moment, SearchResult
from recue.core.clock import format_hms
from recue.export.clips import ClipsReport
from recue.export.json_document import to_document


def print_json(result: SearchResult, *, clips: ClipsReport, curve: bool) -> None:
    """The document of `docs/json.md`; curves only where they were asked for."""
    if not curve:
        result = replace(
            result,
            moments=tuple(replace(moment, curve=None) for moment in result.moments),
            near_misses=tuple(replace(moment, curve=None) for moment in result.near_misses),
        )
    output.document(to_document(result, clips={clip.rank: str(clip.path) for clip in clips.saved}))


def print_table(result: SearchResult, *, near_misses_asked: bool) -> None:
    """The moments, or that there are none, and the near misses where they were asked for."""
    if result.moments:
        _table(result.moments)
    else:
        output.result(
            f"No match: nothing in {words.count(result.n_videos, 'video')} ({words.hms(result.searched_s)}) "
            f"reaches a confidence of {result.min_confidence:.2f}."
        )
    if result.near_misses:
        output.result(f"\nNearest misses, below {result.min_confidence:.2f}:")
        _table(result.near_misses)
    elif near_misses_asked:
        output.result("\nNo near misses.")
    elif result.no_match:
        output.note("Add --near-misses to see what comes closest.")


def print_remarks(result: SearchResult, *, clips: ClipsReport, as_json: bool) -> None:
    """What a person should know beside the moments; on stderr."""
    for warning in result.warnings:
        output.warn(warning)
    if not as_json:
        output.note(_summary(result))
    for clip in clips.saved:
        output.note(f"saved: {clip.path}")
    for rank, reason in clips.failed:
        output.warn(f"moment {rank} was not saved: {reason}")


def _summary(result: SearchResult) -> str:
    n_hit = len({moment.video_id for moment in result.moments})
    found = f"{words.count(len(result.moments), 'moment')} in {n_hit} of " if result.moments else ""
    return (
        f"{found}{words.count(result.n_videos, 'video')}; {words.hms(result.searched_s)} searched in "
        f"{result.elapsed_s:.2f} s by {result.localizer} on {result.backbone.partition(':')[0]}"
    )


def _table(moments: Sequence[Moment]) -> None:
    names = _names(moments)
    # A column of its own would leave the names of a narrow terminal ten letters a line.
    in_column = any(moment.is_query for moment in moments) and not sys.stdout.isatty()
    columns = [
        Column("#", "right"),
        Column("video", flexible=True),
        Column("start", "right"),
        Column("end", "right"),
        Column("length", "right"),
        Column("confidence", "right"),
        Column("score", "right"),
    ]
    if in_column:
        columns.append(Column("remark", flexible=True))
    rows = []
    for rank, (moment, name) in enumerate(zip(moments, names, strict=True), 1):
        row = [
            str(rank),
            name,
            format_hms(moment.start_s),
            format_hms(moment.end_s),
            f"{moment.segment.duration_s:.2f} s",
            f"{moment.confidence:.2f}",
            f"{moment.score:.3f}",
        ]
        rows.append([*row, "the query itself" if moment.is_query else ""] if in_column else row)
    output.table(columns, rows)


def _names(moments: Sequence[Moment]) -> list[str]:
    """Whole paths in a pipe; on a terminal names, with folders only where two videos share a name."""
    if not sys.stdout.isatty():
        return [moment.video for moment in moments]
    paths = {Path(moment.video) for moment in moments}
    shared = [path.name for path in paths]
    names = [
        moment.video if shared.count(Path(moment.video).name) > 1 else Path(moment.video).name for moment in moments
    ]
    return [
        f"{name} (the query itself)" if moment.is_query else name for name, moment in zip(names, moments, strict=True)
    ]
