"""From annotations in seconds to items in steps, by the rules of the published re-localization lists.

For one video, in this order:

1. segments of one class that overlap or touch, in seconds, are merged;
2. a video where segments of different classes overlap is left out;
3. a segment covers steps `floor(n_frames t_start / duration / 16)` to `floor(n_frames t_end / duration / 16) + 1`, at
   most to the last step; longer than 32 steps or empty, it is left out, but still bounds its neighbours' locations;
4. its location runs from the end of the previous to the start of the next segment of its class, in seconds, laid on
   steps in the same way: so it may hold one step of a neighbour at each end;
5. of a location over 300 steps, a window of 300 that holds the segment is drawn, all places equally likely.

Source: Feng et al., Video Re-localization, 2018, section 4, and the lists that were published with it: rules 1 and 4
say what the lists hold, where the text leaves it open.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import Literal

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets.annotated import AnnotatedVideo
from recue.datasets.task import Bounds, Clip, Item

FRAMES_PER_STEP = 16


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps of one video.

    Attributes:
        n_frames: Frames of the video; need not be whole where only rate and duration are known.
        n_steps: Steps of its features.
        duration_s: Its length.
        frames_per_step: Frames of a step.
        rate: Frames a second where that is known better than `n_frames / duration_s`; 0 where it is not.
    """

    n_frames: float
    n_steps: int
    duration_s: float
    frames_per_step: int = FRAMES_PER_STEP
    rate: float = 0.0

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        if self.rate:
            return self.frames_per_step / self.rate
        return self.frames_per_step * self.duration_s / self.n_frames

    def step_at(self, instant_s: float) -> int:
        """The step that an instant falls in."""
        if self.rate:
            return math.floor(self.rate * instant_s / self.frames_per_step)
        # In this order of operations: the published lists were rounded down from these very floats.
        return math.floor(self.n_frames * instant_s / self.duration_s / self.frames_per_step)

    def bounds(self, segment: Segment) -> Bounds:
        """Steps of a segment, the one that its end falls in included; may be empty past the last step."""
        return self.step_at(segment.start_s), min(self.n_steps, self.step_at(segment.end_s) + 1)


@dataclass(frozen=True, slots=True)
class BuildRules:
    """What may be chosen about the rules; the defaults are the published ones.

    Attributes:
        max_moment_steps: Longer segments give no item.
        max_location_steps: Longer locations are cut to a random window of this length; 0 for never.
        location: `between`: from the previous to the next segment of the class, one truth an item. `video`: the whole
            video, all segments of the class are truths.
        drop_overlapping: Leave out a video where segments of different classes overlap.
    """

    max_moment_steps: int = 32
    max_location_steps: int = 300
    location: Literal["between", "video"] = "between"
    drop_overlapping: bool = True

    def __post_init__(self) -> None:
        if self.max_moment_steps < 1 or self.max_location_steps < 0:
            raise ConfigError(
                f"items need max_moment_steps of 1 and max_location_steps of 0 or more, got {self.max_moment_steps} "
                f"and {self.max_location_steps}"
            )
        if self.location not in ("between", "video"):
            raise ConfigError(f"a location is 'between' or 'video', got '{self.location}'")
        if 0 < self.max_location_steps < self.max_moment_steps:
            raise ConfigError(
                f"a location of {self.max_location_steps} steps cannot hold a moment of {self.max_moment_steps}"
            )


@dataclass(frozen=True, slots=True)
class Built:
    """Items, and what was done on the way.

    Attributes:
        items: By video in the given order, then by start.
        outer: For each item whose location was cut to a window, by its moment: what it was cut from.
        causes: How often each rule was used: `merged`, `overlapping classes` (videos), `too long`, `empty`,
            `window`, `clipped` (ends past the last step).
    """

    items: tuple[Item, ...]
    outer: Mapping[Clip, Bounds] = field(default_factory=dict)
    causes: Mapping[str, int] = field(default_factory=dict)


