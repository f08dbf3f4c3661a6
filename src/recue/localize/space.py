"""Space: the fixed map in which features are compared, fitted to what a gallery holds.

Plain features of any two videos look alike: all of them share a large mean and a few loud channels, which is why
"unrelated pair scores 0.79" is the classic complaint. A space brings each channel to mean 0 and deviation 1 over the
gallery. Where the backbone knows classes, the square roots of its softened posteriors, less their mean, stand beside
the features: what a step *is* next to how it looks. Both parts have unit length, are joined, and turned onto the
strongest directions of the gallery, which keeps their dot products and makes them cheap.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core.errors import GalleryError, ShapeError
from recue.core.features import FeatureSequence

#: Bump when the meaning of a stored space changes.
_FORMAT = 7

#: Steps in a background stretch: long enough to hold any match of a usual query.
STRETCH_STEPS = 48

#: How far above the mean of all classes a made step's own class lies; real clips lie 10 to 40 above.
_CLASS_LOGIT = 50.0

#: Made steps of all classes together, at most: more only make a first search wait.
_MAX_CLASS_STEPS = 5000

#: Standard deviations below this share of the mean one are raised to it: a channel that hardly varies in a small
#: gallery is no evidence.
_MIN_DEVIATION = 0.1


@dataclass(frozen=True, slots=True)
class SpaceOptions:
    """How a space is fitted.

    Attributes:
        out_dim: Directions to keep, at most.
        class_weight: Weight of the class part against the feature part; 0 leaves it out.
        temperature: Class scores are divided by it: above 1, second guesses count more.
        steps_per_class: Made steps of each class that join the sample, fewer where there are very many classes; see
            `_class_steps`.
        n_background: Background steps to keep.
        n_stretches: Background stretches to keep.
    """

    out_dim: int = 64
    class_weight: float = 0.25
    temperature: float = 2.0
    steps_per_class: int = 12
    n_background: int = 1024
    n_stretches: int = 128


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A fitted map from feature vectors to vectors whose dot product is a normalised similarity.

    Attributes:
        mean: `[in_dim]`, of the features.
        inverse_deviation: `[in_dim]`, what the centred features are multiplied by.
        part_stops: `[parts]`: where each part of the features ends; each is brought to unit length by itself.
        part_weights: `[parts]`: share of each part in the cosine of the features.
        still_part: Which part a picture alone tells of; -1 if it is the whole.
        head: `[in_dim + 1, classes]`: class weights over the temperature, the bias as last row; no columns without.
        class_mean: `[classes]`, of the square roots of the posteriors.
        length: Of a joined vector, all parts and the classes.
        projection: `[in_dim + classes, out_dim]`: orthonormal directions over the length, the class part weighted.
        joint_mean: `[out_dim]`, taken away last.
        background: `[n, out_dim]` mapped steps that stand for "anything at all".
        stretches: `[n, steps, out_dim]` mapped stretches of videos: what a reference without the moment is like.
        mirrored: As `stretches`, with random directions mirrored: the same loudness and the same changes over time,
            and no meaning, so that none of it can be a match.
        n_fitted: Steps that the gallery held.
        usual_level: What stretches of the gallery itself score in the mirrored stretches, over the root of their steps.
            Whoever fits a space measures it with the localizer that will be used; this file does not know one.
    """

    mean: NDArray[np.float32]
    inverse_deviation: NDArray[np.float32]
    part_stops: NDArray[np.int64]
    part_weights: NDArray[np.float32]
    still_part: int
    head: NDArray[np.float32]
    class_mean: NDArray[np.float32]
    length: float
    projection: NDArray[np.float32]
    joint_mean: NDArray[np.float32]
    background: NDArray[np.float32]
    stretches: NDArray[np.float32]
    mirrored: NDArray[np.float32]
    n_fitted: int
    usual_level: float = 0.4

    @classmethod
    def fit(
        cls,
        sequences: Sequence[FeatureSequence],
        *,
        head: tuple[Float[np.ndarray, "in_dim classes"], Float[np.ndarray, " classes"]] | None = None,
        parts: Mapping[str, tuple[slice, float]] | None = None,
        n_total: int | None = None,
        options: SpaceOptions | None = None,
    ) -> "Space":
        """Fit to a sample.

        Args:
            sequences: Stretches of several videos; some thousand steps are plenty.
            head: Weights and bias of the backbone's classes, where it has any.
            parts: Where the parts of joined features lie, in order and without gaps, and their shares of the cosine;
                one called `appearance` is what a picture tells of. None if the features are of one piece.
            n_total: Steps of the gallery the sample is from; default, those of the sample.
            options: See `SpaceOptions`.

        Cost: O(n · in_dim² + in_dim³): about a second for 8,000 steps of 1024.

        Raises:
            ShapeError: there is no sequence.
        """
        if not sequences:
            raise ShapeError("a space is fitted to at least one feature sequence, got none")
        chosen = options or SpaceOptions()
        values = np.concatenate([sequence.values for sequence in sequences]).astype(np.float32)
        known = sorted((parts or {"": (slice(0, values.shape[1]), 1.0)}).items(), key=lambda part: part[1][0].start)
        stops = np.array([part.stop for _, (part, _) in known], np.int64)
        shares = np.array([share for _, (_, share) in known], np.float32)
        if head is not None and len(values) > 1:
            per_class = min(chosen.steps_per_class, max(1, _MAX_CLASS_STEPS // head[0].shape[1]))
            values = np.concatenate([values, _class_steps(values, head, stops, per_class)])
        mean = values.mean(axis=0)
        deviation = values.std(axis=0)
        if float(deviation.mean()) <= 1e-9:
            # One step, or all alike: there is nothing to normalise by. Compare what is there.
            mean, deviation = np.zeros_like(mean), np.ones_like(deviation)
        inverse = 1.0 / np.maximum(deviation, np.maximum(_MIN_DEVIATION * _part_means(deviation, stops), 1e-9))
        if head is None or chosen.class_weight == 0:
            scaled_head = np.zeros((values.shape[1] + 1, 0), np.float32)
        else:
            scaled_head = np.vstack([head[0], head[1][None]]).astype(np.float32) / chosen.temperature
        roots = _root_posteriors(values, scaled_head)
        class_mean = roots.mean(axis=0) if len(values) > 1 else np.zeros(roots.shape[1], np.float32)
        joint = _joint((values - mean) * inverse, stops, shares, roots - class_mean)
        weights = np.ones(joint.shape[1], np.float32)
        weights[values.shape[1] :] = chosen.class_weight**0.5
        projection, joint_mean = _strongest(joint * weights, chosen.out_dim)
        length = (1.0 + chosen.class_weight) ** 0.5 if scaled_head.shape[1] else 1.0
        bare = cls(
            mean=mean,
            inverse_deviation=inverse.astype(np.float32),
            part_stops=stops,
            part_weights=shares,
            still_part=[name for name, _ in known].index("appearance") if parts and "appearance" in parts else -1,
            head=scaled_head,
            class_mean=class_mean,
            length=length,
            projection=(weights[:, None] * projection / length).astype(np.float32),
            joint_mean=(joint_mean / length).astype(np.float32),
            background=np.zeros((0, projection.shape[1]), np.float32),
            stretches=np.zeros((0, 1, projection.shape[1]), np.float32),
            mirrored=np.zeros((0, 1, projection.shape[1]), np.float32),
            n_fitted=n_total if n_total is not None else sum(len(sequence) for sequence in sequences),
        )
        return bare._with_background(sequences, values, chosen)

    @property
    def dim(self) -> int:
        """Length of a mapped vector."""
        return int(self.projection.shape[1])

    @property
    def fingerprint(self) -> str:
        """Identity of the map."""
        digest = hashlib.sha256(f"space {_FORMAT}".encode())
        for part in (self.mean, self.inverse_deviation, self.head, self.projection, self.background):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:16]

    def apply(self, values: Float[np.ndarray, "n in_dim"]) -> Float[np.ndarray, "n dim"]:
        """Map steps of a query or a reference; dot products are cosines, of what the kept directions hold."""
        mapped = np.empty((len(values), self.dim), np.float32)
        # In blocks, so that the tables in between stay small.
        for first in range(0, len(values), 8192):
            block = values[first : first + 8192].astype(np.float32)
            roots = _root_posteriors(block, self.head)
            standard = (block - self.mean) * self.inverse_deviation
            joint = _joint(standard, self.part_stops, self.part_weights, roots - self.class_mean)
            # Not brought to unit length again: what lies outside the kept directions is like nothing here.
            mapped[first : first + 8192] = joint @ self.projection - self.joint_mean
        return mapped

    def apply_still(self, values: Float[np.ndarray, "n in_dim"]) -> Float[np.ndarray, "n dim"]:
        """Map steps made of a picture, so that only what a picture tells of is compared.

        A picture held still has motion features of a kind that no video has. They and the classes that come of them
        are left out; dot products with mapped steps are cosines of the appearance alone.
        """
        if self.still_part < 0:
            return self.apply(values)
        start = int(self.part_stops[self.still_part - 1]) if self.still_part else 0
        part = slice(start, int(self.part_stops[self.still_part]))
        standard = (values[:, part].astype(np.float32) - self.mean[part]) * self.inverse_deviation[part]
        # A mapped reference holds this part with the root of its share over the length of all parts, and the projection
        # divides by that length once more.
        share = float(self.part_weights[self.still_part])
        return (_unit(standard) @ self.projection[part]) * np.float32(self.length**2 / share**0.5)

    def save(self, path: Path) -> None:
        """Write to a file, whole or not at all."""
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        with beside.open("wb") as file:
            np.savez(file, format=_FORMAT, **{name: getattr(self, name) for name in self.__slots__})
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Space":
        """Read what `save` wrote.

        Raises:
            GalleryError: the file is damaged or of another format.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                if int(stored["format"]) != _FORMAT:
                    raise GalleryError(f"{path} holds a space of another version; delete it, it is made again")
                scalars: dict[str, Callable[[Any], Any]] = {
                    "n_fitted": int,
                    "still_part": int,
                    "length": float,
                    "usual_level": float,
                }
                parts: dict[str, Any] = {name: stored[name] for name in cls.__slots__}
                return cls(**{name: scalars.get(name, np.asarray)(part) for name, part in parts.items()})
        except (OSError, ValueError, KeyError) as error:
            raise GalleryError(f"{path} is damaged; delete it, it is made again") from error

    def _with_background(
        self, sequences: Sequence[FeatureSequence], values: NDArray[np.float32], options: SpaceOptions
    ) -> "Space":
        spread = np.linspace(0, len(values) - 1, min(len(values), options.n_background)).round().astype(np.int64)
        background = self.apply(values[spread])
        mapped = np.concatenate([self.apply(sequence.values) for sequence in sequences])
        stretches = _stretches(mapped, options.n_stretches)
        signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), size=(len(stretches), 1, self.dim))
        return replace(self, background=background, stretches=stretches, mirrored=stretches * signs)


def _root_posteriors(values: NDArray[np.float32], head: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square roots of the class probabilities: their dot products are Bhattacharyya coefficients."""
    if not head.shape[1]:
        return np.zeros((len(values), 0), np.float32)
    logits = values @ head[:-1] + head[-1]
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    roots: NDArray[np.float32] = np.sqrt(logits)
    return roots


def _joint(
    standard: NDArray[np.float32],
    stops: NDArray[np.int64],
    shares: NDArray[np.float32],
    roots: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Every part at unit length times the root of its share, the class part behind."""
    starts = [0, *stops[:-1]]
    parts = [
        np.sqrt(share) * _unit(standard[:, start:stop])
        for start, stop, share in zip(starts, stops, shares, strict=True)
    ]
    if roots.shape[1]:
        parts.append(_unit(roots))
    return np.concatenate(parts, axis=1)


def _class_steps(
    values: NDArray[np.float32],
    head: tuple[NDArray[np.floating], NDArray[np.floating]],
    stops: NDArray[np.int64],
    n: int,
) -> NDArray[np.float32]:
    """`[classes * n, dim]`: steps such as videos of every class the backbone knows would have.

    A gallery shows a part of the world. Judged by what distinguishes the gallery's own videos alone, a query from
    outside looks like one of them. The weights of a linear classifier point from the mean of everything towards a
    class, in features of equal covariance exactly so (linear discriminant analysis). So they tell what the rest of the
    world would look like: the gallery's mean, moved along each class's weights until the class is beyond doubt, with
    noise.
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    weights = (head[0] - head[0].mean(axis=1, keepdims=True)).T.astype(np.float32)
    moved = mean + _CLASS_LOGIT * weights / np.maximum((weights**2).sum(axis=1, keepdims=True), 1e-9)
    # Of one loudness within a part: what single channels do in this gallery says nothing of the world outside.
    noise = _part_means(deviation, stops) * np.random.default_rng(0).standard_normal((n, *moved.shape)).astype(
        np.float32
    )
    steps: NDArray[np.float32] = (moved + noise).reshape(-1, values.shape[1])
    # Features behind a ReLU are never negative; others may be.
    return np.maximum(steps, 0.0) if float(values.min()) >= 0 else steps


def _part_means(deviation: NDArray[np.float32], stops: NDArray[np.int64]) -> NDArray[np.float32]:
    """`[in_dim]`: for each channel the mean over its part."""
    return np.concatenate([np.full(len(part), part.mean(), np.float32) for part in np.split(deviation, stops[:-1])])


def _strongest(joint: NDArray[np.float32], n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The `n` orthonormal directions `[dim, n]` of largest variance, and the mean along them.

    By subspace iteration (Halko et al. 2011): the whole spectrum of some thousand dimensions takes many times longer.
    A sample that spans fewer directions is filled up with fixed random ones, so that a step it is nothing like still
    lies somewhere.
    """
    dim = joint.shape[1]
    mean = joint.mean(axis=0) if len(joint) > 1 else np.zeros(dim, np.float32)
    if dim <= n:
        return np.eye(dim, dtype=np.float32), mean
    centred = joint - mean
    spare = min(n + 16, dim)
    directions = _orthonormal(np.random.default_rng(0).standard_normal((dim, spare)))
    fill = np.float32(1e-4 * max(float((centred**2).sum()) / dim, 1e-9))
    for _ in range(8):
        directions = _orthonormal(centred.T @ (centred @ directions) + fill * directions)
    # Inside the subspace the spectrum is exact, and tells which directions to keep.
    along = centred @ directions
    _, turn = np.linalg.eigh((along.T @ along).astype(np.float64))
    directions = np.ascontiguousarray(directions @ turn[:, ::-1][:, :n], np.float32)
    return directions, mean @ directions


def _orthonormal(columns: NDArray[np.floating]) -> NDArray[np.float32]:
    """An orthonormal basis of what the columns span, by the Gram matrix: many times faster than a QR decomposition."""
    basis = columns.astype(np.float64)
    for _ in range(2):  # the second pass mends what rounding left of the first
        scale, turn = np.linalg.eigh(basis.T @ basis)
        basis = basis @ (turn / np.sqrt(np.maximum(scale, 1e-12 * max(float(scale[-1]), 1e-300))))
    return basis.astype(np.float32)


def _stretches(mapped: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """`[n or fewer, STRETCH_STEPS, dim]`, evenly spread over the sample; short videos follow one another."""
    if len(mapped) < STRETCH_STEPS:
        mapped = np.concatenate([mapped] * (-(-STRETCH_STEPS // len(mapped))))
    # At least a handful, overlapping if need be: a law is fitted to what they score.
    n_chosen = min(n, max(8, 2 * len(mapped) // STRETCH_STEPS))
    firsts = np.linspace(0, len(mapped) - STRETCH_STEPS, n_chosen).round().astype(np.int64)
    return np.stack([mapped[first : first + STRETCH_STEPS] for first in firsts])


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    return unit
