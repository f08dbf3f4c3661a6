"""Dataset protocols, and the composer that makes one from labelled clips."""

from recue.core.registry import Registry
from recue.datasets.compose import ComposeSettings, compose
from recue.datasets.composition import (
    Composition,
    Instance,
    Pair,
    QueryClip,
    Reference,
    load_composition,
)
from recue.datasets.opening import load_dataset

#: Each entry is `open_dataset(root: Path, *, features: Path | None = None, **options: str) -> Dataset`.
DATASETS = Registry(
    "dataset",
    {
        "activitynet-1.2": "recue.datasets.activitynet_12:open_dataset",
        "activitynet-relocalization": "recue.datasets.activitynet_relocalization:open_dataset",
        "asl-hand-tracks": "recue.datasets.asl_hand_tracks:open_dataset",
        "ava-search": "recue.datasets.ava_search:open_dataset",
        "composition": "recue.datasets.composed:open_dataset",
        "intervals": "recue.datasets.intervals:open_dataset",
        "tacos": "recue.datasets.tacos:open_dataset",
        "thumos14": "recue.datasets.thumos14:open_dataset",
        "two-source": "recue.datasets.two_source:open_dataset",
    },
    group="recue.datasets",
)

__all__ = [
    "DATASETS",
    "ComposeSettings",
    "Composition",
    "Instance",
    "Pair",
    "QueryClip",
    "Reference",
    "compose",
    "load_composition",
    "load_dataset",
]
