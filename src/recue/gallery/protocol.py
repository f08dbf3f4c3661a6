"""The gallery protocol: what every engine keeps and answers, and the types it speaks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core import FeatureBank, FeatureSequence, VideoRecord
from recue.core.protocols import Source, Transform

#: What is wrong: `features` (missing, damaged or of another length), `orphan` (features no video owns),
#: `derived` (the mapped array differs from the table), `file` (the video itself has gone or changed).
ProblemKind = Literal["features", "orphan", "derived", "file"]

#: Number format of a bank's values.
BankDtype = Literal["float16", "float32"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What made the features of a gallery: the part of a backbone that is stored.

    Attributes:
        name: Canonical spec, enough to load it again: `i3d:rate=16,size=160`.
        fingerprint: As in `FeatureSequence`.
        dim: Length of one feature vector.
        step_s: Nominal length of a step in seconds.
    """

    name: str
    fingerprint: str
    dim: int
    step_s: float

    @classmethod
    def of(cls, source: Source) -> "SourceInfo":
        """The stored part of a backbone or a file source."""
        return cls(source.name, source.fingerprint, source.dim, source.step_s)


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """What a gallery is.

    Attributes:
        name: Its name, or the name of its directory.
        location: Where it is: a directory, or an address.
        source: What made its features.
        created_at: UTC, ISO 8601.
        engine: Name of the engine that keeps it: `lance`.
    """

    name: str
    location: str
    source: SourceInfo
    created_at: str
    engine: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that `verify` found.

    Attributes:
        kind: See `ProblemKind`. `features` and `derived` are damage; `orphan` is what a killed add left, which
            the next add sweeps; `file` is news about the user's files.
        message: A sentence with the way out.
        video_id: The video concerned, where it is one.
        path: Its path, where it is one.
    """

    kind: ProblemKind
    message: str
    video_id: str | None = None
    path: str | None = None

    @property
    def is_damage(self) -> bool:
        """Whether the gallery itself is at fault."""
        return self.kind in ("features", "derived")


@dataclass(frozen=True, slots=True)
class GalleryStats:
    """How much a gallery holds.

    Attributes:
        n_videos: Videos.
        duration_s: Seconds of video.
        n_steps: Feature steps.
        catalogue_bytes: On disk, the catalogue with the retrieval vectors.
        features_bytes: On disk, the features, old versions not yet cleaned up included.
        derived_bytes: On disk, what can be made again from the other two.
    """

    n_videos: int
    duration_s: float
    n_steps: int
    catalogue_bytes: int
    features_bytes: int
    derived_bytes: int

    @property
    def total_bytes(self) -> int:
        """On disk, all together."""
        return self.catalogue_bytes + self.features_bytes + self.derived_bytes


@runtime_checkable
class Gallery(Protocol):
    """Keeps videos: a catalogue row, the features of every step and a few retrieval vectors each.

    One video is one transaction: once `add` has returned, the video is there whole, also after a kill; before, not
    at all. Readers in this and other processes see a video or do not, never a part of it. A second writer waits.
    """

    @property
    def info(self) -> GalleryInfo:
        """What this gallery is."""
        ...

    @property
    def version(self) -> str:
        """Changes when, and only when, the set of videos or the features of one change.

        Metadata, a new path and compaction do not change it.
        """
        ...

    @property
    def derived_dir(self) -> Path:
        """A local directory for what can be computed again: banks, fitted spaces. Deleting it is harmless."""
        ...

    def add(
        self,
        record: VideoRecord,
        features: FeatureSequence,
        vectors: Float[np.ndarray, "few dim"] | None = None,
    ) -> None:
        """Add a video, or replace the one of the same id, atomically.

        Args:
            record: Its catalogue row; `n_steps` and an empty `added_at` are filled in here.
            features: Kept as float16.
            vectors: Its retrieval vectors, kept as float32.

        Raises:
            FingerprintError: something else than the gallery's backbone made the features.
            ShapeError: the dimension is another, or a value does not fit float16.
            ConfigError: the metadata is no JSON object.
            GalleryError: another process keeps writing, or the disk refuses.
        """
        ...

    def remove(self, ids: Iterable[str]) -> list[VideoRecord]:
        """Remove videos, all in one transaction; returns what was removed.

        Raises:
            VideoNotFoundError: an id is unknown; nothing is removed.
        """
        ...

    def update(self, *records: VideoRecord) -> None:
        """Change the catalogue rows of videos (path, name, metadata), all in one transaction; features stay.

        Raises:
            VideoNotFoundError: an id is unknown; nothing is changed.
            ConfigError: the metadata is no JSON object.
        """
        ...

    def videos(self, where: Sequence[str] = ()) -> list[VideoRecord]:
        """Every video that meets all conditions, in the order of name, then id.

        Args:
            where: As `recue.gallery.where` reads them: `camera=2`, `year>=2020`, `tags~beach`.

        Raises:
            ConfigError: a condition cannot be read.
        """
        ...

    def get(self, video_id: str) -> VideoRecord:
        """The video of that id.

        Raises:
            VideoNotFoundError: there is none.
        """
        ...

    def find(self, text: str) -> VideoRecord:
        """The one video that people mean by an id or its beginning, a name with or without suffix, or a path.

        Raises:
            VideoNotFoundError: none, with the closest name; or several, with all of them.
        """
        ...

    def features(self, video_id: str) -> FeatureSequence:
        """The features of a video, from the table.

        Raises:
            VideoNotFoundError: there is no such video.
            GalleryError: they are damaged.
        """
        ...

    def vectors(self, video_id: str) -> NDArray[np.float32] | None:
        """The retrieval vectors `[few, dim]` of a video; None where none were given.

        Raises:
            VideoNotFoundError: there is no such video.
        """
        ...

    def bank(self, transform: Transform | None = None, *, dtype: BankDtype | None = None) -> FeatureBank:
        """The steps of all videos end to end, memory-mapped, up to date with the catalogue.

        The array is derived from the table and brought up to date by what was added since; it stays valid for
        its holder whatever others do.

        Args:
            transform: Applied to each vector once. None: the features as they are.
            dtype: Of the values. By default float16 for plain features, float32 for transformed ones.

        Cost: nothing to copy when up to date; otherwise proportional to what is new, and one copy of the array
        when videos were removed or replaced.
        """
        ...

    def verify(self, transforms: Sequence[Transform] = ()) -> list[Problem]:
        """Check every video's features, the derived banks and the files; repairs nothing.

        Args:
            transforms: Their banks are compared with the table too, beside those of the plain features.

        Cost: one read of all features.
        """
        ...

    def stats(self) -> GalleryStats:
        """How much it holds."""
        ...

    def compact(self) -> None:
        """Merge what many small transactions left and free what nothing needs; safe beside readers."""
        ...
