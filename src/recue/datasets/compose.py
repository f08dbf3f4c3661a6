"""The composer: from a folder of labelled clips to a benchmark of finding them again."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from recue.core.errors import ConfigError, MediaError
from recue.core.frames import Fit
from recue.core.segment import Segment
from recue.datasets.composition import (
    FEATURES_NAME,
    SPLITS,
    TRUTH_NAME,
    Composition,
    Instance,
    Pair,
    QueryClip,
    Reference,
    load_composition,
    read_truth,
    to_document,
)
from recue.datasets.labelled import (
    Clip,
    choose_query_sources,
    drop_single_source,
    read_clips,
    split_classes,
)
from recue.datasets.splice import Part, splice

#: Gets what was done, what there is to do, and the name of what was just done.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class ComposeSettings:
    """What a composition looks like.

    Attributes:
        n_train: References made for training; 0 for none, its classes still give queries.
        n_val: References made to choose settings on.
        n_test: References made to report on.
        n_train_classes: Classes of the training split; None, with the other two, for about 6 : 3 : 5.
        n_val_classes: Classes of the validation split.
        n_test_classes: Classes of the test split.
        max_instances: A reference holds 0 to this many instances of its target, each number equally often.
        min_clips: Fewest clips of a reference.
        max_clips: Most clips of a reference.
        query_share: Share of the sources of each class that give queries; the rest give references.
        queries_per_class: Most queries of one class.
        queries_per_reference: Queries asked of each reference, all of its target class.
        sizes: Columns and rows that references may have, even.
        rates: Frame rates that references may have.
        fits: How clips of another shape may be brought to that size.
        fade_share: Share of the joins that are cross-fades; the others are cuts.
        fade_s: Shortest and longest cross-fade. None takes more than a quarter of a clip.
        source_pattern: See `recue.datasets.labelled.read_clips`.
    """

    n_train: int = 60
    n_val: int = 60
    n_test: int = 100
    n_train_classes: int | None = None
    n_val_classes: int | None = None
    n_test_classes: int | None = None
    max_instances: int = 3
    min_clips: int = 6
    max_clips: int = 14
    query_share: float = 1 / 3
    queries_per_class: int = 8
    queries_per_reference: int = 2
    sizes: tuple[tuple[int, int], ...] = ((320, 240), (426, 240), (352, 288), (384, 216), (288, 352))
    rates: tuple[str, ...] = ("24", "25", "30000/1001", "30")
    fits: tuple[Fit, ...] = ("crop", "pad")
    fade_share: float = 0.5
    fade_s: tuple[float, float] = (0.1, 0.4)
    source_pattern: str | None = None

    def __post_init__(self) -> None:
        for width, height in self.sizes:
            if width < 16 or height < 16 or width % 2 or height % 2:
                raise ConfigError(f"references have even sizes of 16 or more, got {width}x{height}")
        if not (self.sizes and self.rates and self.fits):
            raise ConfigError("references need one size, one rate and one fit or more")
        if any(Fraction(rate) <= 0 for rate in self.rates):
            raise ConfigError(f"rates are above 0 frames a second, got {', '.join(self.rates)}")
        if min(self.n_train, self.n_val, self.n_test) < 0 or self.n_train + self.n_val + self.n_test == 0:
            raise ConfigError("a composition needs one reference or more")
        if not 1 <= self.min_clips <= self.max_clips or not 0 <= self.max_instances <= self.min_clips:
            raise ConfigError(
                f"references need 0 <= max_instances <= min_clips <= max_clips, got {self.max_instances}, "
                f"{self.min_clips}, {self.max_clips}"
            )
        if not 0.0 < self.query_share < 1.0 or min(self.queries_per_class, self.queries_per_reference) < 1:
            raise ConfigError("queries need a share of the sources in (0, 1) and one query or more")
        if not 0.0 <= self.fade_share <= 1.0 or not 0.0 < self.fade_s[0] <= self.fade_s[1]:
            raise ConfigError(f"cross-fades need a share in [0, 1] and 0 < shortest <= longest, got {self.fade_s}")

    def n_references(self, split: str) -> int:
        """How many references a split gets."""
        return {"train": self.n_train, "val": self.n_val, "test": self.n_test}[split]

    def class_sizes(self) -> dict[str, int] | None:
        """How many classes each split gets, where it was said."""
        given = dict(zip(SPLITS, (self.n_train_classes, self.n_val_classes, self.n_test_classes), strict=True))
        sizes = {split: n for split, n in given.items() if n is not None}
        return sizes or None


def compose(
    clips_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    seed: int = 0,
    settings: ComposeSettings | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Composition:
    """Make a re-localization benchmark from a folder-per-class of labelled clips.

    Classes are parted into training, validation and test; within each class, sources are parted into those that
    give queries and those that give references. A reference joins 6 to 14 clips of its split's classes by cuts and
    cross-fades, 0 to 3 of them of its target class, and is asked with queries of that class. The same clips, seed
    and settings give the same `truth.json` and the same pictures.

    Clips that cannot be read and classes of a single source are left out, with a warning in the result. The folder
    appears under its name when all is done.

    Args:
        clips_dir: Holds one folder of clips a class.
        out_dir: A new or empty folder, or, with `force`, an older composition, which is replaced.
        seed: Of every draw.
        settings: What it looks like.
        force: Replace an older composition.
        progress: Called after each file.

    Returns:
        The composition, as `load_composition` reads it.

    Raises:
        ConfigError: `out_dir` is taken, or the clips do not suffice.
        MediaError: a file cannot be written.

    Cost: one decode of each clip a use and one encode a reference, on one core; memory for a few pictures.
    """
    settings = settings or ComposeSettings()
    clips_root, root = Path(clips_dir), Path(out_dir)
    _require_free(root, force=force)
    warnings: list[str] = []
    clips = read_clips(clips_root, source_pattern=settings.source_pattern, warnings=warnings)
    clips = drop_single_source(clips, warnings)
    splits = split_classes(sorted({clip.label for clip in clips}), settings.class_sizes(), seed=seed)
    clips = [clip for clip in clips if any(clip.label in classes for classes in splits.values())]
    query_sources = choose_query_sources(clips, share=settings.query_share, seed=seed)

    partial = root.with_name(f".{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        queries = _choose_queries(clips, query_sources, splits, settings, seed=seed, root=partial)
        plans = _plan_references([c for c in clips if c.source not in query_sources], splits, settings, seed=seed)
        n_todo, n_done = len(queries) + len(plans), 0
        for query in queries:
            query.path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(clips_root / query.clip, query.path)
            n_done += 1
            if progress:
                progress(n_done, n_todo, query.path.name)
        references = []
        for plan in plans:
            references.append(_write_reference(plan, partial, warnings))
            n_done += 1
            if progress:
                progress(n_done, n_todo, plan.id)
        pairs = _choose_pairs(references, queries, settings, seed=seed)
        made = Composition(
            partial,
            seed,
            _as_json(settings),
            splits,
            tuple(references),
            tuple(queries),
            tuple(pairs),
            tuple(warnings),
        )
        text = json.dumps(to_document(made), indent=1, ensure_ascii=False) + "\n"
        (partial / TRUTH_NAME).write_text(text, encoding="utf-8")
        if root.exists():
            shutil.rmtree(root)
        partial.rename(root)
    except OSError as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"'{root}' cannot be written: {error}; check the folder and the free space") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return load_composition(root)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One reference to be written."""

    id: str
    split: str
    target: str
    clips: tuple[Clip, ...]
    fades_s: tuple[float, ...]  # after each clip; 0 for a cut
    size: tuple[int, int]
    rate: Fraction
    fit: Fit


