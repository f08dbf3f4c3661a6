"""Annotated videos as a dataset with its classes parted by a seed: what `activitynet-1.2` and `thumos14` share.

A query is one instance, a reference a whole video with every instance of the class as a truth, never the query's own
video. (The paper fixes the number of classes and leaves this open; `location=between` makes references by the rules
of the re-localization lists.) Items are laid on the features' own steps; without features, on nominal steps, so that
lists can be looked at.

Source: Similarity-metric graph re-localization, section 5.1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from recue.core.errors import ConfigError
from recue.datasets.annotated import AnnotatedVideo, class_names
from recue.datasets.class_split import classes_of_the_same_stretches, split_classes_together
from recue.datasets.list_builder import FRAMES_PER_STEP, BuildRules, Grid, build_items
from recue.datasets.listed import ListedDataset
from recue.datasets.opening import refuse_unknown, whole_number
from recue.datasets.stores import open_store
from recue.datasets.task import SPLITS, FeatureStore, Split

OPTIONS = (
    "classes",
    "every",
    "fingerprint",
    "key",
    "location",
    "max_location",
    "max_moment",
    "name",
    "seed",
    "step",
)
#: Where neither features nor lists say how many frames a video has.
NOMINAL_RATE = 25.0
#: Longer than any video: no limit.
_NO_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Protocol:
    """What one dataset sets for itself.

    Attributes:
        name: Registry name.
        classes: How many classes train, validate and test, as `80/10/10`.
        key: Where a video's features are in an HDF5 file.
        every: Keep every so many-th vector.
        features_name: What made the features.
        features_from: Where features come from, as a sentence end.
        drop_overlapping: See `BuildRules`.
    """

    name: str
    classes: str
    key: str
    every: int
    features_name: str
    features_from: str
    drop_overlapping: bool


def list_annotated(
    protocol: Protocol,
    root: Path,
    videos: Sequence[AnnotatedVideo],
    *,
    features: Path | None,
    options: Mapping[str, str],
    notes: Sequence[str] = (),
) -> ListedDataset:
    """Make a dataset of annotated videos.

    Args:
        protocol: What the dataset sets for itself.
        root: What the lists were read from, for messages.
        videos: The annotations, the classes of all splits.
        features: An HDF5 file, or a folder of `<video>.npy`.
        options: `classes`: how many train, validate and test, as `80/10/10`. `seed`: of their draw (0). `location`:
            `video` (default) or `between`. `max_moment`: longest query in steps, 0 (default) for any length that
            a reference may have.
            `max_location`: longest reference, 0 (default) for any. `step`: frames of a step (16). `every`, `key`,
            `name`, `fingerprint`: of the features.
        notes: For `check`.

    Raises:
        ConfigError: an option makes no sense, or there are too few classes.
    """
    name = protocol.name
    refuse_unknown(name, options, OPTIONS)
    seed = whole_number(name, "seed", options.get("seed", "0"))
    step = whole_number(name, "step", options.get("step", str(FRAMES_PER_STEP)), least=1)
    every = whole_number(name, "every", options.get("every", str(protocol.every)), least=1)
    max_location = whole_number(name, "max_location", options.get("max_location", "0"))
    rules = BuildRules(
        max_moment_steps=whole_number(name, "max_moment", options.get("max_moment", "0")) or max_location or _NO_LIMIT,
        max_location_steps=max_location,
        location=cast("Literal['between', 'video']", options.get("location", "video")),
        drop_overlapping=protocol.drop_overlapping,
    )
    sizes = _sizes(name, options.get("classes", protocol.classes))
    groups = classes_of_the_same_stretches(videos)
    splits = split_classes_together(class_names(videos), sizes, groups, seed=seed)
    split_of = {label: split for split, labels in splits.items() for label in labels}
    steps: dict[str, float] = {}

    def open_features() -> FeatureStore:
        if features is None:
            raise ConfigError(f"no features were named: {protocol.features_from}, {name}:{root},features=PATH")
        return open_store(
            features,
            key=options.get("key", protocol.key),
            every=every,
            step_s=steps,
            name=options.get("name", protocol.features_name),
            fingerprint=options.get("fingerprint"),
        )

    try:
        store = open_features()
    except ConfigError:
        store = None  # check and .store say why
    held = set(store.videos()) if store is not None else set()
    grids = {
        video.name: _grid(video, store.n_steps(video.name) if store and video.name in held else None, step)
        for video in videos
        if video.segments
    }
    steps.update({video: grid.step_s for video, grid in grids.items()})
    built = build_items(videos, grids, rules=rules, seed=seed)
    items = {split: tuple(item for item in built.items if split_of.get(item.moment.label) == split) for split in SPLITS}
    return ListedDataset(
        name,
        items,
        open_features,
        exclude_own=True,
        notes=(*notes, *_notes(videos, split_of, groups, built.causes, nominal_step=0 if store else step)),
    )


def _grid(video: AnnotatedVideo, n_steps: int | None, step: int) -> Grid:
    if n_steps is None:
        rate = video.rate or NOMINAL_RATE
        n_frames = rate * video.duration_s
        return Grid(n_frames, max(1, math.ceil(n_frames / step)), video.duration_s, step, rate)
    if video.rate:
        # Features go to the end of the video, annotations perhaps not.
        return Grid(n_steps * step, n_steps, max(video.duration_s, n_steps * step / video.rate), step, video.rate)
    return Grid(n_steps * step, n_steps, video.duration_s, step)


def _sizes(name: str, classes: str) -> dict[Split, int]:
    parts = classes.split("/")
    if len(parts) != len(SPLITS):
        raise ConfigError(f"option 'classes' of '{name}' is train/val/test as in 80/10/10, got '{classes}'")
    return {split: whole_number(name, "classes", part) for split, part in zip(SPLITS, parts, strict=True)}


def _notes(
    videos: Sequence[AnnotatedVideo],
    split_of: Mapping[str, Split],
    groups: Sequence[Sequence[str]],
    causes: Mapping[str, int],
    *,
    nominal_step: int,
) -> list[str]:
    notes = [f"kept in one split, for they annotate the same stretches: {', '.join(group)}" for group in groups]
    n_shared = sum(len({split_of[label] for label in video.labels() if label in split_of}) > 1 for video in videos)
    if n_shared:
        notes.append(f"{n_shared} videos hold classes of two splits")
    if used := ", ".join(f"{cause}: {n}" for cause, n in sorted(causes.items()) if n):
        notes.append(f"rules used on the way: {used}")
    if nominal_step:
        notes.append(f"without features, items are laid on nominal steps of {nominal_step} frames")
    return notes
