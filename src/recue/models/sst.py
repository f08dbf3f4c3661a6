"""Single-stream temporal proposals: at every step, how likely a moment of each length ends just there.

Source: Buch et al., "SST: Single-Stream Temporal Action Proposals", CVPR 2017, in the role that the cross-gated
bilinear matching paper (Feng et al. 2018) gives it: the proposal baseline, whose answer is the proposal with the
largest confidence.

**The query is not looked at.** The network learns where in a video something happens, whatever it is. On references
that hold one moment each this scores far above chance; that is what the row is there to show.

What neither paper fixes and we do: as many lengths as the published cap on an answer has steps (64 of 16 frames), one
GRU layer as wide as the other networks of that paper, and the share of positives as it is counted while training.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from recue.core.errors import ConfigError
from recue.models.layers.segments import best_steps, tiou_steps
from recue.models.pairs import FoundSteps, PairBatch, PairModel, PairTargets, valid_steps


@dataclass(frozen=True, slots=True)
class SstOptions:
    """How large the network is, what it learns from, and what it answers.

    Attributes:
        n_hidden: Width of the GRU.
        n_layers: Layers of the GRU.
        n_anchors: Lengths that are tried at every step: 1, 2, ... steps.
        dropout: Share of the GRU's outputs that is dropped in training, in [0, 1).
        positive_tiou: A proposal is positive when its tIoU with the truth is above this.
        min_share: The share of positives of a length, from which its two weights come, is held between this and one
            minus this. Without it, a length that is never positive would never learn to be refused either.
        max_tiou: Of several answers none overlaps a better one by more than this; with 0 none overlaps another.

    Raises:
        ConfigError: a count is below 1 or a share out of range.
    """

    n_hidden: int = 128
    n_layers: int = 1
    n_anchors: int = 64
    dropout: float = 0.0
    positive_tiou: float = 0.5
    min_share: float = 0.01
    max_tiou: float = 0.0

    def __post_init__(self) -> None:
        if min(self.n_hidden, self.n_layers, self.n_anchors) < 1:
            raise ConfigError(
                "sst needs n_hidden, n_layers and n_anchors of 1 or more, got "
                f"{self.n_hidden}, {self.n_layers} and {self.n_anchors}"
            )
        if not (0 <= self.dropout < 1 and 0 <= self.positive_tiou < 1 and 0 <= self.max_tiou <= 1):
            raise ConfigError(
                "sst needs dropout and positive_tiou in [0, 1) and max_tiou in [0, 1], got "
                f"{self.dropout}, {self.positive_tiou} and {self.max_tiou}"
            )
        if not 0 < self.min_share <= 0.5:
            raise ConfigError(f"sst needs a min_share in (0, 0.5], got {self.min_share}")


class Sst(PairModel):
    """A GRU over the reference and, at every step, one logit for each length.

    Logit `[t, k]` is of the proposal that covers the `k + 1` steps up to and with step t.

    Args:
        dim: Length of a feature vector.
        options: See `SstOptions`.
    """

    Options = SstOptions

    #: `[anchor]`: proposals of each length seen in training, and how many of them were positive. Part of a checkpoint.
    n_seen: Tensor
    n_positive: Tensor

    def __init__(self, dim: int, options: SstOptions | None = None) -> None:
        super().__init__()
        self.dim, self.options = dim, options or SstOptions()
        o = self.options
        self.gru = nn.GRU(dim, o.n_hidden, o.n_layers, batch_first=True, dropout=o.dropout if o.n_layers > 1 else 0.0)
        self.dropout = nn.Dropout(o.dropout)
        self.head = nn.Linear(o.n_hidden, o.n_anchors)
        self.register_buffer("n_seen", torch.zeros(o.n_anchors, dtype=torch.int64))
        self.register_buffer("n_positive", torch.zeros(o.n_anchors, dtype=torch.int64))

    def forward(self, batch: PairBatch) -> Tensor:
        """Logits `[batch, reference, anchor]`; those of the padding and of proposals that start before 0 say nothing.

        Cost: one pass over the reference, O(reference · n_hidden · (dim + n_hidden)).
        """
        # A GRU only looks back, so padding at the end does not reach the steps before it.
        states, _ = self.gru(batch.reference)
        logits: Tensor = self.head(self.dropout(states))
        return logits

    def loss(self, output: Tensor, batch: PairBatch, targets: PairTargets) -> Tensor:
        """Mean over all proposals of the two-class cross entropy, each length weighted by how rare its positives are.

        With the share p of a length's training proposals that are positive, a positive weighs `1 - p` and a negative
        `p`. The share is counted over the batches seen in training so far, this one included.
        """
        first, stop = self._proposals(output.shape[1], output.device)
        valid = self._valid(output.shape[1], batch.n_reference)
        tiou = tiou_steps(first, stop, targets.first[:, None, None], targets.stop[:, None, None])
        positive = valid & (tiou > self.options.positive_tiou)
        if self.training:
            self.n_seen += valid.sum(dim=(0, 1))
            self.n_positive += positive.sum(dim=(0, 1))
        share = self.positive_share().to(output.dtype)
        cross_entropy = functional.binary_cross_entropy_with_logits(output, positive.to(output.dtype), reduction="none")
        weighted = torch.where(positive, 1.0 - share, share) * cross_entropy
        return weighted[valid].mean()

    def decode(self, output: Tensor, n_reference: Tensor, *, n: int = 1) -> list[list[FoundSteps]]:
        """The most confident proposals; the score is the confidence, in [0, 1].

        Lengths that no reference in training was long enough for are left out: nothing was learned about them.

        Raises:
            ConfigError: `n` is below 1.
        """
        first, stop = (bound.expand(output.shape[1:]) for bound in self._proposals(output.shape[1], output.device))
        valid = self._valid(output.shape[1], n_reference)
        if self.n_seen.any():
            valid = valid & (self.n_seen > 0)
        return [
            best_steps(
                first[keep].cpu().numpy(),
                stop[keep].cpu().numpy(),
                confidence[keep].cpu().numpy(),
                n=n,
                max_tiou=self.options.max_tiou,
            )
            for confidence, keep in zip(output.detach().float().sigmoid(), valid, strict=True)
        ]

    def positive_share(self) -> Tensor:
        """`[anchor]`: the share of training proposals of each length that were positive, within `min_share`."""
        low = self.options.min_share
        return (self.n_positive / self.n_seen.clamp(min=1)).clamp(low, 1 - low)

    def _proposals(self, n_steps: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """First step `[time, anchor]` and stop `[time, 1]` of every proposal; some start before 0."""
        stop = torch.arange(1, n_steps + 1, device=device)[:, None]
        return stop - torch.arange(1, self.options.n_anchors + 1, device=device)[None, :], stop

    def _valid(self, n_steps: int, n_reference: Tensor) -> Tensor:
        """`[batch, time, anchor]`: the proposal lies inside its reference."""
        first, _ = self._proposals(n_steps, n_reference.device)
        return valid_steps(n_reference, n_steps)[:, :, None] & (first >= 0)[None]
