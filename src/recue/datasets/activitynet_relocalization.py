"""ActivityNet re-localization: the published lists, and the builder that makes such lists from annotations.

Feng et al., Video Re-localization, 2018. Lists are `train.json`, `val.json`, `test.json`, each
`[{"id": video, "label": node, "location": [first, stop], "groundtruth": [first, stop]}]` in steps of 16 frames, with
the ground truth counted from the location's first step; `length.json` `{video: {"n_feat": steps, "n_frames": frames}}`;
`nodeid_to_label.json` `{node: class}`.

Features are ActivityNet's C3D file `sub_activitynet_v1-3.c3d.hdf5`: `v_<video>/c3d_features` `[time, 500]`, windows
of 16 frames each 8, of which every second is kept: one step is 16 frames.
"""

import json
from pathlib import Path
from typing import Any

from recue.core.errors import ConfigError
from recue.datasets.listed import ListedDataset
from recue.datasets.opening import refuse_unknown, whole_number
from recue.datasets.stores import open_store
from recue.datasets.task import SPLITS, Clip, FeatureStore, Item, Split

NAME = "activitynet-relocalization"
FRAMES_PER_STEP = 16
#: Where the lists give no durations, a step lasts this long; overlaps do not depend on it.
NOMINAL_RATE = 30.0


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> ListedDataset:
    """Open the published lists as they are.

    Args:
        root: Folder of the lists.
        features: The C3D file, or a folder of `<video>.npy`.
        options: `every`: keep every so many-th vector (2); `key`: where a video's features are in the HDF5 file
            (`v_{video}/c3d_features`); `name`, `fingerprint`: of the features.

    Raises:
        ConfigError: a list is absent or damaged, or an option unknown.
    """
    refuse_unknown(NAME, options, ("every", "key", "name", "fingerprint"))
    names = _read_json(root / "nodeid_to_label.json")
    items = {split: _read_items(root / f"{split}.json", names) for split in SPLITS}
    step_s = FRAMES_PER_STEP / NOMINAL_RATE

    def open_features() -> FeatureStore:
        if features is None:
            raise ConfigError(
                "the features are not there: get sub_activitynet_v1-3.c3d.hdf5 from the ActivityNet challenge "
                f"and say where it is: {NAME}:{root},features=PATH"
            )
        return open_store(
            features,
            key=options.get("key", "v_{video}/c3d_features"),
            every=whole_number(NAME, "every", options.get("every", "2"), least=1),
            step_s=step_s,
            name=options.get("name", "activitynet-c3d"),
            fingerprint=options.get("fingerprint"),
        )

    return ListedDataset(NAME, items, open_features)


def _read_items(path: Path, names: dict[str, str]) -> tuple[Item, ...]:
    items = []
    for k, entry in enumerate(_read_json(path)):
        try:
            first, stop = entry["location"]
            start, end = entry["groundtruth"]
            moment = Clip(entry["id"], first + start, first + end, names[str(entry["label"])])
            items.append(Item(moment, (first, stop)))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"item {k} of '{path}' is not id, label, location, groundtruth: {error}") from error
    return tuple(items)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"'{path}' is not there; the published lists are a folder with {path.name} in it") from error
    except ValueError as error:
        raise ConfigError(f"'{path}' is not JSON: {error}") from error


__all__ = ["FRAMES_PER_STEP", "NAME", "Split", "open_dataset"]
