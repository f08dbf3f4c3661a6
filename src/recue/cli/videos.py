"""`recue list` and `recue remove`: what a gallery holds."""

from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from recue.core import VideoRecord


@exits.command
def list_videos(
    gallery: options.Gallery = None,
    where: options.Where = None,
    galleries: Annotated[bool, typer.Option("--galleries", help="List the named galleries instead.")] = False,
    json: options.Json = False,
) -> int:
    """List the videos of a gallery."""
    if galleries:
        return _list_galleries(as_json=json)
    from dataclasses import asdict

    import recue

    videos = recue.open(gallery).videos(where=tuple(where or ()))
    if json:
        output.document({"schema": 1, "videos": [asdict(video) for video in videos]})
    else:
        _table(videos)
    return exits.OK


@exits.command
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Videos by name, id or path.")],
    gallery: options.Gallery = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Take videos out of a gallery. The video files themselves stay."""
    import recue

    library = recue.open(gallery)
    if not yes and output.is_terminal():
        wanted = [library.gallery.find(name) for name in names]
        _table(wanted)
        if not typer.confirm("Take out of the gallery? The files stay.", err=True):
            return exits.NO
    removed = library.remove(names)
    for video in removed:
        output.result(f"removed {video.id}  {video.path}")
    return exits.OK


def _list_galleries(*, as_json: bool) -> int:
    from recue.gallery import list_galleries

    found = list_galleries()
    if as_json:
        entries = [{"name": gallery.name, "path": str(gallery.path)} for gallery in found]
        output.document({"schema": 1, "galleries": entries})
    elif found:
        columns = [output.Column("gallery"), output.Column("directory", flexible=True)]
        output.table(columns, [(gallery.name, str(gallery.path)) for gallery in found])
    else:
        output.note("There is no gallery yet; `recue index FOLDER` makes one.")
    return exits.OK


def _table(videos: "list[VideoRecord]") -> None:
    from recue.cli import words
    from recue.cli.output import Column

    columns = [
        Column("id"),
        Column("name", flexible=True),
        Column("length", "right"),
        Column("picture", "right"),
        Column("size", "right"),
        Column("added"),
        Column("metadata", flexible=True),
    ]
    if any(video.warnings for video in videos):
        columns.append(Column("warnings", flexible=True))
    rows = []
    for video in videos:
        row = [
            video.id,
            video.name,
            words.hms(video.duration_s),
            f"{video.width}×{video.height}" if video.width else "",
            words.size(video.size_bytes),
            video.added_at[:10],
            ", ".join(f"{key}={value}" for key, value in video.metadata.items()),
            "; ".join(video.warnings),
        ]
        rows.append(row[: len(columns)])
    output.table(columns, rows)
    total_s = sum(video.duration_s for video in videos)
    output.note(f"{words.count(len(videos), 'video')}, {words.hms(total_s)}")
