"""Video-level matching: a segment is one vector, the best segment is the one most like the query.

Source: the video-level row of the cross-gated bilinear matching paper (Feng et al. 2018). The last state of an LSTM,
brought to unit length, stands for a query and for any segment of a reference; a triplet loss (Schroff et al.,
"FaceNet", CVPR 2015) pulls segments that overlap the truth to the query and pushes others away; at test time every
segment of the reference is tried.

The paper calls that last part slow, since the reference is encoded again for every segment. It need not be: the
segments that start at one step are prefixes of each other, so one pass of the LSTM from that step gives all of them,
and the passes from all steps run side by side as one batch. What a feature vector adds to the gates does not depend on
where a pass started and is computed once a step. So a reference of R steps costs R projections and at most `max_steps`
small matrix products, instead of R · max_steps passes.

What the paper leaves open and we fix: segments are drawn uniformly among those that qualify, one positive and one
negative a pair and step; the margin and the squared distance are FaceNet's; an answer has at most the published 64
steps.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recue.core.errors import ConfigError
from recue.models.layers.segments import best_steps, tiou_steps
from recue.models.pairs import FoundSteps, PairBatch, PairModel, PairTargets


@dataclass(frozen=True, slots=True)
class VideoLevelOptions:
    """How large the network is, what it learns from, and what it searches.

    Attributes:
        n_hidden: Width of the LSTM.
        margin: By how much a negative must lie farther from the query than a positive, in squared distance of unit
            vectors (0 to 4); 0.2 is FaceNet's.
        positive_tiou: A segment whose tIoU with the truth is above this is a positive.
        negative_tiou: A segment whose tIoU with the truth is below this is a negative.
        n_triplets: Positives, and as many negatives, that are drawn for each pair.
        max_steps: Longest segment that is searched.
        max_tiou: Of several answers none overlaps a better one by more than this; with 0 none overlaps another.

    Raises:
        ConfigError: a count is below 1, or a number is out of range.
    """

    n_hidden: int = 128
    margin: float = 0.2
    positive_tiou: float = 0.8
    negative_tiou: float = 0.2
    n_triplets: int = 1
    max_steps: int = 64
    max_tiou: float = 0.0

    def __post_init__(self) -> None:
        if min(self.n_hidden, self.n_triplets, self.max_steps) < 1:
            raise ConfigError(
                "video-level needs n_hidden, n_triplets and max_steps of 1 or more, got "
                f"{self.n_hidden}, {self.n_triplets} and {self.max_steps}"
            )
        if not 0 < self.negative_tiou <= self.positive_tiou < 1:
            raise ConfigError(
                "video-level needs 0 < negative_tiou <= positive_tiou < 1, got "
                f"{self.negative_tiou} and {self.positive_tiou}"
            )
        if not (self.margin > 0 and 0 <= self.max_tiou <= 1):
            raise ConfigError(
                f"video-level needs a margin above 0 and max_tiou in [0, 1], got {self.margin} and {self.max_tiou}"
            )


class Encoded(NamedTuple):
    """A batch whose queries are encoded; which segments of the references are, `loss` and `decode` decide.

    Attributes:
        query: `[batch, hidden]`, unit length.
        reference: `[batch, reference, dim]`, as it came.
    """

    query: Tensor
    reference: Tensor


class VideoLevel(PairModel):
    """One LSTM for queries and segments; its last state, brought to unit length, is compared.

    Args:
        dim: Length of a feature vector.
        options: See `VideoLevelOptions`.
    """

    Options = VideoLevelOptions

    def __init__(self, dim: int, options: VideoLevelOptions | None = None) -> None:
        super().__init__()
        self.dim, self.options = dim, options or VideoLevelOptions()
        self.lstm = nn.LSTM(dim, self.options.n_hidden, batch_first=True)

    def forward(self, batch: PairBatch) -> Encoded:
        """Encode the queries."""
        return Encoded(self.encode(batch.query, batch.n_query), batch.reference)

    def encode(self, values: Tensor, n_steps: Tensor) -> Tensor:
        """Sequences `[batch, time, dim]`, of which `n_steps` `[batch]` are valid, to unit vectors `[batch, hidden]`."""
        states, _ = self.lstm(values)
        # An LSTM only looks back: the state after the last valid step knows nothing of the padding.
        rows = torch.arange(len(states), device=states.device)
        return functional.normalize(states[rows, n_steps - 1].float(), dim=1)

    def loss(self, output: Encoded, batch: PairBatch, targets: PairTargets) -> Tensor:
        """`max(0, |q - p|² - |q - n|² + margin)`, mean over triplets whose segments torch's own generator draws.

        A pair whose reference holds no negative (nearly all of it is the truth) adds nothing.
        """
        # Segments that are searched, and longer ones where a truth is longer: each truth is a positive of its own.
        longest = max(self.options.max_steps, int((targets.stop - targets.first).max()))
        first, stop = _segments(batch.reference.shape[1], longest, batch.reference.device)
        inside = stop[None, :] <= batch.n_reference[:, None]
        tiou = tiou_steps(first[None, :], stop[None, :], targets.first[:, None], targets.stop[:, None])
        positive = inside & (tiou > self.options.positive_tiou)
        negative = inside & (tiou < self.options.negative_tiou)
        usable = positive.any(dim=1) & negative.any(dim=1)
        if not usable.any():
            return 0.0 * output.query.sum()
        n_pairs, n = int(usable.sum()), self.options.n_triplets
        drawn = torch.cat((_draw(positive[usable], n), _draw(negative[usable], n)), dim=1).reshape(-1)
        pair = usable.nonzero()[:, 0].repeat_interleave(2 * n)
        vectors = self._encode_segments(output.reference, pair, first[drawn], stop[drawn])
        vectors = vectors.reshape(n_pairs, 2 * n, -1)  # [pair, positives then negatives, hidden]
        distance = (output.query[usable][:, None] - vectors).square().sum(dim=2)
        return functional.relu(distance[:, :n] - distance[:, n:] + self.options.margin).mean()

    @torch.no_grad()
    def decode(self, output: Encoded, n_reference: Tensor, *, n: int = 1) -> list[list[FoundSteps]]:
        """The segments most like the query, out of all up to `max_steps`; the score is the cosine.

        Raises:
            ConfigError: `n` is below 1.

        Cost: see `search`.
        """
        # Mixed precision is for training: neighbouring segments differ by less than it resolves.
        with torch.autocast(output.reference.device.type, enabled=False):
            scores = self.search(output, n_reference)
        first, more = np.indices(scores.shape[1:]).reshape(2, -1)
        return [
            best_steps(first, first + more + 1, row, n=n, max_tiou=self.options.max_tiou)
            for row in scores.flatten(1).cpu().numpy()
        ]

    @torch.no_grad()
    def search(self, output: Encoded, n_reference: Tensor) -> Tensor:
        """Cosine `[batch, reference, length]` of each query with all segments of its reference.

        Entry `[b, s, k]` is of the segment of `k + 1` steps that starts at step s; minus infinity where it does not
        fit into the reference.

        Cost: O(batch · reference) projections of a feature vector and O(batch · reference · max_steps · hidden²) for
        the rest, in at most `max_steps` matrix products; memory O(batch · reference · (hidden + max_steps)).
        """
        n_batch, n_steps, _ = output.reference.shape
        n_reference = n_reference.to(output.reference.device)
        cap = min(self.options.max_steps, int(n_reference.max()))
        from_input, from_hidden, bias, other_bias = (weight.float() for weight in self.lstm.all_weights[0])
        gates = functional.linear(output.reference.float(), from_input, bias + other_bias).flatten(0, 1)
        # One row a start, those with the most steps left first: those that can go on are always the first ones.
        left = (n_reference[:, None] - torch.arange(n_steps, device=gates.device)[None, :]).reshape(-1)
        start = left.argsort(descending=True, stable=True)
        n_alive = (left[None, :] > torch.arange(cap, device=left.device)[:, None]).sum(dim=1).tolist()
        query = output.query.repeat_interleave(n_steps, dim=0)[start]
        scores = gates.new_full((n_batch * n_steps, cap), -torch.inf)
        hidden = cell = gates.new_zeros(len(start), self.options.n_hidden)
        for k, n in enumerate(n_alive):
            rows = start[:n]
            hidden, cell = _lstm_step(torch.addmm(gates[rows + k], hidden[:n], from_hidden.t()), cell[:n])
            scores[rows, k] = functional.cosine_similarity(hidden, query[:n], dim=1)
        return scores.reshape(n_batch, n_steps, cap)

    def _encode_segments(self, reference: Tensor, pair: Tensor, first: Tensor, stop: Tensor) -> Tensor:
        """The segments `first` to `stop` of the references `pair`, all `[segment]`, as `[segment, hidden]`."""
        n_steps = stop - first
        steps = first[:, None] + torch.arange(int(n_steps.max()), device=first.device)[None, :]
        # What lies behind a segment's end is not looked at; it only has to exist.
        return self.encode(reference[pair[:, None], steps.clamp(max=reference.shape[1] - 1)], n_steps)


def _lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """New hidden state and new cell from the summed gates `[row, 4 * hidden]` in torch's order."""
    keep_in, forget, candidate, out = gates.chunk(4, dim=1)
    cell = forget.sigmoid() * cell + keep_in.sigmoid() * candidate.tanh()
    return out.sigmoid() * cell.tanh(), cell


def _segments(n_steps: int, longest: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """First step and stop of every segment of 1 to `longest` of so many steps."""
    first = torch.arange(n_steps, device=device)[:, None]
    stop = first + torch.arange(1, min(longest, n_steps) + 1, device=device)[None, :]
    inside = stop <= n_steps
    return first.expand_as(stop)[inside], stop[inside]


def _draw(mask: Tensor, n: int) -> Tensor:
    """`[row, n]`: for each row of `mask`, n of its true places, each as likely as the others, with repetition."""
    rank = mask.cumsum(dim=1)
    wanted = (torch.rand(len(mask), n, device=mask.device) * rank[:, -1:]).long().minimum(rank[:, -1:] - 1) + 1
    # The first place where so many true ones have been met is itself a true one.
    return torch.searchsorted(rank, wanted)
