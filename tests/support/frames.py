"""Streams of frames without a video behind them."""

import numpy as np
from numpy.typing import NDArray

from recue.core import Frame, FrameSampling


def moving_images(n_frames: int, size: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth waves that travel and a little noise: `[n_frames, size, size, 3]`."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:size, 0:size] / size
    waves = [
        [np.sin(9 * row + t / 7 + c) * np.cos(7 * column - t / (5 + seed) * (1 + c)) for c in range(3)]
        for t in range(n_frames)
    ]
    noisy = 127.5 * (1 + np.moveaxis(np.array(waves), 1, -1)) + rng.normal(0, 8, (n_frames, size, size, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def frames_of(images: NDArray[np.uint8], sampling: FrameSampling, *, start_s: float = 0.0) -> list[Frame]:
    """The pictures on the grid that a backbone asks for."""
    assert sampling.rate_fps is not None
    times = [start_s + float(index / sampling.rate_fps) for index in range(len(images) + 1)]
    return [Frame(image, begin, begin, end) for image, begin, end in zip(images, times, times[1:], strict=False)]
