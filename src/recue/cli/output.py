"""Where words go: results to stdout, everything else to stderr; tables that suit a person and a pipe alike."""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its head.
        align: `right` for numbers.
        flexible: May be folded over several lines where the terminal is narrow.
    """

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False


def result(text: str) -> None:
    """Write a result to stdout, with a line end."""
    _write(sys.stdout, text + "\n")


def note(text: str) -> None:
    """Write a remark to stderr, with a line end."""
    _write(sys.stderr, text + "\n")


def warn(text: str) -> None:
    """Write a warning to stderr."""
    note(f"warning: {text}")


def document(values: Any) -> None:
    """Write a JSON document to stdout, and nothing else goes there."""
    from recue.export.json_document import dumps

    result(dumps(values))


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to stdout.

    On a terminal, long cells of flexible columns are folded to its width. In a pipe nothing is folded or cut and
    there are no colours: columns are two spaces apart.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(columns, cells)
    else:
        _plain_table(columns, cells)


def stderr_console() -> "Console":
    """A console on stderr, for progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def is_terminal() -> bool:
    """Whether a person sees stdout and can answer on stdin."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _rich_table(columns: Sequence[Column], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column.title, justify=column.align, overflow="fold", no_wrap=not column.flexible, ratio=None)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(grid)


def _plain_table(columns: Sequence[Column], rows: list[list[str]]) -> None:
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(columns))]
    for line in lines:
        padded = (
            cell.rjust(width) if column.align == "right" else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        )
        result("  ".join(padded).rstrip())


def one_line(text: str) -> str:
    """Control characters in a file name must not move the cursor or break the row."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _write(stream: TextIO, text: str) -> None:
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Whatever follows goes nowhere; the exit status stays the answer's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
