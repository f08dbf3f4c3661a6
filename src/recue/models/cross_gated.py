"""Cross-gated bilinear matching: the first network that was made for re-localization.

Source: Feng, Ma, Liu, Zhang and Luo, "Video Re-localization", ECCV 2018. One LSTM reads query and reference; a
second, bidirectional one matches every reference step against the query (`layers.matching`); a third says for each
step how likely the moment starts there, ends there, goes on there, or is elsewhere. The answer is the segment with
the largest joint probability (`layers.span_decode`).

The ablations of its table 2 are two switches: base (`gate=False, bilinear=False`), base and cross gating
(`bilinear=False`), base and bilinear (`gate=False`), and the full model.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from recue.core.errors import ConfigError, ShapeError
from recue.models.layers.matching import Matching
from recue.models.layers.span_decode import best_spans
from recue.models.pairs import FoundSteps, PairBatch, PairModel, PairTargets, valid_steps

#: What to know before trusting the numbers.
CARD = {
    "paper": "Feng et al., Video Re-localization, ECCV 2018",
    "input": "C3D fc7 to 500 dimensions by PCA, one step every 16 frames; any features will do",
    "output": "log-probabilities of start, end, inside and outside for every reference step",
}

#: Columns of the output.
START, END, INSIDE, OUTSIDE = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossGatedOptions:
    """What can be chosen. The defaults are the paper's; where it is silent, those of the authors' public code.

    Attributes:
        n_hidden: Size of every LSTM's state.
        rank: Rows of each factor of the bilinear matching.
        gate: Cross gating (an ablation when off).
        bilinear: Bilinear matching; off: both sides are concatenated (an ablation).
        tied: One bilinear factor for both sides; off: one for each.
        keep_features: Share of the aggregated features that dropout keeps in training.
        keep_matching: Share of the matching states that dropout keeps.
        forget_bias: What the forget gates start from.
        boundary_weight: Weight in the loss of the steps where the truth starts or ends (the paper's c_w).
        average: Over what the loss is a mean: all valid `steps` of the batch, or the steps of each pair and then
            the `pairs`, which gives short references more weight a step.
        max_steps: Longest segment that is answered, in reference steps (1024 frames).
        max_tiou: Of several answers none overlaps a better one by more than this; with 0 none overlaps another.

    Raises:
        ConfigError: a value makes no sense.
    """

    n_hidden: int = 128
    rank: int = 8
    gate: bool = True
    bilinear: bool = True
    tied: bool = True
    keep_features: float = 0.6
    keep_matching: float = 0.8
    forget_bias: float = 1.0
    boundary_weight: float = 10.0
    average: Literal["steps", "pairs"] = "steps"
    max_steps: int = 64
    max_tiou: float = 0.0

    def __post_init__(self) -> None:
        if min(self.n_hidden, self.rank, self.max_steps) < 1:
            raise ConfigError(
                "n_hidden, rank and max_steps are 1 or more, got "
                f"n_hidden={self.n_hidden}, rank={self.rank}, max_steps={self.max_steps}"
            )
        if not (0.0 < self.keep_features <= 1.0 and 0.0 < self.keep_matching <= 1.0):
            raise ConfigError(
                "keep_features and keep_matching are shares above 0, up to 1, got "
                f"{self.keep_features} and {self.keep_matching}"
            )
        if self.average not in ("steps", "pairs"):
            raise ConfigError(f"the loss is averaged over 'steps' or over 'pairs', got '{self.average}'")
        if self.boundary_weight < 0 or not 0.0 <= self.max_tiou <= 1.0:
            raise ConfigError(
                "boundary_weight is 0 or more and max_tiou lies in [0, 1], got "
                f"{self.boundary_weight} and {self.max_tiou}"
            )


class CrossGated(PairModel):
    """The network. Its output is `[batch, reference, 4]`: log-probabilities of start, end, inside, outside.

    What the output holds in the padding means nothing.

    Args:
        dim: Length of a feature vector.
        options: See `CrossGatedOptions`.
    """

    Options = CrossGatedOptions

    def __init__(self, dim: int, options: CrossGatedOptions | None = None) -> None:
        super().__init__()
        self.dim = dim
        self.options: CrossGatedOptions = options or CrossGatedOptions()
        o = self.options
        self.aggregate = _lstm(dim, o.n_hidden, o.forget_bias)
        self.matching = Matching(
            o.n_hidden, rank=o.rank, gate=o.gate, bilinear=o.bilinear, tied=o.tied, forget_bias=o.forget_bias
        )
        self.locate = _lstm(2 * o.n_hidden, o.n_hidden, o.forget_bias)
        self.classify = nn.Linear(o.n_hidden, 4)
        self.drop_features = nn.Dropout(1.0 - o.keep_features)
        self.drop_matching = nn.Dropout(1.0 - o.keep_matching)

    def forward(self, batch: PairBatch) -> Tensor:
        """Log-probabilities for every reference step.

        Raises:
            ShapeError: the features are not of the length that the model was made for, or a sequence is empty.
        """
        query, reference = self._aggregated(batch)
        matched = self.matching(query, batch.n_query, reference, batch.n_reference).states
        # Padding lies at the end, and an LSTM does not look ahead: it may run over it.
        located, _ = self.locate(self.drop_matching(matched))
        return torch.log_softmax(self.classify(located).float(), dim=-1)

    def attention(self, batch: PairBatch, *, direction: Literal["forward", "backward"] = "forward") -> Tensor:
        """How much each query step mattered to each reference step.

        Args:
            batch: The pairs.
            direction: Of the walk over the reference.

        Returns:
            `[batch, reference, query]`; a valid row sums to 1 over the valid query steps, padding is 0.
        """
        query, reference = self._aggregated(batch)
        kept = self.matching(query, batch.n_query, reference, batch.n_reference, keep_attention=True).attention
        return cast(Tensor, kept)[:, :, 0 if direction == "forward" else 1]

    def loss(self, output: Tensor, batch: PairBatch, targets: PairTargets) -> Tensor:
        """Weighted cross entropy with the soft labels of the truth (eq. 9 to 11)."""
        valid = valid_steps(batch.n_reference, output.shape[1])
        labels = soft_labels(targets, output.shape[1])
        weight = 1.0 + (self.options.boundary_weight - 1.0) * (labels[:, :, START] + labels[:, :, END] > 0)
        each = -(labels * output).sum(dim=-1) * weight * valid
        if self.options.average == "pairs":
            return (each.sum(dim=1) / batch.n_reference).mean()
        return each.sum() / batch.n_reference.sum()

    def decode(self, output: Tensor, n_reference: Tensor, *, n: int = 1) -> list[list[FoundSteps]]:
        """The segments with the largest joint probability (eq. 12), which is their score.

        Raises:
            ConfigError: `n` is below 1.
            ShapeError: the output is not finite.
        """
        values = output.detach().float().cpu().numpy()
        return best_spans(
            values[:, :, START],
            values[:, :, END],
            values[:, :, INSIDE],
            n_reference.cpu().numpy(),
            max_steps=self.options.max_steps,
            n=n,
            max_tiou=self.options.max_tiou,
        )

    def _aggregated(self, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """Query and reference through the LSTM that they share."""
        for name, side in (("query", batch.query), ("reference", batch.reference)):
            if side.shape[-1] != self.dim:
                raise ShapeError(
                    f"this model takes vectors of {self.dim} values, the {name} has {side.shape[-1]}; "
                    "use the features that it was trained on"
                )
        query, _ = self.aggregate(batch.query)
        reference, _ = self.aggregate(batch.reference)
        return self.drop_features(query), self.drop_features(reference)


def soft_labels(targets: PairTargets, length: int) -> Tensor:
    """What each step should be: shares of start, end, inside and outside that sum to 1.

    >>> truth = PairTargets(torch.tensor([1]), torch.tensor([3]))
    >>> soft_labels(truth, 4)[0].tolist()
    [[0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.5, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]]

    Args:
        targets: `[batch]` bounds.
        length: Steps of the padded references.

    Returns:
        `[batch, length, 4]`.
    """
    step = torch.arange(length, device=targets.first.device)
    first, last = targets.first[:, None], targets.stop[:, None] - 1
    inside = (first <= step) & (step <= last)
    labels = torch.stack((step == first, step == last, inside, ~inside), dim=-1).float()
    return labels / labels.sum(dim=-1, keepdim=True)


def _lstm(dim: int, hidden: int, forget_bias: float) -> nn.LSTM:
    """torch's LSTM; its two biases add up, and the second quarter of each is the forget gate's."""
    lstm = nn.LSTM(dim, hidden, batch_first=True)
    bias, other_bias = lstm.get_parameter("bias_ih_l0"), lstm.get_parameter("bias_hh_l0")
    with torch.no_grad():
        other_bias.zero_()
        bias.zero_()
        bias[hidden : 2 * hidden] = forget_bias
    return lstm
