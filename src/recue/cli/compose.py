"""`recue compose`: a re-localization benchmark out of labelled clips."""

from pathlib import Path
from typing import Annotated

import typer

from recue.cli import exits, options, output


@exits.command
def compose(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="A folder with one folder of clips a class.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the benchmark goes; a new or empty folder.")],
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed, the same benchmark.")] = 0,
    json: options.Json = False,
) -> int:
    """Make a re-localization benchmark: videos that hold 0 to 3 instances of a class, with the truth as JSON."""
    from recue.datasets.compose import compose as make

    composition = make(clips, out, seed=seed)
    output.result(str(composition))
    return exits.OK
