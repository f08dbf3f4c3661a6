"""The matching recurrence and the decoding of cross-gated bilinear matching straight from the paper's equations.

What the fast ones must agree with, and what they are measured against. A batch is walked as one would first write it:
each direction by itself, every equation at every step, padding computed and masked.
"""

import math

import torch
from torch import Tensor

from recue.models.layers.matching import Matching


def plain_matching(
    matching: Matching, query: Tensor, n_query: Tensor, reference: Tensor, n_reference: Tensor
) -> tuple[Tensor, Tensor]:
    """States `[batch, reference, 2 dim]` and attention `[batch, reference, 2, query]`, zeros in padding."""
    batch, length, dim = reference.shape
    valid_query = torch.arange(query.shape[1]) < n_query[:, None]
    attend, gate, bilinear = matching.attention, matching.gate, matching.bilinear
    states, weights = [], []
    for way, order in enumerate((range(length), range(length - 1, -1, -1))):
        h = c = torch.zeros(batch, dim)
        h_of: list[Tensor] = [h] * length
        weight_of: list[Tensor] = [h] * length
        for i in order:
            r = reference[:, i]
            # Equation 2; its last bias does nothing.
            e = torch.tanh(attend.query(query) + (attend.reference(r) + attend.state(h))[:, None])
            alpha = attend.score(e)[:, :, 0].masked_fill(~valid_query, -torch.inf).softmax(dim=1)
            q = (alpha[:, :, None] * query).sum(dim=1)
            # Equation 3.
            if gate is not None:
                q, r = q * torch.sigmoid(gate.by_reference(r)), r * torch.sigmoid(gate.by_query(q))
            # Equation 5.
            if bilinear is not None:
                left = bilinear.query(q).view(batch, bilinear.rank, dim)
                right = bilinear.reference(r).view(batch, bilinear.rank, dim)
                t = (left * right).sum(dim=1)
            else:
                t = torch.cat((q, r), dim=1)
            # Equation 7.
            gates = t @ matching.lstm_input[way] + h @ matching.lstm_state[way] + matching.lstm_bias[way]
            enter, forget, leave, new = gates.chunk(4, dim=1)
            c_next = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
            h_next = torch.sigmoid(leave) * torch.tanh(c_next)
            # A padded step changes nothing; backward, padding comes first.
            valid = (i < n_reference)[:, None]
            h, c = torch.where(valid, h_next, h), torch.where(valid, c_next, c)
            h_of[i], weight_of[i] = h * valid, alpha * valid
        states.append(torch.stack(h_of, dim=1))
        weights.append(torch.stack(weight_of, dim=1))
    return torch.cat(states, dim=2), torch.stack(weights, dim=2)


def triple_loop(start: list[float], end: list[float], inside: list[float], max_steps: int) -> tuple[int, int, float]:
    """Equation 12 for one sequence of log-probabilities: every start, every end, every step between."""
    best = (0, 0, -math.inf)
    for s in range(len(start)):
        for e in range(s, min(len(start), s + max_steps)):
            total = 0.0
            for i in range(s, e + 1):
                total += inside[i]
            score = start[s] + end[e] + total / (e - s + 1)
            if score > best[2]:
                best = (s, e + 1, score)
    return best
