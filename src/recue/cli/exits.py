"""How a command ends: its exit status, and what an error looks like."""

import functools
import os
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec

import typer

P = ParamSpec("P")

#: Beside `recue.core.errors.EXIT_CODES`, which has 2 to 6.
OK = 0
NO = 1
SOME_FAILED = 7
INTERNAL = 70
INTERRUPTED = 130

#: For people: the whole table, in `docs/cli.md` and the README.
MEANINGS: dict[int, str] = {
    OK: "done; for `search`: there are matches",
    NO: "the answer is no: `search` found no match, `doctor` something broken, `dataset check` something missing; a "
    "question was answered with no",
    2: "usage: an option, a filter or a name that makes no sense",
    3: "media: a file is absent, damaged, or holds no video",
    4: "gallery: absent, damaged (`info --verify` too), or has no such video",
    5: "fingerprint: features of two different backbones cannot be compared",
    6: "weights or an optional package are absent: `recue prepare`, `pip install`",
    SOME_FAILED: "done, but some files failed: `index`, `dataset build` (the others are in), `search --save-clips`",
    INTERNAL: "a bug in recue; `RECUE_DEBUG=1` shows where",
    INTERRUPTED: "interrupted (Ctrl-C); what was finished is kept",
}


def command(body: Callable[P, int | None]) -> Callable[P, None]:
    """Let a command end well: its return value is the exit status, its errors are one line on stderr."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(_status(lambda: body(*args, **kwargs)))

    return run


def _status(body: Callable[[], int | None]) -> int:
    try:
        return body() or OK
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt as stop:
        _say(str(stop) or "interrupted")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("RECUE_DEBUG"):
            raise
        from recue.core.errors import RecueError, exit_code

        if isinstance(error, RecueError):
            _say(f"error: {error}")
            return exit_code(error)
        _say(f"internal error: {type(error).__name__}: {error}")
        _say("this is a bug in recue; run it again with RECUE_DEBUG=1 to see where, and please report it")
        return INTERNAL


def usage(message: str) -> NoReturn:
    """Stop: the arguments make no sense together."""
    from recue.core.errors import ConfigError

    raise ConfigError(message)


def _say(line: str) -> None:
    text = f"recue: {' '.join(line.split())}\n"
    try:
        sys.stderr.write(text)
    except UnicodeEncodeError:
        sys.stderr.write(text.encode("ascii", "backslashreplace").decode("ascii"))
