"""ActivityNet re-localization: the published lists as they are, or made anew from annotations.

Lists are `train.json`, `val.json`, `test.json`, each
`[{"id": video, "label": node, "location": [first, stop], "groundtruth": [first, stop]}]` in steps of 16 frames, with
the ground truth counted from the location's first step. Beside them lie `length.json`
`{video: {"n_feat": steps, "n_frames": frames}}`, `nodeid_to_label.json` `{node: class}` and `perm.npy`, an order of
the sorted class names of which the first 160 train, the next 20 validate and the last 20 test.

Features are ActivityNet's C3D file `sub_activitynet_v1-3.c3d.hdf5`: `v_<video>/c3d_features` `[time, 500]`, windows
of 16 frames each 8, of which every second is kept: one step is 16 frames.

Source: Feng et al., Video Re-localization, 2018, section 4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recue.core.errors import ConfigError
from recue.datasets.annotated import AnnotatedVideo, read_activitynet, read_json
from recue.datasets.list_builder import FRAMES_PER_STEP, Built, Grid, build_items
from recue.datasets.list_comparison import (
    ListComparison,
    compare_lists,
    comparison_notes,
    comparison_problems,
)
from recue.datasets.listed import ListedDataset
from recue.datasets.opening import refuse_unknown, whole_number
from recue.datasets.stores import open_store
from recue.datasets.task import SPLITS, Clip, FeatureStore, Item, Split

NAME = "activitynet-relocalization"
FEATURES_FILE = "sub_activitynet_v1-3.c3d.hdf5"
#: Where nothing says how long a video is, its steps are laid out at this rate; overlaps do not depend on it.
NOMINAL_RATE = 30.0
N_CLASSES: Mapping[Split, int] = {"train": 160, "val": 20, "test": 20}

OPTIONS = ("annotations", "every", "fingerprint", "key", "lists", "name", "seed")


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> ListedDataset:
    """Open the published lists, or lists made from annotations by their rules.

    Args:
        root: Folder of the lists.
        features: The C3D file, or a folder of `<video>.npy`.
        options: `annotations`: a file in the ActivityNet format; with it `check` makes the lists anew and compares,
            and steps have their true length in seconds. `lists`: `published` (default) or `derived`. `seed`: of the
            windows of derived lists (0). `every`: keep every so many-th vector (2). `key`: where a video's features
            are in the HDF5 file (`v_{video}/c3d_features`). `name`, `fingerprint`: of the features.

    Raises:
        ConfigError: a list is absent or damaged, or an option unknown.
    """
    refuse_unknown(NAME, options, OPTIONS)
    every = whole_number(NAME, "every", options.get("every", "2"), least=1)
    seed = whole_number(NAME, "seed", options.get("seed", "0"))
    which = options.get("lists", "published")
    if which not in ("published", "derived"):
        raise ConfigError(f"option 'lists' of '{NAME}' is published or derived, got '{which}'")
    if which == "derived" and "annotations" not in options:
        raise ConfigError(f"derived lists need annotations in the ActivityNet format: {NAME}:{root},annotations=FILE")
    lists = Lists(root, Path(options["annotations"]).expanduser() if "annotations" in options else None, seed)
    items = lists.derived if which == "derived" else lists.published

    def open_features() -> FeatureStore:
        if features is None:
            raise ConfigError(
                f"no features were named: get {FEATURES_FILE} from the ActivityNet challenge and say where it is, "
                f"{NAME}:{root},features=PATH"
            )
        return open_store(
            features,
            key=options.get("key", "v_{video}/c3d_features"),
            every=every,
            step_s=lists.step_s,
            name=options.get("name", "activitynet-c3d"),
            fingerprint=options.get("fingerprint"),
        )

    return ListedDataset(
        NAME,
        items,
        open_features,
        n_steps={video: length.n_steps for video, length in lists.lengths.items()},
        examine=_examiner(lists, which),
    )


@dataclass(frozen=True, slots=True)
class Length:
    """What `length.json` says of one video.

    Attributes:
        n_frames: Frames.
        n_steps: Steps of the features that the lists were made on.
    """

    n_frames: int
    n_steps: int


@dataclass(frozen=True)
class Lists:
    """The files of the lists, read as they are asked for.

    Attributes:
        root: Their folder.
        annotations: A file in the ActivityNet format.
        seed: Of the windows of derived lists.

    Raises:
        ConfigError: by each property, where its file is absent or damaged.
    """

    root: Path
    annotations: Path | None = None
    seed: int = 0

    @cached_property
    def names(self) -> dict[str, str]:
        """Class of each node."""
        return {str(node): str(name) for node, name in read_json(self.root / "nodeid_to_label.json").items()}

    @cached_property
    def lengths(self) -> dict[str, Length]:
        """Frames and steps of each video."""
        path = self.root / "length.json"
        try:
            return {video: Length(int(x["n_frames"]), int(x["n_feat"])) for video, x in read_json(path).items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"'{path}' is not n_frames and n_feat by video: {error!r}") from error

    @cached_property
    def split_of(self) -> dict[str, Split]:
        """Split of each class, by `perm.npy`."""
        path = self.root / "perm.npy"
        try:
            order = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ConfigError(f"the order of the classes '{path}' cannot be read: {error}") from error
        names = sorted(self.names.values())
        if order.dtype.kind not in "iu" or sorted(order.tolist()) != list(range(len(names))):
            raise ConfigError(f"'{path}' is no order of the {len(names)} classes of nodeid_to_label.json")
        if len(names) != sum(N_CLASSES.values()):
            raise ConfigError(f"'{self.root}' has {len(names)} classes, expected {sum(N_CLASSES.values())}")
        splits = [split for split in SPLITS for _ in range(N_CLASSES[split])]
        return {names[k]: split for k, split in zip(order.tolist(), splits, strict=True)}

    @cached_property
    def published(self) -> dict[Split, tuple[Item, ...]]:
        """The published items, in their order."""
        return {split: _read_items(self.root / f"{split}.json", self.names) for split in SPLITS}

    @cached_property
    def annotated(self) -> dict[str, AnnotatedVideo]:
        """The annotations; empty where none were named."""
        return read_activitynet(self.annotations) if self.annotations is not None else {}

    @cached_property
    def grids(self) -> dict[str, Grid]:
        """Steps of each annotated video of known length."""
        return {
            video.name: Grid(length.n_frames, length.n_steps, video.duration_s)
            for video in self.annotated.values()
            if (length := self.lengths.get(video.name)) is not None
        }

    @cached_property
    def built(self) -> Built:
        """Items made from the annotations, videos by name."""
        return build_items([self.annotated[name] for name in sorted(self.annotated)], self.grids, seed=self.seed)

    @property
    def derived(self) -> dict[Split, tuple[Item, ...]]:
        """The items made from the annotations, by split."""
        unknown = sorted({item.moment.label for item in self.built.items} - set(self.split_of))
        if unknown:
            raise ConfigError(f"'{self.annotations}' has classes that the lists do not know: {', '.join(unknown[:5])}")
        return {
            split: tuple(item for item in self.built.items if self.split_of[item.moment.label] == split)
            for split in SPLITS
        }

    @property
    def step_s(self) -> dict[str, float]:
        """Seconds of a step, by video: true where a duration is known, else at a nominal rate."""
        nominal_s = FRAMES_PER_STEP / NOMINAL_RATE
        return {video: self.grids[video].step_s if video in self.grids else nominal_s for video in self.lengths}

    def compare(self) -> ListComparison:
        """The derived with the published items, over all splits."""
        derived_split = {item.moment: split for split, items in self.derived.items() for item in items}
        published = [item for items in self.published.values() for item in items]
        for split, items in self.published.items():
            for item in items:
                if derived_split.get(item.moment, split) != split:
                    raise ConfigError(
                        f"'{item.moment.label}' is published in {split}, perm.npy puts it in "
                        f"{derived_split[item.moment]}"
                    )
        return compare_lists(self.built, published, self.annotated)


def _examiner(lists: Lists, which: str) -> Callable[[], tuple[tuple[str, ...], tuple[str, ...]]]:
    def examine() -> tuple[tuple[str, ...], tuple[str, ...]]:
        problems: list[str] = []
        notes = [] if lists.annotated else ["without annotations a step is taken as 16 frames at 30 frames a second"]
        for split, items in (lists.published if which == "published" else lists.derived).items():
            wrong = sorted({i.moment.label for i in items if lists.split_of.get(i.moment.label) != split})
            if wrong:
                problems.append(f"perm.npy does not put these classes of {split} there: {', '.join(wrong[:5])}")
            long = [i for i in items if (n := lists.lengths.get(i.moment.video)) and i.location[1] > n.n_steps]
            if long:
                problems.append(f"{len(long)} items of {split} end after their video, e.g. in {long[0].moment.video}")
        if lists.annotated and (lists.root / "train.json").exists():
            comparison = lists.compare()
            problems += comparison_problems(comparison)
            notes += comparison_notes(comparison, lists.built.causes)
        return tuple(problems), tuple(notes)

    return examine


def _read_items(path: Path, names: Mapping[str, str]) -> tuple[Item, ...]:
    items = []
    document: Any = read_json(path)
    for k, entry in enumerate(document):
        try:
            first, stop = entry["location"]
            start, end = entry["groundtruth"]
            moment = Clip(entry["id"], first + start, first + end, names[str(entry["label"])])
            items.append(Item(moment, (first, stop)))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"item {k} of '{path}' is not id, label, location, groundtruth: {error!r}") from error
    return tuple(items)
