"""How long an ingest takes and how much disk it needs, said before it starts."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from recue.core.errors import GalleryError
from recue.gallery import home_dir
from recue.search.report import IngestPlan

#: Retrieval vectors a video, float32.
N_VECTORS = 4

#: The table's own bytes a video: the catalogue row, a data file and a transaction.
_VIDEO_BYTES = 4_096

#: The bytes of a table's copies while it is compacted, and of the mapped array that a search derives.
_HEADROOM = 2.0

#: A shorter run says little about the speed of the machine.
_LEARN_FROM_S = 20.0

_HISTORY = "ingest-speed.json"


def with_estimates(
    plan: IngestPlan, *, dim: int | None, step_s: float | None, times_real_time: float | None, location: Path
) -> IngestPlan:
    """The plan with time and disk filled in, as far as they can be known.

    Args:
        plan: What is to be done.
        dim: Length of a feature vector.
        step_s: Length of a step.
        times_real_time: Seconds of video encoded in a second of wall time on this machine.
        location: Where the gallery lies or will lie.
    """
    n_bytes: int | None = None
    if dim is not None and step_s is not None:
        n_bytes = 0
        for file in plan.to_encode:
            # A feature file has no known length here; it is at least as large as what is kept of it.
            kept = file.duration_s / step_s * dim * 2 if file.duration_s else file.size_bytes
            n_bytes += round(kept) + N_VECTORS * dim * 4 + _VIDEO_BYTES
    return replace(
        plan,
        estimated_s=plan.total_s / times_real_time if times_real_time else (None if plan.total_s else 0.0),
        estimated_bytes=n_bytes,
        free_bytes=_free_bytes(location),
    )


def require_room(plan: IngestPlan, location: Path) -> None:
    """Refuse early what cannot fit.

    Raises:
        GalleryError: says how much is needed and how much is free.
    """
    if plan.estimated_bytes is None or plan.free_bytes is None:
        return
    needed = round(plan.estimated_bytes * _HEADROOM)
    if needed > plan.free_bytes:
        raise GalleryError(
            f"the features of {len(plan.to_encode)} videos need about {needed / 1e6:,.0f} MB, but only "
            f"{plan.free_bytes / 1e6:,.0f} MB are free for '{location}'; free some, or keep the gallery elsewhere"
        )


def learnt_speed(fingerprint: str) -> float | None:
    """Times real time of the last longer ingest with these features on this machine; None before the first."""
    speed = _speeds().get(fingerprint)
    return speed if isinstance(speed, float) and speed > 0 else None


def learn_speed(fingerprint: str, *, indexed_s: float, elapsed_s: float) -> None:
    """Remember how fast it went, for the next estimate."""
    if indexed_s < _LEARN_FROM_S or elapsed_s <= 0:
        return
    file = home_dir() / _HISTORY
    temporary = file.with_name(f".{_HISTORY}.{os.getpid()}")
    with suppress(OSError):  # only a hint for next time: never a reason to fail
        file.parent.mkdir(parents=True, exist_ok=True)
        speeds = {**_speeds(), fingerprint: round(indexed_s / elapsed_s, 3)}
        temporary.write_text(json.dumps(speeds), encoding="utf-8")
        temporary.replace(file)


def _speeds() -> dict[str, object]:
    try:
        speeds = json.loads((home_dir() / _HISTORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return speeds if isinstance(speeds, dict) else {}


def _free_bytes(location: Path) -> int | None:
    for folder in (location, *location.parents):
        if folder.is_dir():
            return shutil.disk_usage(folder).free
    return None
