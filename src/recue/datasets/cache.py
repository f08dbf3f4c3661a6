"""Making the features of videos once and keeping them, in the form that `stores.NpyFolderStore` reads.

A video is there when its `.npy` is: it is written last, half precision, and appears under its name when it is whole.
So a run that was stopped goes on where it was.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from recue.core.errors import ConfigError, MediaError, ShapeError
from recue.core.features import FeatureSequence
from recue.core.protocols import Backbone
from recue.datasets.abilities import BuildReport, Progress
from recue.datasets.stores import read_store_card, write_store_card
from recue.media import sample


def fill(
    folder: Path,
    videos: Mapping[str, Path],
    backbone: Backbone,
    *,
    made_of: str = "",
    progress: Progress | None = None,
    encode: Callable[[Path, Backbone], FeatureSequence] | None = None,
) -> BuildReport:
    """Make the features that are missing in a folder.

    Args:
        folder: Made when it is not there.
        videos: For each name the file.
        backbone: What makes them.
        made_of: Identity of the videos. A folder that was made for others is refused.
        progress: Called after each video, those that were there included.
        encode: Instead of `encode_video`.

    Raises:
        ConfigError: the folder holds features of something else.
        MediaError: the folder cannot be written.

    Cost: a decode and an inference of each video that is missing; memory for the features of one.
    """
    encode = encode or encode_video
    n_kept, failed = 0, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder, backbone, made_of)
        for k, (video, path) in enumerate(videos.items(), start=1):
            if features_path(folder, video).is_file():
                n_kept += 1
            else:
                try:
                    features = encode(path, backbone)
                except MediaError as error:
                    failed.append(f"{video}: {error}")
                else:
                    _write(folder, video, features)
            if progress:
                progress(k, len(videos), video)
    except MediaError:
        raise
    except OSError as error:
        raise MediaError(f"'{folder}' cannot be written: {error}; check the folder and the free space") from error
    return BuildReport(folder, len(videos) - n_kept - len(failed), n_kept, tuple(failed))


def encode_video(path: Path, backbone: Backbone) -> FeatureSequence:
    """Features of one file.

    Raises:
        MediaError: it cannot be read, or nothing of it decoded.
    """
    warnings: list[str] = []
    try:
        return backbone.encode(sample(path, backbone.sampling, warnings=warnings))
    except ShapeError as error:
        reason = f" ({'; '.join(warnings)})" if warnings else ""
        raise MediaError(f"no picture of '{path}' was decoded{reason}; check that it plays elsewhere") from error


def _claim(folder: Path, backbone: Backbone, made_of: str) -> None:
    card = read_store_card(folder)
    if not card:
        write_store_card(folder, name=backbone.name, fingerprint=backbone.fingerprint, made_of=made_of)
    elif card["fingerprint"] != backbone.fingerprint:
        raise ConfigError(
            f"'{folder}' holds features of '{card['name']}' ({card['fingerprint']}), not of '{backbone.name}' "
            f"({backbone.fingerprint}); name another folder"
        )
    elif card.get("made_of", "") != made_of:
        raise ConfigError(f"'{folder}' holds features of other videos than these; delete it and build them again")


def _write(folder: Path, video: str, features: FeatureSequence) -> None:
    path = features_path(folder, video)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The times first: a video is there when its values are.
    for target, array in (
        (folder / f"{video}.times.npy", features.times_s),
        (path, features.values.astype(np.float16)),
    ):
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)


def features_path(folder: Path, video: str) -> Path:
    """Where the features of a video are."""
    return folder / f"{video}.npy"
