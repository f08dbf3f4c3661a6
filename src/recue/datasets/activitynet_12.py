"""ActivityNet 1.2 with its 100 classes parted 80/10/10: for proposals, triplets and re-localization.

The list is `activity_net.v1-2.min.json`, features are ActivityNet's C3D file (500 numbers each 8 frames, of which
every second is kept), which holds these videos too.

Source: Similarity-metric graph re-localization, section 5.1.1.
"""

from pathlib import Path

from recue.datasets.annotated import read_activitynet
from recue.datasets.annotated_lists import Protocol, list_annotated
from recue.datasets.listed import ListedDataset

NAME = "activitynet-1.2"
N_VIDEOS = 9682

_PROTOCOL = Protocol(
    NAME,
    classes="80/10/10",
    key="v_{video}/c3d_features",
    every=2,
    features_name="activitynet-c3d",
    features_from="get sub_activitynet_v1-3.c3d.hdf5 from the ActivityNet challenge and say where it is",
    drop_overlapping=True,
)


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> ListedDataset:
    """Open the annotations.

    Args:
        root: The JSON file in the ActivityNet format, or a folder with it alone.
        features: The C3D file, or a folder of `<video>.npy`.
        options: See `list_annotated`.

    Raises:
        ConfigError: the file is absent or damaged, an option makes no sense, or there are too few classes.
    """
    videos = list(read_activitynet(root).values())
    notes = [] if len(videos) == N_VIDEOS else [f"the list has {len(videos)} videos, version 1.2 has {N_VIDEOS}"]
    return list_annotated(_PROTOCOL, root, videos, features=features, options=options, notes=notes)
