"""The command line: parse, one call into the layers below, render.

Nothing heavy is imported here or in the modules of this package; each command imports what it needs when it runs,
so that `recue --help` answers at once.
"""


def main() -> None:
    """Entry point of the `recue` command."""
    from recue.cli.app import app

    app(prog_name="recue")


__all__ = ["main"]
