"""A backbone for tests: colour histograms of small pictures. No weights, no torch, microseconds a frame.

It is found through its entry point (`tests/plugins`), in worker processes too, as one from another package is.
Options make it misbehave where a test needs that.
"""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ShapeError
from recue.core.features import FeatureSequence
from recue.core.frames import Frame, FrameSampling

_BINS = 8


@dataclass(frozen=True)
class Config:
    """Options.

    Attributes:
        rate: Frames a second.
        stride: Frames in a step.
        delay_ms: Time to waste on each frame.
        die_on: Its process kills itself when a first frame is about this bright (mean, 0 to 255). With the
            environment's RECUE_TEST_DIE_ONCE, a path, only as long as there is no file.
        hang_on: It hangs for ever when a first frame is about this bright.
    """

    rate: Fraction = Fraction(8)
    stride: int = 4
    delay_ms: int = 0
    die_on: int = -1
    hang_on: int = -1

    def weights_needed(self) -> tuple[str, ...]:
        return ()

    def build(self, *, threads: int = 1) -> "Histogram":
        return Histogram(self)


class Histogram:
    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def name(self) -> str:
        options = ",".join(
            f"{key}={value}"
            for key, value in vars(self.config).items()
            if value != Config.__dataclass_fields__[key].default
        )
        return f"histogram:{options}" if options else "histogram"

    @property
    def fingerprint(self) -> str:
        return f"histogram-{self.config.rate}-{self.config.stride}"

    @property
    def dim(self) -> int:
        return 3 * _BINS

    @property
    def step_s(self) -> float:
        return float(self.config.stride / self.config.rate)

    @property
    def sampling(self) -> FrameSampling:
        return FrameSampling(self.config.rate, 32, 32)

    @property
    def classes(self) -> tuple[str, ...]:
        return ()

    def posteriors(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.zeros((len(values), 0), dtype=np.float32)

    def encode(self, frames: Iterable[Frame]) -> FeatureSequence:
        rows: list[NDArray[np.float32]] = []
        starts: list[float] = []
        group: list[NDArray[np.float32]] = []
        end_s = 0.0
        for index, frame in enumerate(frames):
            if index == 0 and abs(float(frame.image.mean()) - self.config.die_on) < 3:
                _die()
            while index == 0 and abs(float(frame.image.mean()) - self.config.hang_on) < 3:
                time.sleep(0.1)
            time.sleep(self.config.delay_ms / 1000)
            if index % self.config.stride == 0:
                starts.append(frame.due_s)
                group = []
                rows.append(np.empty(0, dtype=np.float32))
            group.append(_histogram(frame.image))
            rows[-1] = np.mean(group, axis=0, dtype=np.float32)
            end_s = frame.until_s
        if not rows:
            raise ShapeError("the stream of frames is empty")
        return FeatureSequence(np.stack(rows), np.array([*starts, end_s]), self.name, self.fingerprint)


def _die() -> None:
    once = os.environ.get("RECUE_TEST_DIE_ONCE")
    if once is None or not Path(once).exists():
        if once is not None:
            Path(once).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _histogram(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    counts = [np.bincount(image[..., channel].ravel() >> 5, minlength=_BINS) for channel in range(3)]
    return np.concatenate(counts).astype(np.float32) / image[..., 0].size
