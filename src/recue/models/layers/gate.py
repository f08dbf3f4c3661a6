"""The cross gate: each side of a pair decides what passes of the other."""

import torch
from torch import Tensor, nn


class CrossGate(nn.Module):
    """q ⊙ sigmoid(W r + b) and r ⊙ sigmoid(V q + c), where q is a weighted mean of query steps.

    The weights of that mean sum to 1, so V q + c is the mean of V q_j + c over the steps: `values` computes those for
    every query step at once, beside the steps themselves, and the attention mixes both with one product.

    Source: Feng et al. 2018, eq. 3.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.by_reference = nn.Linear(dim, dim)
        self.by_query = nn.Linear(dim, dim)

    def values(self, query: Tensor) -> Tensor:
        """Query steps `[..., dim]` to `[..., 2 · dim]`: the steps, and their gates before the sigmoid."""
        return torch.cat((query, self.by_query(query)), dim=-1)

    def on_query(self, reference: Tensor) -> Tensor:
        """The gate on the query, which depends on the reference alone."""
        return torch.sigmoid(self.by_reference(reference))

    @staticmethod
    def forward(mixed: Tensor, on_query: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides gated.

        Args:
            mixed: `[..., 2 · dim]`, weighted mean of `values`.
            on_query: `[..., dim]`, from `on_query`.
            reference: `[..., dim]`.
        """
        query, by_query = mixed.chunk(2, dim=-1)
        return query * on_query, reference * torch.sigmoid(by_query)
