"""Folders of tiny labelled clips whose pictures tell which clip they are from."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from support.videos import Image, stamp, write_video


def clip_code(label: int, number: int) -> int:
    """What `read_number` reads on every picture of that clip; below 128, so that two can be told in a fade."""
    return label * 16 + number


def write_clips(
    root: Path, classes: Mapping[str, int], *, n_frames: int = 12, n_sources: int | None = None
) -> dict[str, int]:
    """Write clips, one of each source unless `n_sources` is lower.

    Args:
        root: The folder; gets one folder a class.
        classes: How many clips each gets.
        n_frames: Of each clip, at 30 frames a second.
        n_sources: Sources of each class.

    Returns:
        The code of each clip, by its path inside `root`.
    """
    codes = {}
    for label, (name, n_clips) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for number in range(n_clips):
            code = clip_code(label, number)
            source = f"src{label}x{number % (n_sources or n_clips)}"
            file = f"{source}_{name}_f_{number}.mp4"
            image: Image = stamp(np.full((48, 64, 3), 90 + label * 20, np.uint8), code)
            write_video(
                root / name / file,
                seconds=n_frames / 30,
                rate=30,
                size=(64, 48),
                pattern=lambda _n, _t, image=image: image,
            )
            codes[f"{name}/{file}"] = code
    return codes
