"""`recue doctor`: is everything here that a search needs, and does it work."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from recue.cli import exits, options, output

_PACKAGES = ("av", "jinja2", "lancedb", "numba", "numpy", "openvino", "pyarrow", "safetensors", "torch")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        what: Name of the check.
        ok: Whether a search can go on.
        detail: What was found, and the way out where it is not well.
    """

    what: str
    ok: bool
    detail: str


@exits.command
def doctor(json: options.Json = False) -> int:
    """Check the installation: packages, weights, folders, codecs, and a whole small search.

    Exit status: 0 all is well, 1 something is broken or missing.
    """
    findings = [_checked(what, check) for what, check in CHECKS.items()]
    ok = all(finding.ok for finding in findings)
    if json:
        from dataclasses import asdict

        output.document({"schema": 1, "ok": ok, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            output.result(f"{'ok    ' if finding.ok else 'FAILED'}  {finding.what:<9} {finding.detail}")
    return exits.OK if ok else exits.NO


class _UnwellError(Exception):
    """A check that failed, in a sentence with the way out."""


def _checked(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, check())
    except _UnwellError as problem:
        return Finding(what, False, str(problem))
    except Exception as error:  # whatever goes wrong in a check is what the check is there to find
        return Finding(what, False, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _python() -> str:
    from recue import __version__

    return f"recue {__version__}, Python {platform.python_version()} at {sys.executable}, {platform.platform()}"


def _packages() -> str:
    """Versions, and that each can really be imported."""
    import_module("recue.models")  # first: it keeps OpenVINO's reports from being sent
    found = []
    for name in _PACKAGES:
        try:
            import_module(name)
        except (ImportError, OSError) as error:
            raise _UnwellError(f"{name} cannot be imported ({error}); install again: make setup") from error
        found.append(f"{name} {version(name)}")
    return ", ".join(found)


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, {memory / 1e9:.1f} GB of memory"


def _codecs() -> str:
    from recue.media.codecs import decoders, library_version

    known = decoders()
    absent = [name for name, there in known.items() if not there]
    if "h264" in absent:
        raise _UnwellError(f"{library_version()} decodes no H.264; install PyAV's own wheel: pip install av")
    there = ", ".join(name for name in known if name not in absent)
    return f"{library_version()} decodes {there}{'; not ' if absent else ''}{', '.join(absent)}"


def _weights() -> str:
    from recue.features import PROFILES
    from recue.models.weights import cache_dir

    ready = _ready_profiles()
    if not ready:
        raise _UnwellError(f"none in {cache_dir()}; get them: recue prepare")
    absent = [name for name in PROFILES if name not in ready]
    more = f"; not for {', '.join(absent)} (recue prepare --all)" if absent else ""
    return f"ready for {', '.join(ready)}, in {cache_dir()}{more}"


def _ready_profiles() -> list[str]:
    from recue.features import PROFILES, weights_needed
    from recue.models.weights import is_ready

    return [name for name in PROFILES if all(is_ready(need) for need in weights_needed(name))]


def _folders() -> str:
    from recue.gallery import home_dir, list_galleries
    from recue.models.weights import cache_dir

    galleries = f"{len(list_galleries())} named galleries"
    return f"{_room(home_dir(), 'RECUE_HOME')}, {galleries}; {_room(cache_dir(), 'RECUE_CACHE')}"


def _room(folder: Path, variable: str) -> str:
    """Free disk where a folder is or will be; it must be writable."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        raise _UnwellError(f"{there} cannot be written; give rights to it, or set {variable} to another folder")
    free = shutil.disk_usage(there).free
    if free < 1e9:
        raise _UnwellError(f"{folder} has {free / 1e6:.0f} MB left; make room, or set {variable} to another folder")
    return f"{folder} ({free / 1e9:.0f} GB free)"


def _search() -> str:
    """Write, decode, encode, keep and search a clip of three seconds."""
    from time import perf_counter

    import recue

    ready = _ready_profiles()
    if not ready:
        raise _UnwellError("left out: there are no weights; get them: recue prepare")
    with tempfile.TemporaryDirectory(prefix="recue-doctor-") as folder:
        video, query = Path(folder) / "video.mp4", Path(folder) / "query.mp4"
        _write_clip(video, crf=20)
        _write_clip(query, crf=30)
        library = recue.open(Path(folder) / "gallery")
        started = perf_counter()
        report = library.index([video], profile=ready[0], workers=1)
        if report.failed:
            raise _UnwellError(f"a generated clip could not be indexed: {report.failed[0].reason}")
        result = library.search(query, near_misses=True, min_confidence=0.0)
        if not result.moments and not result.near_misses:
            raise _UnwellError("a clip was not found in itself; please report this")
        elapsed_s = perf_counter() - started
        return f"a clip of 3 s was written, indexed with {ready[0]} and found again in {elapsed_s:.1f} s"


def _write_clip(path: Path, *, crf: int) -> None:
    """A bright disc that crosses a ramp."""
    from fractions import Fraction

    import numpy as np

    from recue.media.write import VideoWriter

    rows, columns = np.mgrid[:180, :240]
    with VideoWriter(path, width=240, height=180, rate=Fraction(25), crf=crf) as writer:
        for k in range(75):
            picture = np.stack([rows, columns, (rows + columns) // 2], axis=-1)
            picture[(rows - 90) ** 2 + (columns - 20 - 2.6 * k) ** 2 < 900] = 255
            writer.write(picture.astype(np.uint8))


CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "packages": _packages,
    "machine": _machine,
    "codecs": _codecs,
    "folders": _folders,
    "weights": _weights,
    "search": _search,
}
