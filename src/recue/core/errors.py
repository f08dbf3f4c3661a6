"""Every error recue raises on purpose.

`RecueError` is the root. Each child also inherits the builtin a caller would expect, so `except OSError`
around a decode works. A message says what was given, what was expected, and what to do. `EXIT_CODES` is the
one table from error to process exit status.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RecueError(Exception):
    """Root of every error recue raises on purpose."""


class MediaError(RecueError, OSError):
    """A file could not be probed, decoded or written."""

    def __str__(self) -> str:
        # OSError formats two positional arguments as errno; we always pass one sentence.
        return str(self.args[0]) if self.args else ""


class NotAVideoError(MediaError):
    """The file holds no video stream: audio alone, text, an empty file."""


class WeightsError(RecueError, OSError):
    """A weight is absent, could not be fetched, or is not the file that was expected."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ConfigError(RecueError, ValueError):
    """A setting, a filter or an argument does not make sense."""


class ShapeError(RecueError, ValueError):
    """An array has the wrong shape, is empty, or holds values that are not finite."""


class FingerprintError(RecueError, ValueError):
    """Two feature sequences were made by different things and cannot be compared."""


class GalleryError(RecueError, OSError):
    """A gallery is absent, damaged, or of a format this version does not read."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class VideoNotFoundError(RecueError, LookupError):
    """No video of the gallery has that id, name or path."""


class UnknownNameError(RecueError, LookupError):
    """No registry entry has that name."""


class MissingExtraError(RecueError, ImportError):
    """An optional dependency is needed and absent."""

    def __init__(self, package: str, extra: str, what_for: str) -> None:
        super().__init__(f"{what_for} needs {package}, which is not installed: pip install 'recue[{extra}]'")


#: Process exit status of each error, most specific first. 0 is "matches", 1 is "no match".
EXIT_CODES: tuple[tuple[type[RecueError], int], ...] = (
    (NotAVideoError, 3),
    (MediaError, 3),
    (GalleryError, 4),
    (VideoNotFoundError, 4),
    (FingerprintError, 5),
    (WeightsError, 6),
    (MissingExtraError, 6),
    (RecueError, 2),
)


def exit_code(error: RecueError) -> int:
    """The process exit status for an error: 2 usage, 3 media, 4 gallery, 5 fingerprint, 6 weights or extras.

    >>> exit_code(NotAVideoError("a.txt holds no video"))
    3
    """
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def suggest(given: str, known: Iterable[str]) -> str:
    """A sentence end that names the closest known word, or lists what is known.

    >>> suggest("aling", ["align", "chance"])
    "did you mean 'align'?"
    >>> suggest("zzz", ["align", "chance"])
    'known: align, chance'
    """
    names = sorted(known)
    close = get_close_matches(given, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names) or 'none'}"
