"""Features of videos that exist only as lists of pieces, put together as they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets.reorganise import PlacedInstance, SplicedVideo
from recue.datasets.task import Bounds, FeatureStore
from recue.datasets.timing import steps_within


@dataclass(frozen=True, slots=True)
class _Part:
    """Steps `first` to `stop - 1` of a source, which start at step `at` of the spliced video."""

    video: str
    first: int
    stop: int
    at: int


class SplicedStore:
    """A store of the sources, with spliced videos beside them.

    A piece takes the steps between the step bounds nearest to its own; one that holds an action takes one step at
    least. A spliced video starts at 0 s and each step keeps its length. Videos that are not spliced are the sources'.

    Args:
        sources: Their store.
        videos: The spliced ones; those of one whole piece under the source's own name are left to `sources`.
    """

    def __init__(self, sources: FeatureStore, videos: Sequence[SplicedVideo]) -> None:
        self._sources = sources
        self._videos: Mapping[str, SplicedVideo] = {
            video.name: video for video in videos if video.pieces[0].video != video.name
        }
        self._parts: dict[str, tuple[_Part | None, ...]] = {}

    @property
    def name(self) -> str:
        """What made them."""
        return self._sources.name

    @property
    def fingerprint(self) -> str:
        """Identity of what made them."""
        return self._sources.fingerprint

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return self._sources.dim

    def videos(self) -> Sequence[str]:
        """The sources, and the spliced videos whose sources are all there."""
        held = set(self._sources.videos())
        made = (name for name, video in self._videos.items() if held.issuperset(video.sources))
        return (*self._sources.videos(), *made)

    def n_steps(self, video: str) -> int:
        """Steps of one video.

        Raises:
            ConfigError: it holds no such video.
        """
        if video not in self._videos:
            return self._sources.n_steps(video)
        return sum(part.stop - part.first for part in self._parts_of(video) if part is not None)

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        """`[stop - first, dim]`; a view where it lies within one piece.

        Raises:
            ConfigError: it holds no such video, or not these steps.
        """
        if video not in self._videos:
            return self._sources.read(video, first, stop)
        n_steps = self.n_steps(video)
        stop = n_steps if stop is None else stop
        if not 0 <= first < stop <= n_steps:
            raise ConfigError(f"steps {first}:{stop} of '{video}' were asked for, it has {n_steps} steps")
        read = []
        for part in self._parts_of(video):
            if part is None:
                continue
            start, end = max(first - part.at, 0), min(stop - part.at, part.stop - part.first)
            if start < end:
                read.append(self._sources.read(part.video, part.first + start, part.first + end))
        return read[0] if len(read) == 1 else np.concatenate(read)

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds."""
        if video not in self._videos:
            return self._sources.times_s(video)
        lengths = [
            np.diff(self._sources.times_s(part.video)[part.first : part.stop + 1])
            for part in self._parts_of(video)
            if part is not None
        ]
        return np.concatenate([[0.0], np.cumsum(np.concatenate(lengths))])

    def steps_of(self, video: SplicedVideo, instance: PlacedInstance) -> Bounds:
        """The steps of an action in a reference, within its own piece."""
        source = video.pieces[instance.piece].video
        first, stop = steps_within(self._sources.times_s(source), instance.origin)
        if video.name not in self._videos:
            return first, stop
        part = self._parts_of(video.name)[instance.piece]
        assert part is not None, "a piece with an action has a step"
        first = min(max(first, part.first), part.stop - 1)
        stop = max(min(stop, part.stop), first + 1)
        return first - part.first + part.at, stop - part.first + part.at

    def _parts_of(self, name: str) -> tuple[_Part | None, ...]:
        """One entry a piece; None for a piece too short for a step."""
        if name not in self._parts:
            video = self._videos[name]
            with_action = {instance.piece for instance in video.instances}
            parts: list[_Part | None] = []
            at = 0
            for k, piece in enumerate(video.pieces):
                bounds = _nearest_bounds(self._sources.times_s(piece.video), piece.segment, needed=k in with_action)
                parts.append(_Part(piece.video, *bounds, at) if bounds is not None else None)
                at += bounds[1] - bounds[0] if bounds is not None else 0
            self._parts[name] = tuple(parts)
        return self._parts[name]


def _nearest_bounds(times_s: NDArray[np.float64], segment: Segment, *, needed: bool) -> Bounds | None:
    middles_s = 0.5 * (times_s[:-1] + times_s[1:])
    first, stop = (int(np.searchsorted(middles_s, bound_s)) for bound_s in (segment.start_s, segment.end_s))
    if first < stop:
        return first, stop
    return steps_within(times_s, segment) if needed else None
