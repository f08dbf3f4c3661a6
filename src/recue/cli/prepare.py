"""`recue prepare`: get the weights, once, after saying what they are."""

from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from recue.models.weights import WeightEntry


@exits.command
def prepare(
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="fast, balanced or accurate. Default: balanced.",
            autocompletion=options.complete_profile,
        ),
    ] = None,
    backbone: options.Backbone = None,
    every: Annotated[bool, typer.Option("--all", help="What every profile needs.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Only say what is needed, and get nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Get them again, even if they are there.")] = False,
) -> int:
    """Get the weights that a profile needs (balanced by default), once.

    Size, licence and source are said first; the sha256 is checked.
    """
    from recue.core.errors import suggest
    from recue.features import PROFILES, weights_needed
    from recue.models import weights

    if sum((profile is not None, backbone is not None, every)) > 1:
        exits.usage("choose one of --profile, --backbone and --all")
    if profile is not None and profile not in PROFILES:
        exits.usage(f"no profile is called '{profile}'; {suggest(profile, PROFILES)}")
    specs = list(PROFILES) if every else [backbone or profile or "balanced"]
    names = tuple(dict.fromkeys(name for spec in specs for name in weights_needed(spec)))
    entries = [weights.entry(name) for name in names]
    _list(entries)
    absent = [entry.name for entry in entries if force or not weights.is_ready(entry.name)]
    if list_only:
        return exits.OK
    if not absent:
        output.note(f"Everything is there, in {weights.cache_dir()}.")
        return exits.OK
    from recue.cli.downloads import DownloadBars

    with DownloadBars() as bars:
        weights.prepare(absent, progress=bars, force=force)
    output.note(f"Ready, in {weights.cache_dir()}.")
    return exits.OK


def _list(entries: "list[WeightEntry]") -> None:
    from recue.cli import words
    from recue.cli.output import Column
    from recue.models import weights

    columns = [
        Column("weights"),
        Column("size", "right"),
        Column("state"),
        Column("licence"),
        Column("what", flexible=True),
        Column("source", flexible=True),
    ]
    output.table(
        columns,
        [
            (
                entry.name,
                words.size(entry.size_bytes),
                "ready" if weights.is_ready(entry.name) else "absent",
                entry.licence,
                entry.title,
                entry.source,
            )
            for entry in entries
        ],
    )
