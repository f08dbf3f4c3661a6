"""Keep docs/cli.md in step with the commands: python tools/cli_docs.py [--check].

Rewrites every fenced block that follows a line `<!-- help: COMMAND -->` with what `recue COMMAND --help` prints, and
the table that follows `<!-- exit statuses -->`. With --check it writes nothing and fails if anything would change.
"""

import contextlib
import io
import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "cli.md"

_HELP = re.compile(r"(<!-- help:(?P<command>[^>]*)-->\n\n```text\n).*?(\n```)", re.DOTALL)
_STATUSES = re.compile(r"(<!-- exit statuses -->\n\n).*?(\n\n)", re.DOTALL)


def help_text(command: str) -> str:
    """What `recue COMMAND --help` prints on a terminal of 100 columns."""
    os.environ.update(COLUMNS="100", NO_COLOR="1")
    from recue.cli.app import app

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        app([*command.split(), "--help"], prog_name="recue")
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def statuses() -> str:
    """The exit statuses as a table."""
    from recue.cli.exits import MEANINGS

    rows = [f"| {status} | {meaning} |" for status, meaning in MEANINGS.items()]
    return "\n".join(["| status | meaning |", "| --- | --- |", *rows])


def renewed(text: str) -> str:
    """The document with its generated parts made anew."""
    text = _HELP.sub(lambda found: f"{found[1]}{help_text(found['command'].strip())}{found[3]}", text)
    return _STATUSES.sub(lambda found: f"{found[1]}{statuses()}{found[2]}", text)


def main() -> None:
    """Renew or check."""
    old = DOCS.read_text(encoding="utf-8")
    new = renewed(old)
    if "--check" in sys.argv[1:]:
        sys.exit("docs/cli.md is out of date: python tools/cli_docs.py" if new != old else 0)
    DOCS.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
