"""What every pair model follows: a padded batch of queries and references in, segments of the references out.

A pair model answers "where in this reference is what the query shows?" for many pairs at once. Sequences of one batch
have different lengths: they are padded at the end, and the lengths travel beside them. What lies in the padding never
changes an answer: a padded batch equals its pairs one by one.

Axes: batch, query, reference (steps of either), dim. Bounds are steps of the reference, half-open.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recue.core.errors import ConfigError, ShapeError, suggest
from recue.models import MODELS


class PairBatch(NamedTuple):
    """Pairs, padded to the longest of each side.

    Attributes:
        query: `[batch, query, dim]`, floating.
        n_query: `[batch]`, valid steps of each query, 1 or more.
        reference: `[batch, reference, dim]`, floating.
        n_reference: `[batch]`, valid steps of each reference, 1 or more.
    """

    query: Tensor
    n_query: Tensor
    reference: Tensor
    n_reference: Tensor

    def to(self, device: torch.device | str) -> Self:
        """The same pairs on another device."""
        return self._replace(
            query=self.query.to(device),
            n_query=self.n_query.to(device),
            reference=self.reference.to(device),
            n_reference=self.n_reference.to(device),
        )


class PairTargets(NamedTuple):
    """The one truth of each pair.

    Attributes:
        first: `[batch]`, first step of the truth in its reference.
        stop: `[batch]`, step after its last.
    """

    first: Tensor
    stop: Tensor

    def to(self, device: torch.device | str) -> Self:
        """The same truths on another device."""
        return self._replace(first=self.first.to(device), stop=self.stop.to(device))


class FoundSteps(NamedTuple):
    """One answer: steps `first` to `stop` (not included) of a reference; a higher score is better."""

    first: int
    stop: int
    score: float


class PairModel(nn.Module, ABC):
    """A network over pairs.

    A subclass names the frozen dataclass of its options as `Options` (values only, every field with a default), and
    is made as `Model(dim, options)`. `build_model` does so by registry name.

    Attributes:
        dim: Length of a feature vector.
        options: What it was made with.
    """

    Options: ClassVar[type[Any]]

    dim: int
    options: Any

    @abstractmethod
    def forward(self, batch: PairBatch) -> Any:
        """Whatever `loss` and `decode` of this model read: often `[batch, reference, classes]`."""

    @abstractmethod
    def loss(self, output: Any, batch: PairBatch, targets: PairTargets) -> Tensor:
        """The mean loss of the batch, a scalar that gradients flow from."""

    @abstractmethod
    def decode(self, output: Any, n_reference: Tensor, *, n: int = 1) -> list[list[FoundSteps]]:
        """For every pair at most `n` segments of its reference, best first."""


def pad(
    sequences: Sequence[Tensor | NDArray[np.floating]], *, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Sequences of several lengths as one float32 tensor, zeros after the end of each, and their lengths.

    >>> padded, n_steps = pad([np.ones((2, 1)), np.ones((1, 1))])
    >>> padded[:, :, 0].tolist(), n_steps.tolist()
    ([[1.0, 1.0], [1.0, 0.0]], [2, 1])

    Args:
        sequences: Each `[time, dim]` with one `dim`.
        device: Where the result is put.

    Raises:
        ShapeError: there is none, or one is empty or of another shape.
    """
    shapes = [tuple(sequence.shape) for sequence in sequences]
    if not shapes or any(len(shape) != 2 or shape[0] < 1 or shape[1] != shapes[0][1] for shape in shapes):
        raise ShapeError(f"a batch is made of sequences [time, dim] with one dim and one step or more, got {shapes}")
    padded = torch.zeros(len(shapes), max(shape[0] for shape in shapes), shapes[0][1])
    for row, sequence in zip(padded, sequences, strict=True):
        # A memory map is read-only, which torch warns of: NumPy makes the copy.
        own = sequence if isinstance(sequence, Tensor) else torch.from_numpy(np.array(sequence, dtype=np.float32))
        row[: len(sequence)] = own
    return padded.to(device), torch.tensor([shape[0] for shape in shapes], device=device)


def pair_batch(
    queries: Sequence[Tensor | NDArray[np.floating]],
    references: Sequence[Tensor | NDArray[np.floating]],
    *,
    device: torch.device | str = "cpu",
) -> PairBatch:
    """The i-th query with the i-th reference, padded.

    Raises:
        ShapeError: there are not as many queries as references, or not all vectors have one length.
    """
    if len(queries) != len(references):
        raise ShapeError(f"every query has one reference, got {len(queries)} queries and {len(references)} references")
    query, n_query = pad(queries, device=device)
    reference, n_reference = pad(references, device=device)
    if query.shape[2] != reference.shape[2]:
        raise ShapeError(f"query vectors have {query.shape[2]} values and reference vectors {reference.shape[2]}")
    return PairBatch(query, n_query, reference, n_reference)


def valid_steps(n_steps: Tensor, length: int) -> Tensor:
    """`[batch, length]`: True where a step is not padding."""
    return torch.arange(length, device=n_steps.device)[None, :] < n_steps[:, None]


def build_model(name: str, *, dim: int, options: Mapping[str, Any] | None = None) -> PairModel:
    """A new model with random weights (seed torch before).

    Args:
        name: As in `recue.models.MODELS`.
        dim: Length of a feature vector.
        options: Fields of the model's `Options`; the others keep their defaults.

    Raises:
        UnknownNameError: no model has that name.
        ConfigError: it has no such option, or the value makes no sense.
    """
    kind = MODELS.load(name)
    given = dict(options or {})
    known = [field.name for field in fields(kind.Options)]
    for key in given:
        if key not in known:
            raise ConfigError(f"the model '{name}' has no option '{key}'; {suggest(key, known)}")
    return cast(PairModel, kind(dim, kind.Options(**given)))
