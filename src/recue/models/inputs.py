"""What is done to feature vectors before a model sees them; part of the model, so that search does the same.

Features of several networks side by side have channels of very different size, and some networks want few channels.
`Inputs` brings every vector to unit length, or every channel to mean 0 and deviation 1 as measured on the training
features, and then keeps their first principal components.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recue.core.errors import ConfigError, ShapeError
from recue.models.pairs import PairBatch

Normalise = Literal["none", "unit", "standard"]

#: A channel that hardly varies is not blown up.
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How feature vectors are prepared.

    Attributes:
        normalise: `none`; `unit`: every vector to length 1; `standard`: every channel to mean 0 and deviation 1.
        pca: Keep this many principal components of the result; 0 keeps all channels as they are.

    Raises:
        ConfigError: an unknown way, or a negative number of components.
    """

    normalise: Normalise = "none"
    pca: int = 0

    def __post_init__(self) -> None:
        if self.normalise not in get_args(Normalise):
            raise ConfigError(f"features are normalised by {', '.join(get_args(Normalise))}, not '{self.normalise}'")
        if self.pca < 0:
            raise ConfigError(f"as many principal components are kept as 0 (all channels) or more says, got {self.pca}")

    @property
    def measured(self) -> bool:
        """Whether anything must be measured on training features."""
        return self.normalise == "standard" or self.pca > 0


class Inputs(nn.Module):
    """The map of one feature vector to what a model takes. Holds buffers alone: nothing in it is trained.

    Args:
        dim: Length of a feature vector.
        options: What is done.
    """

    mean: Tensor
    deviation: Tensor
    center: Tensor
    components: Tensor

    def __init__(self, dim: int, options: InputOptions | None = None) -> None:
        super().__init__()
        self.dim = dim
        self.options = options or InputOptions()
        if self.options.pca > dim:
            raise ConfigError(f"vectors of {dim} values have no {self.options.pca} principal components")
        if self.options.normalise == "standard":
            self.register_buffer("mean", torch.zeros(dim))
            self.register_buffer("deviation", torch.ones(dim))
        if self.options.pca:
            self.register_buffer("center", torch.zeros(dim))
            self.register_buffer("components", torch.eye(dim, self.options.pca))

    @property
    def out_dim(self) -> int:
        """Length of what the model sees."""
        return self.options.pca or self.dim

    def fit(self, samples: NDArray[np.floating]) -> None:
        """Measure on training features `[n, dim]`; gives the same for the same samples.

        Raises:
            ShapeError: fewer samples than components, or vectors of another length.

        Cost: O(n · dim² + dim³) with components, O(n · dim) without.
        """
        if samples.ndim != 2 or samples.shape[1] != self.dim or len(samples) < max(2, self.options.pca):
            raise ShapeError(
                f"inputs are measured on [n, {self.dim}] with n of {max(2, self.options.pca)} or more, "
                f"got {samples.shape}"
            )
        values = np.asarray(samples, np.float64)
        if self.options.normalise == "standard":
            mean, deviation = values.mean(axis=0), np.maximum(values.std(axis=0), _LEAST_DEVIATION)
            self.mean.copy_(torch.from_numpy(mean))
            self.deviation.copy_(torch.from_numpy(deviation))
            values = (values - mean) / deviation
        elif self.options.normalise == "unit":
            length = np.linalg.norm(values, axis=1, keepdims=True)
            values = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
        if self.options.pca:
            center = values.mean(axis=0)
            _, vectors = np.linalg.eigh(np.cov(values - center, rowvar=False, bias=True))
            components = vectors[:, ::-1][:, : self.options.pca]
            # An eigenvector's sign is arbitrary: the largest entry is made positive, so that it is the same everywhere.
            largest = components[np.abs(components).argmax(axis=0), np.arange(components.shape[1])]
            self.center.copy_(torch.from_numpy(center))
            self.components.copy_(torch.from_numpy(components * np.sign(largest)))

    def forward(self, values: Tensor) -> Tensor:
        """`[..., dim]` to `[..., out_dim]`."""
        if self.options.normalise == "unit":
            length = values.norm(dim=-1, keepdim=True)
            values = values / torch.where(length > 0, length, torch.ones_like(length))
        elif self.options.normalise == "standard":
            values = (values - self.mean) / self.deviation
        return (values - self.center) @ self.components if self.options.pca else values

    def batch(self, batch: PairBatch) -> PairBatch:
        """Both sides of every pair."""
        if self.options.normalise == "none" and not self.options.pca:
            return batch
        return batch._replace(query=self(batch.query), reference=self(batch.reference))
