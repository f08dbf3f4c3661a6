"""What every re-localization dataset gives: clips, items and pairs, in steps of features that a store holds.

A dataset knows which stretches of which videos hold which class, and how its protocol makes questions of them. It does
not hold features: a `FeatureStore` reads those of one video, memory-mapped, by the video's name. So the same lists run
on features of any make, and `check` can say what is missing before hours are spent.

Bounds are steps, half-open, on the video's own grid; `FeatureStore.times_s` turns them into seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.features import FeatureSequence

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

#: First step and the step after the last.
Bounds = tuple[int, int]


@dataclass(frozen=True, slots=True, order=True)
class Clip:
    """A labelled stretch of one video.

    Attributes:
        video: Name of the video in the feature store.
        first: First step.
        stop: Step after the last.
        label: Its class.
        source: What it was cut from, where that is known; clips of one source are never paired.
    """

    video: str
    first: int
    stop: int
    label: str
    source: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.stop:
            raise ConfigError(
                f"a clip of '{self.video}' covers one step or more from 0 on, got {self.first}:{self.stop}"
            )

    def __len__(self) -> int:
        return self.stop - self.first


@dataclass(frozen=True, slots=True)
class Item:
    """One moment and the stretch of its video that is searched for it.

    Attributes:
        moment: The truth.
        location: The stretch that is searched; holds the moment.
        others: Further moments of the same class within the location.
    """

    moment: Clip
    location: Bounds
    others: tuple[Bounds, ...] = ()

    def __post_init__(self) -> None:
        first, stop = self.location
        if not (first <= self.moment.first and self.moment.stop <= stop):
            raise ConfigError(
                f"the moment {self.moment.first}:{self.moment.stop} of '{self.moment.video}' lies outside its "
                f"location {first}:{stop}"
            )

    @property
    def truths(self) -> tuple[Bounds, ...]:
        """Every moment of the class in the location, in order."""
        return tuple(sorted({(self.moment.first, self.moment.stop), *self.others}))


@dataclass(frozen=True, slots=True)
class Question:
    """Where in this stretch of a video is what the query shows?

    Attributes:
        query: The example.
        video: The reference.
        location: The stretch of it that is searched.
        truths: Where the query's class is; empty where it is absent.
    """

    query: Clip
    video: str
    location: Bounds
    truths: tuple[Bounds, ...]

    @property
    def present(self) -> bool:
        """Whether there is anything to find."""
        return bool(self.truths)


@runtime_checkable
class FeatureStore(Protocol):
    """Features of the videos of a dataset, read as they are asked for."""

    @property
    def name(self) -> str:
        """What made them, for people."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of what made them."""
        ...

    @property
    def dim(self) -> int:
        """Length of one vector."""
        ...

    def videos(self) -> Sequence[str]:
        """Names of all videos it holds."""
        ...

    def n_steps(self, video: str) -> int:
        """Steps of one video.

        Raises:
            ConfigError: it holds no such video.
        """
        ...

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        """`[stop - first, dim]`; a view of a memory map where the format allows it.

        Raises:
            ConfigError: it holds no such video, or not these steps.
        """
        ...

    def times_s(self, video: str) -> NDArray[np.float64]:
        """`[steps + 1]` bounds of the steps in seconds."""
        ...


def sequence_of(store: FeatureStore, video: str, bounds: Bounds | None = None) -> FeatureSequence:
    """A stretch of one video as a localizer takes it, on the video's own clock.

    Raises:
        ConfigError: the store holds no such video, or not these steps.
    """
    first, stop = bounds if bounds is not None else (0, store.n_steps(video))
    values = store.read(video, first, stop)
    return FeatureSequence(values, store.times_s(video)[first : stop + 1], store.name, store.fingerprint)


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What `recue dataset check` says.

    Attributes:
        name: Registry name.
        counts: For each split what there is: `{"train": {"classes": 160, "items": 7593, "videos": 3982}}`.
        missing: Files that are needed and not there, each with what it is and where it comes from.
        problems: What is wrong with what is there; each sentence names the place.
        notes: What is worth knowing and not wrong.
    """

    name: str
    counts: Mapping[str, Mapping[str, int]]
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def ready(self) -> bool:
        """Whether it can be trained or evaluated on."""
        return not self.missing and not self.problems


@runtime_checkable
class Dataset(Protocol):
    """Any dataset: what `recue dataset` needs."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    def check(self) -> DatasetReport:
        """Look at everything without computing on it."""
        ...


@runtime_checkable
class RelocalizationDataset(Dataset, Protocol):
    """A dataset whose questions are a clip against a stretch of video."""

    @property
    def store(self) -> FeatureStore:
        """Its features.

        Raises:
            ConfigError: they are not there; says what is missing and where it comes from.
        """
        ...

    def classes(self, split: Split) -> tuple[str, ...]:
        """Sorted; no class is in two splits."""
        ...

    def items(self, split: Split) -> tuple[Item, ...]:
        """What references are drawn from, in a fixed order."""
        ...

    def queries(self, split: Split) -> tuple[Clip, ...]:
        """What queries are drawn from, in a fixed order."""
        ...

    def questions(self, split: Split, *, seed: int = 0) -> tuple[Question, ...]:
        """What is asked in validation and test, by the published rule; the same seed gives the same questions."""
        ...
