"""Factorized bilinear matching of two vectors."""

import torch
from torch import Tensor, nn


class FactorizedBilinear(nn.Module):
    """Output j is (F_j x + b_j) · (F_j y + b_j), with a matrix F_j of `rank` rows for each output.

    Args:
        dim: Size of the inputs and of the output.
        rank: Rows of each factor.
        tied: One F for both sides, as eq. 5 has it; False gives each side its own.

    Source: Feng et al. 2018, eq. 5.
    """

    def __init__(self, dim: int, *, rank: int, tied: bool = True) -> None:
        super().__init__()
        self.rank, self.tied = rank, tied
        # Rows are [rank, dim]: the sum over the rank then runs over whole rows of memory.
        self.query = nn.Linear(dim, rank * dim)
        self.reference = self.query if tied else nn.Linear(dim, rank * dim)

    def join(self, query: Tensor, reference: Tensor) -> Tensor:
        """Two projected sides `[..., rank · dim]` to `[..., dim]`."""
        product = query * reference
        return product.view(*product.shape[:-1], self.rank, -1).sum(dim=-2)

    def forward(self, query: Tensor, reference: Tensor) -> Tensor:
        """`[..., dim]` twice to `[..., dim]`."""
        if not self.tied:
            return self.join(self.query(query), self.reference(reference))
        both = self.query(torch.stack((query, reference)))
        return self.join(both[0], both[1])
