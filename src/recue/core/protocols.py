"""The seams: what a backbone, a localizer and a retriever must do to plug in."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recue.core.bank import FeatureBank
from recue.core.features import FeatureSequence
from recue.core.frames import Frame, FrameSampling
from recue.core.moment import ScoredSegment


@runtime_checkable
class Source(Protocol):
    """What makes feature sequences, by whatever means."""

    @property
    def name(self) -> str:
        """Registry name with its options, for people: `i3d`, `i3d+efficientnet-lite`."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of weights, preprocessing, rate and step; equal only if features may be compared."""
        ...

    @property
    def dim(self) -> int:
        """Length of one feature vector."""
        ...

    @property
    def step_s(self) -> float:
        """Nominal length of a step in seconds."""
        ...


@runtime_checkable
class Backbone(Source, Protocol):
    """Turns frames into a feature sequence."""

    @property
    def sampling(self) -> FrameSampling:
        """The frames it wants."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that `posteriors` speaks of; empty if it knows none."""
        ...

    def encode(self, frames: Iterable[Frame]) -> FeatureSequence:
        """Encode a stream of frames, in order, holding only a window of them at a time.

        Raises:
            ShapeError: the stream is empty.
        """
        ...

    def posteriors(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Class probabilities `[time, classes]` of feature vectors `[time, dim]`."""
        ...


@runtime_checkable
class FileSource(Source, Protocol):
    """Reads a feature sequence that the user made elsewhere."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File endings it reads, lower case with the dot."""
        ...

    def read(self, path: Path) -> FeatureSequence:
        """Read one file.

        Raises:
            MediaError: the file cannot be read.
            ShapeError: it holds something else than `[time, dim]`.
        """
        ...


@runtime_checkable
class Localizer(Protocol):
    """Finds the query in one reference."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        """Segments of `reference` that match `query`, best first; empty when nothing does.

        Raises:
            FingerprintError: the two were made by different things.
        """
        ...


@runtime_checkable
class BankLocalizer(Localizer, Protocol):
    """A localizer that can also take a whole bank in one pass, faster than one by one."""

    def localize_bank(
        self, query: FeatureSequence, bank: FeatureBank, videos: NDArray[np.int64] | None = None
    ) -> list[list[ScoredSegment]]:
        """For each chosen video of the bank (None: all), what `localize` would answer."""
        ...

    def best_scores(
        self, query: FeatureSequence, bank: FeatureBank, videos: NDArray[np.int64] | None = None, *, threads: int = 1
    ) -> NDArray[np.float32]:
        """For each chosen video, the score that `localize_bank` would answer first; 0 where nothing matches."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """Turns a query into one vector and a reference into a few; the score is the largest cosine."""

    @property
    def name(self) -> str:
        """Registry name."""
        ...

    def embed_query(self, query: FeatureSequence) -> NDArray[np.float32]:
        """`[dim]`, unit length."""
        ...

    def embed_reference(self, reference: FeatureSequence) -> NDArray[np.float32]:
        """`[few, dim]`, unit length each."""
        ...


@runtime_checkable
class Transform(Protocol):
    """A fixed map of feature vectors, applied once when a bank is derived from a gallery."""

    @property
    def fingerprint(self) -> str:
        """Identity of the map."""
        ...

    @property
    def dim(self) -> int:
        """Length of a mapped vector."""
        ...

    def apply(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map `[n, in_dim]` to `[n, dim]`."""
        ...
