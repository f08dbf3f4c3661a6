"""Additive attention of reference steps over query steps, apart from what does not depend on the recurrent state."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recue.models.pairs import valid_steps


class AdditiveAttention(nn.Module):
    """How much each query step matters to a reference step, given what was matched before.

    The weights are softmax(w · tanh(W_query q + W_reference r + W_state h + b)) over the valid query steps.

    Two things make it cheap without changing it. tanh(x) = 2 sigmoid(2x) - 1, and sigmoid is several times faster
    where torch has no vectorised tanh: the factors go into the weights, the constant adds the same to every query
    step and leaves the softmax as it is. For the same reason the paper's last bias `b` is left out.

    Source: Feng et al. 2018, eq. 2.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim, bias=False)
        self.reference = nn.Linear(dim, dim)
        self.state = nn.Linear(dim, dim, bias=False)
        self.score = nn.Linear(dim, 1, bias=False)

    def of_query(self, query: Tensor) -> Tensor:
        """`[..., dim]` to the query's share of `forward`'s input."""
        return functional.linear(query, 2.0 * self.query.weight)

    def of_reference(self, reference: Tensor) -> Tensor:
        """`[..., dim]` to the reference's share."""
        return functional.linear(reference, 2.0 * self.reference.weight, 2.0 * self.reference.bias)

    def state_weight(self) -> Tensor:
        """`[dim, dim]`; `state @ weight` is the state's share."""
        return 2.0 * self.state.weight.t()

    def score_weight(self) -> Tensor:
        """`[dim]`, what `forward` takes."""
        return 2.0 * self.score.weight[0]

    @staticmethod
    def forward(query: Tensor, mask: Tensor | None, rest: Tensor, score: Tensor) -> Tensor:
        """The weights.

        Args:
            query: `[batch, 1, query, dim]`, from `of_query`.
            mask: `[batch, 1, query]`, from `query_mask`; None where no query is padded.
            rest: `[batch, ways, dim]`, the shares of reference and state together.
            score: From `score_weight`.

        Returns:
            `[batch, ways, query]`, each row sums to 1.
        """
        scores = torch.sigmoid(query + rest[:, :, None]) @ score
        return torch.softmax(scores if mask is None else scores + mask, dim=-1)


def query_mask(n_query: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """`[batch, 1, length]`: 0 where a query step is valid, -inf where it is padding."""
    zeros = torch.zeros(len(n_query), length, dtype=dtype, device=n_query.device)
    return zeros.masked_fill(~valid_steps(n_query, length), -torch.inf)[:, None]
