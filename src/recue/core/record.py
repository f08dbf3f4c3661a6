"""VideoRecord: what the catalogue keeps of one video."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """One catalogue row.

    Attributes:
        id: Twelve hexadecimal digits of the content hash: a moved or renamed file is the same video.
        name: File name, for people.
        path: Absolute path where it was last seen.
        content_hash: BLAKE2b-256 of the file's bytes, hexadecimal.
        size_bytes: Length of the file.
        mtime_ns: Modification time when it was last read; with the size, a cheap sign of change.
        duration_s: Length of the video in seconds.
        start_s: First presentation time on its clock.
        width: Columns, upright. 0 for a feature file.
        height: Rows, upright. 0 for a feature file.
        rate: Average frame rate as a fraction, `30000/1001`; empty for a feature file.
        n_steps: Feature steps that are kept.
        added_at: UTC, ISO 8601.
        metadata: Any JSON object the user gave.
        warnings: What went wrong without stopping the ingest: damaged spots, a truncated end.
    """

    id: str
    name: str
    path: str
    content_hash: str
    size_bytes: int
    mtime_ns: int
    duration_s: float
    start_s: float
    width: int
    height: int
    rate: str
    n_steps: int
    added_at: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
