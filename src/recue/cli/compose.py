"""`recue compose`: a re-localization benchmark out of labelled clips."""

from pathlib import Path
from typing import Annotated

import typer

from recue.cli import exits, options, output


@exits.command
def compose(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="A folder with one folder of clips a class.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the benchmark goes: a new or empty folder.")],
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same benchmark.")] = 0,
    train: Annotated[int, typer.Option("--train", metavar="N", min=0, help="Videos to train on.")] = 60,
    val: Annotated[int, typer.Option("--val", metavar="N", min=0, help="Videos to choose settings on.")] = 60,
    test: Annotated[int, typer.Option("--test", metavar="N", min=0, help="Videos to report on.")] = 100,
    max_instances: Annotated[
        int, typer.Option("--max-instances", metavar="N", min=0, help="A video holds 0 to this many instances.")
    ] = 3,
    source_pattern: Annotated[
        str | None,
        typer.Option(
            "--source-pattern",
            metavar="REGEX",
            help="What in a file name tells the source it was cut from; query and target never share one.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older benchmark at OUT.")] = False,
    json: options.Json = False,
) -> int:
    """Make a re-localization benchmark: videos that hold 0 to 3 instances of a class, with the truth as JSON.

    Classes are parted into training, validation and test; query and target never come from the same source.
    """
    from recue.cli.downloads import CountBar
    from recue.datasets import ComposeSettings
    from recue.datasets import compose as make

    settings = ComposeSettings(
        n_train=train, n_val=val, n_test=test, max_instances=max_instances, source_pattern=source_pattern
    )
    with CountBar() as bar:
        made = make(clips, out, seed=seed, settings=settings, force=force, progress=bar)
    splits = [
        (name, len(made.splits[name]), len(part.references), len(part.queries), len(part.pairs))
        for name in made.splits
        for part in [made.of(name)]
    ]
    heads = ("split", "classes", "videos", "queries", "pairs")
    for warning in made.warnings:
        output.warn(warning)
    if json:
        entries = [dict(zip(heads, split, strict=True)) for split in splits]
        output.document({"schema": 1, "root": str(made.root), "seed": made.seed, "splits": entries})
    else:
        columns = [output.Column(head, "left" if head == "split" else "right") for head in heads]
        output.table(columns, [[str(value) for value in split] for split in splits])
        output.note(f"The truth is in {made.root}/truth.json")
    return exits.OK
