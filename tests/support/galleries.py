"""Made-up videos for gallery tests."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core import FeatureSequence, VideoRecord
from recue.gallery import SourceInfo

SOURCE = SourceInfo(name="made", fingerprint="made-1", dim=16, step_s=0.5)


def make_record(number: int, *, metadata: dict[str, Any] | None = None, **changes: Any) -> VideoRecord:
    """A record whose every field is told by its number."""
    fields: dict[str, Any] = {
        "id": f"{number * 7919 + 0xABC000:012x}",
        "name": f"video-{number}.mp4",
        "path": f"/nowhere/video-{number}.mp4",
        "content_hash": f"{number * 7919 + 0xABC000:012x}" + "0" * 52,
        "size_bytes": 1000 + number,
        "mtime_ns": 10**18 + number,
        "duration_s": 60.0 + number,
        "start_s": 0.0,
        "width": 640,
        "height": 360,
        "rate": "30000/1001",
        "n_steps": 0,
        "added_at": "",
        "metadata": metadata or {},
    }
    return VideoRecord(**(fields | changes))


def make_features(seed: int, n_steps: int, source: SourceInfo = SOURCE) -> FeatureSequence:
    """Random features at uneven times, told by the seed."""
    rng = np.random.default_rng(seed)
    times_s = 0.25 + np.concatenate([[0.0], np.cumsum(rng.uniform(0.2, 0.8, n_steps))])
    values = rng.standard_normal((n_steps, source.dim)).astype(np.float32)
    return FeatureSequence(values, times_s, source.name, source.fingerprint)


class Doubled:
    """A transform a reader can check by hand: twice the first two numbers of a vector."""

    fingerprint = "doubled-1"
    dim = 2

    def apply(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        return values[:, :2].astype(np.float32) * 2
