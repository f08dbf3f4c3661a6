"""recue finds a moment again: show it a clip, get every moment like it in a gallery of videos.

`recue.open` gives a library of videos to fill and to search. Importing this package alone costs nothing: everything
behind it is loaded when it is first used. What type checkers see is in `__init__.pyi`.
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "IngestEvent": "recue.search.report",
    "IngestInterrupted": "recue.search.report",
    "IngestPlan": "recue.search.report",
    "IngestReport": "recue.search.report",
    "Library": "recue.search.library",
    "LibraryInfo": "recue.search.library",
    "Moment": "recue.core.moment",
    "RecueError": "recue.core.errors",
    "SearchResult": "recue.core.moment",
    "Segment": "recue.core.segment",
    "VideoRecord": "recue.core.record",
}

__all__ = [*sorted(_HOMES), "open"]


def open(location: str | os.PathLike[str] | None = None) -> Any:
    """A library: one gallery of videos, to fill and to search.

    The gallery is made by the first `index`; searching one that is not there is an error.

    Args:
        location: A gallery's name, or a directory; None is the default gallery.

    Three feature files stand for videos here, so that the example needs no weights; with video files leave
    `backbone` out.

    >>> import numpy as np, pathlib, recue, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> steps = np.random.default_rng(7).normal(size=(3, 40, 16)).astype(np.float32)
    >>> steps[2, 20:30] = steps[0, 5:15]  # ten steps of the first happen in the last too
    >>> for name, values in zip("abc", steps):
    ...     np.save(folder / f"{name}.npy", values)
    >>> library = recue.open(folder / "gallery")
    >>> report = library.index(folder, backbone="precomputed:step_s=0.5")
    >>> len(report.added), report.failed
    (3, ())
    >>> result = library.search("a", from_s=2.5, to_s=7.5, exclude_self=True, min_confidence=0)
    >>> best = result.moments[0]
    >>> pathlib.Path(best.video).name, round(best.start_s), round(best.end_s)
    ('c.npy', 10, 15)
    """
    return import_module(_HOMES["Library"]).Library(location)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'recue' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
