"""The matching recurrence: every reference step against the query, forward and backward side by side.

Source: Feng et al. 2018, section 3.2, with its three ablations. At step i the state decides by attention which query
steps matter to reference step i; both sides are gated by each other and matched; an LSTM takes the result and gives
the next state. The backward direction has an LSTM of its own; attention, gate and bilinear weights are shared.

What makes it fast and changes nothing:

- Only what depends on the state is inside the loop. Projections of query and reference are products over all steps;
  the gate before its sigmoid and the mean of the query steps come out of one product with the attention weights.
- Both directions take one step together, as one batch: half as many steps, each twice as wide.
- Pairs are ordered by length, and a pair whose reference has ended leaves the batch: padding is never computed.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recue.core.errors import ShapeError
from recue.models.layers.attention import AdditiveAttention, query_mask
from recue.models.layers.bilinear import FactorizedBilinear
from recue.models.layers.gate import CrossGate


class BothWays:
    """References walked forward and backward together, longest first, without their padding.

    Rows are (step, pair) in the order in which they are walked; `n_rows[i]` pairs take step i.

    Args:
        n_steps: `[batch]`, 1 or more each.
        length: Steps of the padded references.

    Raises:
        ShapeError: a reference has no step, or more than the padded ones.
    """

    def __init__(self, n_steps: Tensor, length: int) -> None:
        if int(n_steps.min()) < 1 or int(n_steps.max()) > length:
            raise ShapeError(f"each reference has 1 to {length} valid steps, got {n_steps.tolist()}")
        n_sorted, self.pairs = n_steps.sort(descending=True, stable=True)
        walking = torch.arange(length, device=n_steps.device)[:, None] < n_sorted[None, :]
        self.n_rows: list[int] = walking.sum(dim=1).tolist()
        while not self.n_rows[-1]:
            self.n_rows.pop()
        step, row = walking.nonzero(as_tuple=True)
        start = self.pairs[row] * length
        #: `[rows, 2]`, where each row is in the padded references, flattened.
        self._at = torch.stack((start + step, start + n_sorted[row] - 1 - step), dim=1)
        self._shape = (len(n_steps), length)

    def rows(self, padded: Tensor) -> Tensor:
        """`[batch, time, dim]` to `[rows, 2, dim]`, the steps of the forward and of the backward walk."""
        return padded.flatten(0, 1).index_select(0, self._at.flatten()).view(len(self._at), 2, -1)

    def padded(self, rows: list[Tensor]) -> Tensor:
        """What each step gave, `[pairs, 2, dim]`, as `[batch, time, 2, dim]`; zeros in padding."""
        joined = torch.cat(rows)
        flat = joined.new_zeros(self._shape[0] * self._shape[1], 2, joined.shape[2])
        ways = torch.arange(2, device=joined.device)
        return flat.index_put((self._at, ways), joined).view(*self._shape, 2, -1)


class Matched(NamedTuple):
    """What the recurrence gives.

    Attributes:
        states: `[batch, reference, 2 · dim]`, forward and backward; zeros in padding.
        attention: `[batch, reference, 2, query]`, or None where it was not asked for; zeros in padding.
    """

    states: Tensor
    attention: Tensor | None


class Matching(nn.Module):
    """The recurrence.

    Args:
        dim: Size of the inputs and of each direction's state.
        rank: Of the bilinear matching.
        gate: Gate both sides by each other.
        bilinear: Match by factorized bilinear products; else both sides are concatenated.
        tied: See `FactorizedBilinear`.
        forget_bias: What the forget gates of the LSTMs start from.
    """

    def __init__(
        self,
        dim: int,
        *,
        rank: int = 8,
        gate: bool = True,
        bilinear: bool = True,
        tied: bool = True,
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.attention = AdditiveAttention(dim)
        self.gate = CrossGate(dim) if gate else None
        self.bilinear = FactorizedBilinear(dim, rank=rank, tied=tied) if bilinear else None
        # One LSTM a direction. Columns are input, forget, output, cell: three sigmoids side by side, one tanh.
        bound = 1.0 / math.sqrt(dim)
        self.lstm_input = nn.Parameter(torch.empty(2, dim if bilinear else 2 * dim, 4 * dim).uniform_(-bound, bound))
        self.lstm_state = nn.Parameter(torch.empty(2, dim, 4 * dim).uniform_(-bound, bound))
        self.lstm_bias = nn.Parameter(torch.zeros(2, 1, 4 * dim))
        with torch.no_grad():
            self.lstm_bias[:, :, dim : 2 * dim] = forget_bias

    def forward(
        self, query: Tensor, n_query: Tensor, reference: Tensor, n_reference: Tensor, *, keep_attention: bool = False
    ) -> Matched:
        """Match padded references against padded queries.

        Args:
            query: `[batch, query, dim]`.
            n_query: `[batch]`.
            reference: `[batch, reference, dim]`.
            n_reference: `[batch]`.
            keep_attention: Also give the attention weights.

        Raises:
            ShapeError: a reference or a query is empty, or longer than the padded ones.
        """
        if int(n_query.min()) < 1 or int(n_query.max()) > query.shape[1]:
            raise ShapeError(f"each query has 1 to {query.shape[1]} valid steps, got {n_query.tolist()}")
        walk = BothWays(n_reference, reference.shape[1])
        query, n_query = query[walk.pairs], n_query[walk.pairs]
        keys = self.attention.of_query(query)[:, None]
        padded = int(n_query.min()) < query.shape[1]
        masks = query_mask(n_query, query.shape[1], query.dtype) if padded else None
        score = self.attention.score_weight()
        values = query if self.gate is None else self.gate.values(query)
        # The state goes through the weights of attention and LSTM in one product, added to what is known before.
        of_state = torch.cat((self.attention.state_weight().expand(2, -1, -1), self.lstm_state), dim=2)
        side, known = self._known(walk, reference)
        knowns, sides = torch.split(known, walk.n_rows), torch.split(side, walk.n_rows)
        gates: tuple[Tensor, ...] = sides
        if self.gate is not None:
            gates = torch.split(walk.rows(self.gate.on_query(reference)), walk.n_rows)

        state = query.new_zeros(2, len(query), self.dim)
        # What is carried over the whole reference keeps its precision under autocast.
        cell = state.float()
        states: list[Tensor] = []
        weights: list[Tensor] = []
        for n, of_reference, side, on_query in zip(walk.n_rows, knowns, sides, gates, strict=True):
            if n < state.shape[1]:
                state, cell = state[:, :n], cell[:, :n]
                keys, values, masks = keys[:n], values[:n], None if masks is None else masks[:n]
            projected = torch.baddbmm(of_reference.transpose(0, 1), state, of_state)  # [2, pairs, dim + 4 dim]
            attention = self.attention(keys, masks, projected[:, :, : self.dim].transpose(0, 1), score)
            matched, weight = self._match(torch.bmm(attention, values), side, on_query)
            into_lstm = torch.baddbmm(projected[:, :, self.dim :], matched.transpose(0, 1), weight)
            state, cell = lstm_step(into_lstm, cell)
            states.append(state.transpose(0, 1))
            if keep_attention:
                weights.append(attention)
        return Matched(walk.padded(states).flatten(2), walk.padded(weights) if keep_attention else None)

    def _known(self, walk: BothWays, reference: Tensor) -> tuple[Tensor, Tensor]:
        """What the reference gives and the state does not change.

        Returns:
            Its side of the match, `[rows, 2, any]`, and what it adds to the inputs of attention and LSTM,
            `[rows, 2, dim + 4 · dim]`.
        """
        rows = walk.rows(reference)
        gates = self.lstm_bias[:, 0].expand(len(rows), -1, -1)
        if self.gate is None and self.bilinear is None:
            # Concatenated and not gated, it meets the LSTM's input weights alone.
            gates = gates + torch.einsum("rwi,wio->rwo", rows, self.lstm_input[:, self.dim :])
        known = torch.cat((walk.rows(self.attention.of_reference(reference)), gates), dim=2)
        if self.gate is None and self.bilinear is not None:
            return walk.rows(self.bilinear.reference(reference)), known
        return rows, known

    def _match(self, mixed: Tensor, side: Tensor, on_query: Tensor) -> tuple[Tensor, Tensor]:
        """One step: the result of the match and the weights with which it enters the LSTM."""
        if self.gate is None:
            if self.bilinear is None:
                return mixed, self.lstm_input[:, : self.dim]
            return self.bilinear.join(self.bilinear.query(mixed), side), self.lstm_input
        query, reference = self.gate(mixed, on_query, side)
        if self.bilinear is None:
            return torch.cat((query, reference), dim=-1), self.lstm_input
        return self.bilinear(query, reference), self.lstm_input


def lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM from its gates before their nonlinearities, in the order input, forget, output, cell.

    Args:
        gates: `[..., 4 · dim]`.
        cell: `[..., dim]`, of the step before.

    Returns:
        The new state and the new cell.
    """
    dim = cell.shape[-1]
    enter, forget, leave = torch.sigmoid(gates[..., : 3 * dim]).chunk(3, dim=-1)
    cell = forget * cell + enter * torch.tanh(gates[..., 3 * dim :])
    return leave * torch.tanh(cell), cell