def _require_free(root: Path, *, force: bool) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise ConfigError(f"'{root}' is a file; name a folder to write the composition to")
    names = {path.name for path in root.iterdir()}
    if not names:
        return
    if read_truth(root) is None or names - {TRUTH_NAME, FEATURES_NAME, "references", "queries"}:
        raise ConfigError(f"'{root}' is not empty and holds other things than a composition; name a new folder")
    if not force:
        raise ConfigError(f"'{root}' already holds a composition; name a new folder, or replace it with --force")


def _choose_queries(
    clips: Sequence[Clip],
    query_sources: frozenset[str],
    splits: Mapping[str, tuple[str, ...]],
    settings: ComposeSettings,
    *,
    seed: int,
    root: Path,
) -> list[QueryClip]:
    """For each class, clips of as many different sources as there are."""
    queries = []
    for split, labels in splits.items():
        for label in labels:
            mine = [c for c in clips if c.label == label and c.source in query_sources]
            Random(f"queries/{seed}/{label}").shuffle(mine)
            chosen = _spread(mine, by=lambda clip: clip.source)[: settings.queries_per_class]
            for clip in sorted(chosen, key=lambda clip: clip.name):
                path = root / "queries" / split / label / clip.path.name
                queries.append(QueryClip(clip.name, path, split, label, clip.source, clip.name))
    return queries


