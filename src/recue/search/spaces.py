"""The space of a gallery: fitted to a sample of its steps, kept beside the derived arrays, fitted anew as it grows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import GalleryError
from recue.core.features import FeatureSequence
from recue.features import load_source
from recue.gallery import Gallery
from recue.localize.space import Space

#: Videos and steps a space is fitted to, at most.
_MAX_VIDEOS = 96
_MAX_STEPS = 8192

#: A space is fitted anew once the gallery holds this many times the steps it was fitted at. A new space means that
#: the whole bank is mapped again, so it must stay rare: doubling keeps the total work linear in the gallery.
_GROWTH = 2.0

#: Beyond this many steps a gallery tells nothing new about its mean and directions.
_ENOUGH_STEPS = 200_000


#: Stretches that are asked to learn the usual level, and their steps.
_N_ASKED, _ASKED_STEPS = 48, 8


@runtime_checkable
class ClassHead(Protocol):
    """A backbone whose class scores are linear in its features."""

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight `[classes, dim]` and bias `[classes]`."""
        ...


@runtime_checkable
class Joined(Protocol):
    """A backbone whose vectors are several vectors side by side."""

    @property
    def parts(self) -> dict[str, tuple[slice, float]]:
        """Where each lies, and its share of the cosine."""
        ...


def gallery_space(gallery: Gallery) -> Space:
    """The space this gallery is searched in; fits and keeps one if there is none or the gallery has outgrown it.

    Raises:
        GalleryError: the gallery is empty.
    """
    n_steps = sum(record.n_steps for record in gallery.videos())
    if n_steps == 0:
        raise GalleryError(f"the gallery '{gallery.info.name}' is empty; put videos in it with `recue index`")
    space = stored_space(gallery)
    if space is not None:
        known = min(max(space.n_fitted, 1), _ENOUGH_STEPS)
        if known / _GROWTH < min(n_steps, _ENOUGH_STEPS) < known * _GROWTH:
            return space
    space = fit_space(sample_sequences(gallery), source=gallery.info.source.name, n_total=n_steps)
    path = _path(gallery)
    path.parent.mkdir(parents=True, exist_ok=True)
    space.save(path)
    return space


def fit_space(sample: list[FeatureSequence], *, source: str | None, n_total: int) -> Space:
    """A space fitted to a sample, with all that its backbone knows, and the usual level measured in it.

    Args:
        sample: See `spread_sample`.
        source: Spec of the backbone that made it; None where that is none of ours and nothing more is known.
        n_total: Steps that the sample stands for.

    Raises:
        UnknownNameError: no backbone has that name.
        ShapeError: the sample is empty.
    """
    space = Space.fit(sample, **(_known_of(source) if source is not None else {}), n_total=n_total)
    return replace(space, usual_level=_usual_level(space, sample))


def stored_space(gallery: Gallery) -> Space | None:
    """The space that was kept; None if there is none that can be read. It is derived, so nothing is lost by that."""
    try:
        return Space.load(_path(gallery)) if _path(gallery).exists() else None
    except GalleryError:
        return None


def _usual_level(space: Space, sequences: list[FeatureSequence]) -> float:
    """See `Space.usual_level`: the median over stretches spread evenly over the sample."""
    from recue.localize.align import Align  # brings a compiler, which opening a library does not need

    aligner = Align().with_space(space)
    starts = [(one, at) for one in sequences for at in range(0, max(1, len(one) - _ASKED_STEPS + 1), _ASKED_STEPS)]
    levels = []
    for i in np.linspace(0, len(starts) - 1, min(len(starts), _N_ASKED)).round().astype(int):
        sequence, at = starts[i]
        stop = min(at + _ASKED_STEPS, len(sequence))
        mirrored, _ = aligner.null_scores(sequence.with_steps(at, stop))
        levels.append(float(mirrored.mean()) / (stop - at) ** 0.5)
    return float(np.median(levels))


def _path(gallery: Gallery) -> Path:
    # By the backbone, so that a gallery made anew with another one does not find the old space.
    return gallery.derived_dir / f"space-{gallery.info.source.fingerprint}.npz"


def sample_sequences(gallery: Gallery) -> list[FeatureSequence]:
    """Stretches of videos spread evenly over the gallery, the same for the same gallery."""
    records = sorted(gallery.videos(), key=lambda record: record.id)
    return spread_sample(len(records), lambda i: gallery.features(records[i].id))


def spread_sample(n: int, read: Callable[[int], FeatureSequence]) -> list[FeatureSequence]:
    """Stretches of some of `n` videos, spread evenly over them: enough to fit a space to.

    Args:
        n: How many videos there are.
        read: The features of the video at a position.
    """
    spread = np.linspace(0, n - 1, min(n, _MAX_VIDEOS)).round().astype(int)
    share = max(1, _MAX_STEPS // max(1, len(spread)))
    sequences = []
    for i in spread:
        features = read(int(i))
        if len(features) > share:
            first = (len(features) - share) // 2
            features = features.with_steps(first, first + share)
        sequences.append(features)
    return sequences


def _known_of(spec: str) -> dict[str, Any]:
    """What a backbone tells of its vectors: class weights, and parts where it joins several."""
    source = load_source(spec)
    known: dict[str, Any] = {}
    if isinstance(source, ClassHead):
        weight, bias = source.head()
        known["head"] = (weight.T, bias)
    if isinstance(source, Joined):
        known["parts"] = source.parts
    return known
