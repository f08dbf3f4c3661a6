"""`recue index`: put videos into a gallery."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from recue.search.report import IngestReport


@exits.command
def index(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Video files, and folders to be walked to the bottom. May be left out with --rebuild.",
        ),
    ] = None,
    gallery: options.Gallery = None,
    profile: options.Profile = None,
    backbone: options.Backbone = None,
    meta: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="KEY=VALUE", help="Metadata of all these videos. May be repeated."),
    ] = None,
    meta_file: Annotated[
        Path | None,
        typer.Option("--meta-file", metavar="FILE", help="Metadata of each video, from a JSON or CSV file."),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the gallery anew, with the asked profile or backbone.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out videos of these folders whose files are gone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Videos at a time. Default: by the cores.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="Threads of a worker. Default: by the cores."),
    ] = None,
    json: options.Json = False,
) -> int:
    """Put videos into a gallery. What is there already is skipped; a bad file does not stop the rest.

    Exit status: 0 all are in, 7 some files failed (the others are in), 130 stopped by Ctrl-C (what was finished is
    kept; the same command goes on).
    """
    import recue
    from recue.cli import progress
    from recue.search.report import IngestInterrupted

    if not paths and not rebuild:
        exits.usage("name video files, or folders that hold some: recue index FOLDER")
    metadata = _metadata(meta or [], meta_file)
    library = recue.open(gallery)
    if dry_run:
        plan = library.plan(paths or [], profile=profile, backbone=backbone, rebuild=rebuild)
        progress.print_plan(plan, to_stdout=True)
        return exits.OK
    try:
        with progress.IngestProgress() as shown:
            report = library.index(
                paths or [],
                profile=profile,
                backbone=backbone,
                metadata=metadata,
                rebuild=rebuild,
                prune=prune,
                workers=workers,
                threads=threads,
                progress=shown,
            )
    except IngestInterrupted as stop:
        present(stop.report, as_json=json)
        output.note("Interrupted. What was finished is kept; run the same command to go on.")
        return exits.INTERRUPTED
    present(report, as_json=json)
    return exits.SOME_FAILED if report.failed else exits.OK


def present(report: "IngestReport", *, as_json: bool) -> None:
    """Say what an ingest did."""
    from recue.cli import words

    if as_json:
        output.document(_document(report))
        return
    n_indexed = len(report.added) + len(report.replaced)
    done = f"Indexed {words.count(n_indexed, 'video')}"
    if n_indexed:
        done += (
            f", {words.hms(report.indexed_s)} of film in {words.about(report.elapsed_s)} "
            f"({report.times_real_time:.1f} × real time)"
        )
    parts = [
        f"{len(group)} {what}"
        for group, what in (
            (report.unchanged, "unchanged"),
            (report.moved, "moved"),
            (report.replaced, "replaced"),
            (report.duplicates, "with the same content as another"),
            (report.removed, "pruned"),
            (report.failed, "failed"),
        )
        if group
    ]
    output.result(f"{done}{'; ' if parts else ''}{', '.join(parts)}.")
    for failure in report.failed:
        output.warn(words.trouble(failure.path, failure.reason))
    gone = [path for path in report.missing if path not in report.removed]
    if gone:
        output.note(f"{words.count(len(gone), 'video')} of the gallery whose file is gone: --prune takes them out.")


def _document(report: "IngestReport") -> "dict[str, Any]":
    from dataclasses import asdict

    values = asdict(report)
    values["failed"] = [{"path": failure.path, "reason": failure.reason} for failure in report.failed]
    return {"schema": 1, **values, "times_real_time": report.times_real_time}


def _metadata(pairs: list[str], file: Path | None) -> "Mapping[str, Any] | Callable[[Path], Mapping[str, Any]] | None":
    """One object for all, one that depends on the video, or none. The file wins over the pairs."""
    from recue.search.metadata import read_metadata_file

    common = dict(_pair(text) for text in pairs)
    if file is None:
        return common or None
    look_up = read_metadata_file(file)
    return lambda path: {**common, **look_up(path)}


def _pair(text: str) -> "tuple[str, Any]":
    """`year=2020` is a number, `wet=true` a truth value, `tags=["a"]` a list; anything else is text."""
    import json

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        exits.usage(f"'{text}' is no metadata; write --meta KEY=VALUE")
    try:
        return key.strip(), json.loads(value, parse_constant=str)
    except ValueError:
        return key.strip(), value
