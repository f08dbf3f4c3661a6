"""Space: the fixed map in which features are compared, fitted to what a gallery holds.

Plain features of any two videos look alike: all of them share a large mean and a few loud directions, which is why
"unrelated pair scores 0.79" is the classic complaint. A space takes the mean of the gallery away, keeps the strongest
directions at equal loudness (whitening, shrunk towards the mean variance where there is little evidence), brings
vectors to unit length and adds one dimension: how similar a step is to everything, which its similarity to a query
is reduced by.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core.errors import GalleryError, ShapeError

#: Bump when the meaning of a stored space changes.
_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A fitted map from feature vectors to vectors whose dot product is a normalised similarity.

    A mapped reference step is `[unit vector, -offset]`; a mapped query step is `[unit vector, 1]`, so that their dot
    product is `cosine - offset`, where the offset is `hubness` times the mean of the step's `n_near` largest cosines
    to the background.

    Attributes:
        mean: `[in_dim]`, taken away first.
        projection: `[in_dim, out_dim]`, applied next.
        background: `[n, out_dim + 1]` mapped steps that stand for "anything at all".
        hubness: Share of a step's mean similarity to the background that is taken away.
        n_near: How many of the nearest background vectors count.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    background: NDArray[np.float32]
    hubness: float
    n_near: int

    @classmethod
    def fit(
        cls,
        sample: Float[np.ndarray, "n in_dim"],
        *,
        out_dim: int = 127,
        shrinkage: float = 0.1,
        hubness: float = 0.5,
        n_near: int = 16,
        n_background: int = 1024,
    ) -> "Space":
        """Fit to a sample of steps.

        Args:
            sample: Steps of many videos, at least one; the more the better, some thousands are plenty.
            out_dim: Directions to keep, at most; the added dimension comes on top.
            shrinkage: Share of the mean kept variance that is added to the variance of each direction before it is
                divided out. 0 whitens fully.
            hubness: See the class.
            n_near: See the class.
            n_background: Steps of the sample that are kept as background, evenly spread.

        Cost: O(n · in_dim² + in_dim³): about a second for 10,000 steps of 1024.

        Raises:
            ShapeError: the sample is empty.
        """
        if sample.ndim != 2 or 0 in sample.shape:
            raise ShapeError(f"a space is fitted to [n, dim] vectors, got shape {sample.shape}")
        values = sample.astype(np.float64)
        mean = values.mean(axis=0)
        values -= mean
        n, in_dim = values.shape
        # The smaller of the two Gram matrices has the same non-zero spectrum.
        if n >= in_dim:
            variance, directions = np.linalg.eigh(values.T @ values / n)
        else:
            variance, left = np.linalg.eigh(values @ values.T / n)
            length = np.sqrt(np.maximum(variance * n, 1e-12))
            directions = values.T @ left / length
        order = np.argsort(variance)[::-1][:out_dim]
        variance, directions = np.maximum(variance[order], 0.0), directions[:, order]
        kept = variance > 1e-9 * max(float(variance[0]), 1e-12)
        if not kept.any():
            # One step, or all alike: nothing to whiten by. Compare what is there.
            kept = np.zeros(len(order), dtype=bool)
            kept[0] = True
            mean = np.zeros_like(mean)
            directions = np.eye(in_dim)[:, : len(order)]
            variance = np.ones(len(order))
            kept[:] = True
        variance, directions = variance[kept], directions[:, kept]
        projection = directions / np.sqrt(variance + shrinkage * variance.mean())
        spread = np.linspace(0, n - 1, min(n, n_background)).round().astype(np.int64)
        unit = _unit((sample[spread].astype(np.float64) - mean) @ projection).astype(np.float32)
        n_near = min(n_near, len(unit))
        # A background step is not its own neighbour, unless it is the only one.
        near = unit @ unit.T
        if len(unit) > 1:
            np.fill_diagonal(near, -np.inf)
        offset = hubness * _mean_of_largest(near, min(n_near, max(1, len(unit) - 1)))
        background = np.concatenate([unit, -offset[:, None]], axis=1).astype(np.float32)
        return cls(mean.astype(np.float32), projection.astype(np.float32), background, hubness, n_near)

    @property
    def dim(self) -> int:
        """Length of a mapped vector, the added dimension included."""
        return int(self.projection.shape[1]) + 1

    @property
    def fingerprint(self) -> str:
        """Identity of the map."""
        digest = hashlib.sha256(f"space {_FORMAT} {self.hubness} {self.n_near}".encode())
        for part in (self.mean, self.projection, self.background):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:16]

    def apply(self, values: Float[np.ndarray, "n in_dim"]) -> Float[np.ndarray, "n dim"]:
        """Map reference steps: unit vectors, and minus the offset as the last dimension."""
        unit = self._unit(values)
        mapped = np.empty((len(unit), self.dim), np.float32)
        mapped[:, :-1] = unit
        # In blocks, so that the table of similarities to the background stays small.
        for first in range(0, len(unit), 8192):
            near = unit[first : first + 8192] @ self.background[:, :-1].T
            mapped[first : first + 8192, -1] = -self.hubness * _mean_of_largest(near, self.n_near)
        return mapped

    def apply_query(self, values: Float[np.ndarray, "n in_dim"]) -> Float[np.ndarray, "n dim"]:
        """Map query steps: unit vectors, and 1 as the last dimension."""
        unit = self._unit(values)
        return np.concatenate([unit, np.ones((len(unit), 1), np.float32)], axis=1)

    def save(self, path: Path) -> None:
        """Write to a file, whole or not at all."""
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        with beside.open("wb") as file:
            np.savez(
                file,
                format=_FORMAT,
                mean=self.mean,
                projection=self.projection,
                background=self.background,
                hubness=self.hubness,
                n_near=self.n_near,
            )
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
                return cls(
                    stored["mean"],
                    stored["projection"],
                    stored["background"],
                    float(stored["hubness"]),
                    int(stored["n_near"]),
                )
        except (OSError, ValueError, KeyError) as error:
            raise GalleryError(f"{path} is damaged; delete it, it is made again") from error

    def _unit(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        return _unit((values.astype(np.float32) - self.mean) @ self.projection).astype(np.float32)


def _unit(values: NDArray[np.floating]) -> NDArray[np.floating]:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.floating] = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    return unit


def _mean_of_largest(values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    largest = np.partition(values, values.shape[1] - n, axis=1)[:, -n:]
    mean: NDArray[np.float32] = largest.mean(axis=1)
    return mean
