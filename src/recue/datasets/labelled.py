"""A folder of labelled clips, one folder a class: what is there, from which sources, and who gets what."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from recue.core.errors import ConfigError, MediaError
from recue.datasets.composition import SPLITS
from recue.media import VIDEO_SUFFIXES, probe


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled clip.

    Attributes:
        path: The file.
        label: Its class: the name of its folder.
        source: What it was cut from.
        duration_s: Length in seconds.
    """

    path: Path
    label: str
    source: str
    duration_s: float

    @property
    def name(self) -> str:
        """Path inside the clips folder, with `/`."""
        return f"{self.label}/{self.path.name}"


def read_clips(root: str | os.PathLike[str], *, source_pattern: str | None = None, warnings: list[str]) -> list[Clip]:
    """Every readable clip, sorted by class and name.

    Args:
        root: A folder that holds one folder a class; files that are no videos by their suffix are passed over.
        source_pattern: Regular expression, searched in the file name without its suffix; its first group (or, with
            no group, the whole match) is the source. Default: the text before `_<class>_`, else the whole name.
        warnings: Gets a sentence for each clip that is left out.

    Raises:
        ConfigError: `root` is no folder, holds no class with a readable clip, or the pattern is none, or fits no
            clip.
    """
    root = Path(root)
    if not root.is_dir():
        raise ConfigError(f"'{root}' is no folder; name one that holds a folder of clips for each class")
    try:
        pattern = re.compile(source_pattern) if source_pattern is not None else None
    except re.error as error:
        raise ConfigError(f"'{source_pattern}' is no regular expression: {error}") from error
    clips: list[Clip] = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES):
            source = _source(path.stem, folder.name, pattern)
            if source is None:
                raise ConfigError(f"the source pattern '{source_pattern}' fits nothing in '{path.name}'")
            try:
                duration_s = probe(path).duration_s
            except MediaError as error:
                warnings.append(f"clip {folder.name}/{path.name} left out: {_inside(error, root)}")
                continue
            clips.append(Clip(path, folder.name, source, duration_s))
    if not clips:
        raise ConfigError(f"'{root}' holds no class: expected {root.name}/<class>/<clip>.mp4 or another video suffix")
    return clips


def split_classes(labels: Sequence[str], sizes: Mapping[str, int] | None, *, seed: int) -> dict[str, tuple[str, ...]]:
    """Which classes train, validate and test: disjoint, drawn by the seed.

    Args:
        labels: All classes.
        sizes: How many classes a split gets; a split that is not named gets none. Default: about 6 : 3 : 5, at
            least two each; with fewer than six classes training goes first, then validation.
        seed: Of the draw.

    >>> split_classes(["a", "b", "c", "d"], {"val": 2, "test": 2}, seed=1)
    {'train': (), 'val': ('b', 'd'), 'test': ('a', 'c')}

    Raises:
        ConfigError: more classes are asked for than there are, or a split of one class, which leaves nothing to
            put around its instances.
    """
    n = len(labels)
    sizes = _default_sizes(n) if sizes is None else sizes
    if unknown := sorted(set(sizes) - set(SPLITS)):
        raise ConfigError(f"a composition has the splits {', '.join(SPLITS)}, got '{unknown[0]}'")
    for split, size in sizes.items():
        if size == 1 or size < 0:
            raise ConfigError(f"a split needs two classes or more, or none; '{split}' was to get {size}")
    if sum(sizes.values()) > n:
        raise ConfigError(f"splits of {dict(sizes)} classes need {sum(sizes.values())}, there are {n}")
    if not any(sizes.values()):
        raise ConfigError(f"a composition needs two classes or more with two sources each, there are {n}")
    order = sorted(labels)
    Random(f"classes/{seed}").shuffle(order)
    splits: dict[str, tuple[str, ...]] = {}
    first = 0
    for split in SPLITS:
        stop = first + sizes.get(split, 0)
        splits[split] = tuple(sorted(order[first:stop]))
        first = stop
    return splits


def choose_query_sources(clips: Sequence[Clip], *, share: float, seed: int) -> frozenset[str]:
    """The sources that give queries; all others give references, so the two never share one.

    Classes with the fewest sources choose first; each gets about `share` of its sources for queries, at least one,
    and leaves at least one for references.

    Raises:
        ConfigError: a class is left without queries or without references, because its sources all serve other
            classes too.
    """
    by_label: dict[str, set[str]] = {}
    for clip in clips:
        by_label.setdefault(clip.label, set()).add(clip.source)
    rng = Random(f"sources/{seed}")
    for_queries: set[str] = set()
    taken: set[str] = set()
    for label in sorted(by_label, key=lambda name: (len(by_label[name]), name)):
        sources = sorted(by_label[label])
        wanted = min(max(1, round(share * len(sources))), len(sources) - 1)
        free = [s for s in sources if s not in taken]
        rng.shuffle(free)
        missing = max(0, wanted - len(for_queries.intersection(sources)))
        for_queries.update(free[:missing])
        taken.update(sources)
        if not for_queries.intersection(sources) or not set(sources) - for_queries:
            raise ConfigError(
                f"the sources of class '{label}' all serve other classes too and cannot be parted into queries and "
                "references; try another seed, or leave the class out"
            )
    return frozenset(for_queries)


def drop_single_source(clips: Sequence[Clip], warnings: list[str]) -> list[Clip]:
    """Leave out each class whose clips all come from one source: query and target would share it."""
    sources: dict[str, set[str]] = {}
    for clip in clips:
        sources.setdefault(clip.label, set()).add(clip.source)
    single = {label for label, known in sources.items() if len(known) < 2}
    warnings.extend(
        f"class {label} left out: all its clips come from one source, '{next(iter(sources[label]))}'"
        for label in sorted(single)
    )
    return [clip for clip in clips if clip.label not in single]


def _source(stem: str, label: str, pattern: re.Pattern[str] | None) -> str | None:
    if pattern is None:
        before, found, _ = stem.rpartition(f"_{label}_")
        return before if found and before else stem
    match = pattern.search(stem)
    if match is None:
        return None
    return match.group(1) if pattern.groups else match.group(0)


def _inside(error: MediaError, root: Path) -> str:
    """The message without the folder's own path, so that the truth does not depend on where the clips lie."""
    return str(error).replace(f"{root}{os.sep}", "")


def _default_sizes(n: int) -> dict[str, int]:
    if n < 2:
        return {}
    if n < 4:
        return {"test": n}
    if n < 6:
        return {"val": 2, "test": n - 2}
    val = max(2, round(n * 3 / 14))
    test = max(2, round(n * 5 / 14))
    return {"train": n - val - test, "val": val, "test": test}
