"""`recue search`: the moments like a clip, a stretch of a video, or an image."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from recue import Library
    from recue.core import SearchResult, Segment


@exits.command
def search(
    query: Annotated[
        str,
        typer.Argument(metavar="QUERY", help="A video file, an image, or a video of the gallery by name or id."),
    ],
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Use the query from here: 12.5, 1:02.5 or 1:02:03.5. Default: its start."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Use the query up to here. Default: its end.")
    ] = None,
    image: Annotated[
        bool,
        typer.Option(
            "--image",
            help="Look for one picture: of a video the one at --from. An image file is taken as one by itself.",
        ),
    ] = False,
    gallery: options.Gallery = None,
    video: Annotated[
        list[str] | None,
        typer.Option("--video", metavar="NAME", help="Search only this video (name or id). May be repeated."),
    ] = None,
    where: options.Where = None,
    top: Annotated[int, typer.Option("--top", "-n", metavar="N", min=1, help="At most this many moments.")] = 10,
    per_video: Annotated[
        int | None, typer.Option("--per-video", metavar="N", min=1, help="At most this many in one video.")
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence",
            metavar="X",
            min=0.0,
            max=1.0,
            help="Leave out what is less sure, 0 to 1. Default: the threshold of docs/confidence.md.",
        ),
    ] = None,
    near_misses: Annotated[
        bool, typer.Option("--near-misses", help="Also show the best of what stays below the threshold.")
    ] = False,
    exclude_self: Annotated[
        bool, typer.Option("--exclude-self", help="Leave out the place that the query itself was taken from.")
    ] = False,
    localizer: Annotated[
        str,
        typer.Option(
            "--localizer",
            metavar="NAME|DIR",
            help="What finds the moments: a name, or a checkpoint directory that `recue train` made.",
            autocompletion=options.complete_localizer,
        ),
    ] = "align",
    save_clips: Annotated[
        Path | None, typer.Option("--save-clips", metavar="DIR", help="Cut every moment into a file of its own.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Write a page with film strips, scores and curves."),
    ] = None,
    json: options.Json = False,
    curve: Annotated[bool, typer.Option("--curve", help="With --json: add the similarity along each video.")] = False,
) -> int:
    """Find every moment like QUERY in a gallery. Exit status: 0 found, 1 not found, 2 and up for errors."""
    import recue
    from recue.core.clock import parse_time

    if curve and not json:
        exits.usage("--curve goes with --json; --report draws the curves anyway")
    library = recue.open(gallery)
    result = library.search(
        query,
        from_s=None if from_ is None else parse_time(from_),
        to_s=None if to is None else parse_time(to),
        image=image,
        videos=tuple(video or ()),
        top=top,
        per_video=per_video,
        min_confidence=min_confidence,
        where=tuple(where or ()),
        localizer=localizer,
        near_misses=near_misses,
        curve=curve or report is not None,
        exclude_self=exclude_self,
    )
    return present(
        result,
        library=library,
        save_clips=save_clips,
        report=report,
        as_json=json,
        near_misses=near_misses,
        curve=curve,
    )


def present(
    result: "SearchResult",
    *,
    library: "Library",
    save_clips: Path | None = None,
    report: Path | None = None,
    as_json: bool = False,
    near_misses: bool = False,
    curve: bool = False,
) -> int:
    """Render a result in every asked form; the exit status."""
    from recue.cli import moments
    from recue.export.clips import ClipsReport
    from recue.export.clips import save_clips as cut_clips

    clips = cut_clips(result, save_clips) if save_clips is not None else ClipsReport((), ())
    if as_json:
        moments.print_json(result, clips=clips, curve=curve)
    else:
        moments.print_table(result, near_misses_asked=near_misses)
    moments.print_remarks(result, clips=clips, as_json=as_json)
    if report is not None:
        from recue.export.report import write_report

        written = write_report(result, report, query_path=_query_path(result, library), spans=_spans(result, library))
        output.note(f"report: {written}")
    if clips.failed:
        return exits.SOME_FAILED
    return exits.NO if result.no_match else exits.OK


def _query_path(result: "SearchResult", library: "Library") -> str | None:
    """Where the query's pictures are, for a query that is a video of the gallery."""
    if result.query.video_id is None or Path(result.query.source).is_file():
        return None
    return library.gallery.get(result.query.video_id).path


def _spans(result: "SearchResult", library: "Library") -> dict[str, "Segment"]:
    from recue.core import Segment

    return {
        video.id: Segment(video.start_s, video.start_s + video.duration_s)
        for video in library.videos()
        if video.id in {moment.video_id for moment in (*result.moments, *result.near_misses)}
    }
