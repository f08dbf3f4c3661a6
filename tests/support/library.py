"""What tests of ingest and search share: the cheap backbone, small videos of changing colours."""

import colorsys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from recue.features import BACKBONES
from support.videos import Image, Pattern, write_video

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"


@pytest.fixture
def histogram(monkeypatch: pytest.MonkeyPatch) -> str:
    """The spec of the cheap backbone, known here and in worker processes for this test."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    monkeypatch.setattr(BACKBONES, "_entries", dict(BACKBONES._entries))
    monkeypatch.setattr(BACKBONES, "_outside_read", False)
    return "histogram"


def colours(seed: int, *, every_s: float = 0.5) -> Pattern:
    """A pattern that takes another random flat colour every half second."""
    hues = np.random.default_rng(seed).random(4096)

    def draw(number: int, time_s: Fraction) -> Image:
        red, green, blue = colorsys.hsv_to_rgb(hues[int(float(time_s) / every_s)], 0.9, 0.8)
        flat = np.array([red, green, blue]) * 255
        return np.broadcast_to(flat.astype(np.uint8), (48, 64, 3)).copy()

    return draw


def grey(level: int) -> Pattern:
    """A pattern of one brightness."""
    return lambda number, time_s: np.full((48, 64, 3), level, dtype=np.uint8)


def write_colours(path: Path, seed: int, *, seconds: float = 4.0) -> Path:
    """A video of random colours; the same seed gives the same bytes."""
    write_video(path, seconds=seconds, rate=16, size=(64, 48), pattern=colours(seed), keyint=16)
    return path
