"""Classes parted into training, validation and test by a seed, where some annotate the same stretches."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from recue.core.errors import ConfigError
from recue.datasets.annotated import AnnotatedVideo
from recue.datasets.task import SPLITS, Split

#: Two classes belong together when more than this share of the segments of one are segments of the other.
SAME_SHARE = 0.5
#: Two segments are the same above this overlap.
SAME_TIOU = 0.9


def split_classes_together(
    labels: Sequence[str], sizes: Mapping[Split, int], groups: Iterable[Iterable[str]] = (), *, seed: int
) -> dict[Split, tuple[str, ...]]:
    """Part classes by the seed, keeping each group in one split.

    Args:
        labels: All classes.
        sizes: How many classes each split gets.
        groups: Disjoint groups of classes that must not be parted.

    >>> split_classes_together("abcdef", {"train": 3, "test": 2}, ["ab"], seed=1)
    {'train': ('c', 'd', 'f'), 'val': (), 'test': ('a', 'b')}

    Raises:
        ConfigError: there are fewer classes than are asked for, or groups that fit in no split.
    """
    if (n_asked := sum(sizes.values())) > len(labels):
        raise ConfigError(f"splits of {dict(sizes)} classes need {n_asked}, there are {len(labels)}")
    grouped = [tuple(sorted(group)) for group in groups]
    alone = sorted(set(labels) - {label for group in grouped for label in group})
    units = sorted([*grouped, *((label,) for label in alone)])
    Random(f"classes/{seed}").shuffle(units)
    # Large groups first, each to a random split that still has room; single classes fill what is left.
    units.sort(key=len, reverse=True)
    rng = Random(f"splits/{seed}")
    split_of: dict[str, Split] = {}
    room = {split: sizes.get(split, 0) for split in SPLITS}
    n_spare = len(labels) - n_asked
    for unit in units:
        able = [split for split in SPLITS if room[split] >= len(unit)]
        places = [room[split] for split in able]
        if len(unit) <= n_spare and rng.random() * (sum(places) + n_spare) >= sum(places):
            n_spare -= len(unit)  # in no split
            continue
        if not able:
            raise ConfigError(f"the classes {', '.join(unit)} annotate the same stretches and fit in no split together")
        chosen = rng.choices(able, places)[0]
        room[chosen] -= len(unit)
        split_of.update(dict.fromkeys(unit, chosen))
    return {split: tuple(sorted(label for label in split_of if split_of[label] == split)) for split in SPLITS}


def classes_of_the_same_stretches(videos: Iterable[AnnotatedVideo]) -> tuple[tuple[str, ...], ...]:
    """Groups of classes that annotate the same footage, as a dive from a cliff is a dive.

    With one of such a pair in training and the other in test, the test footage would have been trained on.
    """
    n_segments: dict[str, int] = {}
    n_same: dict[tuple[str, str], int] = {}
    for video in videos:
        for one in video.segments:
            n_segments[one.label] = n_segments.get(one.label, 0) + 1
            others = {
                other.label
                for other in video.segments
                if other.label != one.label and one.segment.tiou(other.segment) > SAME_TIOU
            }
            for label in others:
                n_same[one.label, label] = n_same.get((one.label, label), 0) + 1
    groups: list[set[str]] = []
    for (label, other), n in sorted(n_same.items()):
        if n > SAME_SHARE * n_segments[label]:
            joined = [group for group in groups if label in group or other in group]
            groups = [group for group in groups if group not in joined]
            groups.append({label, other}.union(*joined))
    return tuple(tuple(sorted(group)) for group in groups)