def _plan_references(
    clips: Sequence[Clip], splits: Mapping[str, tuple[str, ...]], settings: ComposeSettings, *, seed: int
) -> list[_Plan]:
    by_label: dict[str, list[Clip]] = {}
    for clip in clips:
        by_label.setdefault(clip.label, []).append(clip)
    plans = []
    for split, labels in splits.items():
        for k in range(settings.n_references(split) if labels else 0):
            # Every class meets every number of instances equally often.
            target, n_instances = labels[k % len(labels)], k // len(labels) % (settings.max_instances + 1)
            rng = Random(f"reference/{seed}/{split}/{k}")
            chosen = _choose_clips(by_label, labels, target, n_instances, settings, rng)
            fades_s = [
                min(rng.uniform(*settings.fade_s), a.duration_s / 4, b.duration_s / 4)
                if rng.random() < settings.fade_share
                else 0.0
                for a, b in pairwise(chosen)
            ]
            plans.append(
                _Plan(
                    f"{split}-{k:03d}",
                    split,
                    target,
                    tuple(chosen),
                    (*fades_s, 0.0),
                    rng.choice(settings.sizes),
                    Fraction(rng.choice(settings.rates)),
                    rng.choice(settings.fits),
                )
            )
    return plans


def _choose_clips(
    by_label: Mapping[str, Sequence[Clip]],
    labels: Sequence[str],
    target: str,
    n_instances: int,
    settings: ComposeSettings,
    rng: Random,
) -> list[Clip]:
    """Clips of one reference in order: no clip twice, sources spread, no class next to itself where that can be."""
    shuffled = {}
    for label in labels:
        own = list(by_label[label])
        rng.shuffle(own)
        shuffled[label] = _spread(own, by=lambda clip: clip.source)
    n_clips = rng.randint(settings.min_clips, settings.max_clips)
    chosen = {target: shuffled[target][:n_instances]}
    others = [label for label in labels if label != target]
    rng.shuffle(others)
    # One of each other class in turn, so that no class gives itself away by its number.
    turns = [clip for round_ in _rounds([shuffled[label] for label in others]) for clip in round_]
    for clip in turns[: n_clips - len(chosen[target])]:
        chosen.setdefault(clip.label, []).append(clip)
    order: list[Clip] = []
    while left := {label: own for label, own in chosen.items() if own}:
        n_left = sum(len(own) for own in left.values())
        free = [label for label in left if not order or label != order[-1].label] or list(left)
        # A class that holds more than half of what is left must come now, or it meets itself later.
        pressing = [label for label in free if 2 * len(left[label]) > n_left]
        label = pressing[0] if pressing else rng.choices(free, [len(left[name]) for name in free])[0]
        order.append(left[label].pop(0))
    return order


def _choose_pairs(
    references: Sequence[Reference], queries: Sequence[QueryClip], settings: ComposeSettings, *, seed: int
) -> list[Pair]:
    pairs = []
    for reference in references:
        own = [q for q in queries if q.split == reference.split and q.label == reference.target]
        chosen = Random(f"pairs/{seed}/{reference.id}").sample(own, min(len(own), settings.queries_per_reference))
        present = bool(reference.truths(reference.target))
        pairs += [Pair(q.id, reference.id, reference.split, reference.target, present) for q in chosen]
    return pairs


def _write_reference(plan: _Plan, root: Path, warnings: list[str]) -> Reference:
    path = root / "references" / plan.split / f"{plan.id}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        Part(clip.path, clip.name, int(fade_s * plan.rate))
        for clip, fade_s in zip(plan.clips, plan.fades_s, strict=True)
    ]
    width, height = plan.size
    spliced = splice(parts, path, width=width, height=height, rate=plan.rate, fit=plan.fit, warnings=warnings)
    return Reference(
        plan.id,
        path,
        plan.split,
        width,
        height,
        plan.rate,
        spliced.n_frames,
        plan.target,
        tuple(
            Instance(
                clip.label,
                Segment(round(float(placed.start), 6), round(float(placed.end), 6)),
                clip.source,
                clip.name,
            )
            for clip, placed in zip(plan.clips, spliced.placed, strict=True)
            if placed is not None
        ),
    )


def _spread(clips: Sequence[Clip], *, by: Callable[[Clip], str]) -> list[Clip]:
    """Reordered so that every key comes once before any comes twice."""
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(by(clip), []).append(clip)
    return [clip for round_ in _rounds(list(groups.values())) for clip in round_]


def _rounds(groups: Sequence[Sequence[Clip]]) -> list[list[Clip]]:
    """First those that come first in their group, then those that come second, and so on."""
    longest = max((len(group) for group in groups), default=0)
    return [[group[i] for group in groups if i < len(group)] for i in range(longest)]


def _as_json(settings: ComposeSettings) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return values
