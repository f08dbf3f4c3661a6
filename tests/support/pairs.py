"""A small dataset of clips and references, and a small model, for tests of training."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recue.core.errors import ConfigError
from recue.datasets.task import Clip, DatasetReport, Item, Question, Split
from recue.models.pairs import FoundSteps, PairBatch, PairModel, PairTargets


@dataclass(frozen=True, eq=False)
class MadeStore:
    """Features in memory."""

    values: dict[str, NDArray[np.float32]]
    name: str = "made"
    fingerprint: str = "made-1"
    step_s: float = 0.5

    @property
    def dim(self) -> int:
        return int(next(iter(self.values.values())).shape[1])

    def videos(self) -> Sequence[str]:
        return list(self.values)

    def n_steps(self, video: str) -> int:
        return len(self._of(video))

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        return self._of(video)[first:stop]

    def times_s(self, video: str) -> NDArray[np.float64]:
        return self.step_s * np.arange(self.n_steps(video) + 1)

    def _of(self, video: str) -> NDArray[np.float32]:
        if video not in self.values:
            raise ConfigError(f"there is no video '{video}'")
        return self.values[video]


@dataclass(frozen=True, eq=False)
class MadeDataset:
    """References that hold a stretch of their class's direction in noise, and queries of that direction."""

    store: MadeStore
    made: dict[Split, tuple[tuple[Clip, ...], tuple[Item, ...]]]
    name: str = "made"
    asked: dict[Split, tuple[Question, ...]] = field(default_factory=dict)

    def check(self) -> DatasetReport:
        return DatasetReport(self.name, {})

    def classes(self, split: Split) -> tuple[str, ...]:
        return tuple(sorted({item.moment.label for item in self.items(split)}))

    def items(self, split: Split) -> tuple[Item, ...]:
        return self.made[split][1] if split in self.made else ()

    def queries(self, split: Split) -> tuple[Clip, ...]:
        return self.made[split][0] if split in self.made else ()

    def questions(self, split: Split, *, seed: int = 0) -> tuple[Question, ...]:
        return self.asked.get(split, ())


def made_dataset(
    *, n_classes: int = 3, n_each: int = 4, dim: int = 6, seed: int = 0, n_reference: int = 30
) -> MadeDataset:
    rng = np.random.default_rng(seed)
    values: dict[str, NDArray[np.float32]] = {}
    made: dict[Split, tuple[tuple[Clip, ...], tuple[Item, ...]]] = {}
    asked: dict[Split, tuple[Question, ...]] = {}
    splits: tuple[Split, ...] = ("train", "val")
    for split in splits:
        queries, items, questions = [], [], []
        for label in (f"{split}-{k}" for k in range(n_classes)):
            direction = rng.standard_normal(dim).astype(np.float32)
            for k in range(n_each):
                own = f"{label}-{k}"
                n = int(rng.integers(4, 9))
                query = direction + 0.3 * rng.standard_normal((n, dim)).astype(np.float32)
                values[f"query/{own}"] = query
                queries.append(Clip(f"query/{own}", 0, n, label, source=f"source-{own}"))
                length = n_reference + int(rng.integers(0, 6))
                reference = rng.standard_normal((length, dim)).astype(np.float32)
                first = int(rng.integers(0, length - n))
                reference[first : first + n] = direction + 0.3 * rng.standard_normal((n, dim))
                values[f"reference/{own}"] = reference
                moment = Clip(f"reference/{own}", first, first + n, label, source=f"source-{own}")
                items.append(Item(moment, (0, length)))
        for k, query in enumerate(queries):
            item = items[(k // n_each) * n_each + (k + 1) % n_each]
            questions.append(Question(query, item.moment.video, item.location, item.truths))
            absent = items[(k + n_each) % len(items)]
            questions.append(Question(query, absent.moment.video, absent.location, ()))
        made[split] = (tuple(queries), tuple(items))
        asked[split] = tuple(questions)
    return MadeDataset(MadeStore(values), made, asked=asked)


@dataclass(frozen=True)
class StepwiseOptions:
    """Options of `Stepwise`."""

    n_hidden: int = 8
    dropout: float = 0.3


class Stepwise(PairModel):
    """Says of each reference step alone whether it is like the mean query step; it sees no neighbours."""

    Options = StepwiseOptions

    def __init__(self, dim: int, options: StepwiseOptions | None = None) -> None:
        super().__init__()
        self.dim, self.options = dim, options or StepwiseOptions()
        self.project = nn.Linear(dim, self.options.n_hidden)
        self.scale = nn.Linear(1, 1)
        self.dropout = nn.Dropout(self.options.dropout)

    def forward(self, batch: PairBatch) -> Tensor:
        steps = torch.arange(batch.query.shape[1], device=batch.query.device)
        valid = (steps[None] < batch.n_query[:, None])[..., None]
        query = (self.project(batch.query) * valid).sum(1) / batch.n_query[:, None]
        reference = self.dropout(self.project(batch.reference))
        return self.scale(torch.cosine_similarity(reference, query[:, None], dim=-1)[..., None])[..., 0]

    def loss(self, output: Tensor, batch: PairBatch, targets: PairTargets) -> Tensor:
        steps = torch.arange(output.shape[1], device=output.device)[None]
        inside = (steps >= targets.first[:, None]) & (steps < targets.stop[:, None])
        each = nn.functional.binary_cross_entropy_with_logits(output, inside.to(output.dtype), reduction="none")
        valid = steps < batch.n_reference[:, None]
        return (each * valid).sum() / valid.sum()

    def decode(self, output: Tensor, n_reference: Tensor, *, n: int = 1) -> list[list[FoundSteps]]:
        answers = []
        for row, length in zip(output, n_reference.tolist(), strict=True):
            padded = nn.functional.pad((row[:length] > 0).int(), (1, 1))
            edges = padded.diff().nonzero()[:, 0].tolist()
            runs = [
                FoundSteps(first, stop, float(row[first:stop].sum()))
                for first, stop in zip(edges[::2], edges[1::2], strict=True)
            ]
            answers.append(sorted(runs, key=lambda run: (-run.score, run.first))[:n])
        return answers


class TwoParts(Stepwise):
    """As `Stepwise`, with an optimizer for each of its two parts."""

    def optimizers(self, settings: Any) -> dict[str, torch.optim.Optimizer]:
        return {
            "scale": torch.optim.SGD(self.scale.parameters(), lr=0.1),
            "project": torch.optim.Adam(self.project.parameters(), lr=settings.learning_rate),
        }

    def training_step(self, batch: PairBatch, targets: PairTargets, name: str) -> Tensor:
        return self.loss(self(batch), batch, targets)
