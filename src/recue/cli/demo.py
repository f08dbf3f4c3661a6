"""`recue demo`: the whole way on real video, in a folder of its own."""

from recue.cli import exits


@exits.command
def demo() -> int:
    """Show the whole way on real video."""
    return exits.OK
