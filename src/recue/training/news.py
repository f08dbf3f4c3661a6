"""What a training says of itself while it runs, and at its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

EventKind = Literal["started", "step", "validated", "ended"]


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """News of a training.

    Attributes:
        kind: `started`, `step` (every `log_every` steps), `validated`, `ended`.
        step: Updates done.
        n_steps: Updates in all.
        figures: Loss, norm of the gradient, shares of a validation.
        best: Best mAP@1 so far; -1 before the first validation.
        note: What a person should know.
    """

    kind: EventKind
    step: int
    n_steps: int
    figures: Mapping[str, float]
    best: float = -1.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training did.

    Attributes:
        directory: The checkpoint.
        step: Updates done in all.
        n_steps: Updates asked for.
        ended: `done`, `early` (no better validation for long enough), or `interrupted`.
        best_step: After which the kept weights were; -1 if it never validated.
        figures: Of the validation after that step.
        elapsed_s: Wall time of this sitting.
        waiting_s: Of it, time in which the network waited for features to be read.
        rank: Which of several devices this process is; 0 for the one that writes and speaks.
    """

    directory: Path
    step: int
    n_steps: int
    ended: Literal["done", "early", "interrupted"]
    best_step: int
    figures: Mapping[str, float]
    elapsed_s: float
    waiting_s: float
    rank: int = 0