def build_items(
    videos: Iterable[AnnotatedVideo],
    grids: Mapping[str, Grid],
    *,
    rules: BuildRules | None = None,
    seed: int = 0,
) -> Built:
    """Make items of annotated videos.

    Args:
        videos: Their segments; those without any give nothing.
        grids: Steps of each video that has segments.
        rules: What the items look like; None for the published rules.
        seed: Of the windows; a window depends on it, the video and the moment alone.

    Raises:
        ConfigError: a video with segments has no grid.
    """
    rules = rules or BuildRules()
    items: list[Item] = []
    outer: dict[Clip, Bounds] = {}
    causes: Counter[str] = Counter()
    for video in videos:
        if not video.segments:
            continue
        if video.name not in grids:
            raise ConfigError(f"how many frames and steps '{video.name}' has was not said; add it to the lengths")
        _add_items(video, grids[video.name], rules, seed, items, outer, causes)
    return Built(tuple(items), outer, dict(causes))


def merge_segments(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Join segments that overlap or touch; sorted.

    >>> [(s.start_s, s.end_s) for s in merge_segments([Segment(4, 5), Segment(0, 2), Segment(1, 3), Segment(3, 3.5)])]
    [(0, 3.5), (4, 5)]
    """
    merged: list[Segment] = []
    for segment in sorted(segments):
        if merged and segment.start_s <= merged[-1].end_s:
            merged[-1] = Segment(merged[-1].start_s, max(merged[-1].end_s, segment.end_s))
        else:
            merged.append(segment)
    return tuple(merged)


def _add_items(
    video: AnnotatedVideo,
    grid: Grid,
    rules: BuildRules,
    seed: int,
    items: list[Item],
    outer: dict[Clip, Bounds],
    causes: Counter[str],
) -> None:
    by_label = {
        label: merge_segments([given.segment for given in video.segments if given.label == label])
        for label in video.labels()
    }
    causes["merged"] += len(video.segments) - sum(len(segments) for segments in by_label.values())
    if rules.drop_overlapping and _classes_overlap(by_label):
        causes["overlapping classes"] += 1
        return
    mine: list[Item] = []
    for label, segments in by_label.items():
        all_bounds = [grid.bounds(segment) for segment in segments]
        for k, (segment, (first, stop)) in enumerate(zip(segments, all_bounds, strict=True)):
            causes["clipped"] += grid.step_at(segment.end_s) + 1 > grid.n_steps
            if stop <= first:
                causes["empty"] += 1
                continue
            if stop - first > rules.max_moment_steps:
                causes["too long"] += 1
                continue
            moment = Clip(video.name, first, stop, label)
            location = _location(segments, k, grid, rules)
            if 0 < rules.max_location_steps < location[1] - location[0]:
                causes["window"] += 1
                outer[moment] = location
                location = _window(moment, location, rules.max_location_steps, seed)
            mine.append(Item(moment, location, _others(all_bounds, k, location, rules)))
    items += sorted(mine, key=lambda item: (item.moment.first, item.moment.stop, item.moment.label))


def _classes_overlap(by_label: Mapping[str, Sequence[Segment]]) -> bool:
    return any(a.intersection_s(b) > 0 for one, other in combinations(by_label.values(), 2) for a in one for b in other)


def _location(segments: Sequence[Segment], k: int, grid: Grid, rules: BuildRules) -> Bounds:
    if rules.location == "video":
        return 0, grid.n_steps
    after_s = segments[k - 1].end_s if k else 0.0
    before_s = segments[k + 1].start_s if k + 1 < len(segments) else max(grid.duration_s, segments[k].end_s)
    return grid.bounds(Segment(after_s, before_s))


def _window(moment: Clip, location: Bounds, n_steps: int, seed: int) -> Bounds:
    """A stretch of `n_steps` of the location that holds the moment, all places equally likely."""
    earliest = max(location[0], moment.stop - n_steps)
    latest = min(moment.first, location[1] - n_steps)
    rng = Random(f"window/{seed}/{moment.video}/{moment.first}/{moment.stop}/{moment.label}")
    first = earliest + int(rng.random() * (latest - earliest + 1))
    return first, first + n_steps


def _others(all_bounds: Sequence[Bounds], k: int, location: Bounds, rules: BuildRules) -> tuple[Bounds, ...]:
    """Further truths of a whole video; between neighbours there is none by construction but the shared step."""
    if rules.location == "between":
        return ()
    clipped = [
        (max(first, location[0]), min(stop, location[1])) for j, (first, stop) in enumerate(all_bounds) if j != k
    ]
    return tuple((first, stop) for first, stop in clipped if first < stop)
