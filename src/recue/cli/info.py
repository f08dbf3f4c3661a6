"""`recue info`: what a gallery is, how much it holds, whether it is sound."""

from typing import Annotated

import typer

from recue.cli import exits, options, output


@exits.command
def info(
    gallery: options.Gallery = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every video's features and files; exit status 4 on damage.")
    ] = False,
    json: options.Json = False,
) -> int:
    """Say what a gallery is and how much it holds; with --verify, whether it is sound."""
    import recue

    found = recue.open(gallery).info(verify=verify)
    if json:
        from dataclasses import asdict

        output.document({"schema": 1, **asdict(found)})
    else:
        print(found)
    return exits.OK
