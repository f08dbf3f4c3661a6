"""What a dataset may offer beyond the protocol: features it can make itself, items in words, exact truths."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from recue.core.segment import Segment
from recue.datasets.task import Question, Split

#: Gets what was done, what there is to do, and the name of what was just done.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What `recue dataset build` did.

    Attributes:
        folder: Where the features are.
        n_made: Videos that got features now.
        n_kept: Videos that had them already.
        failed: A sentence for each video that could not be read; the others are done all the same.
    """

    folder: Path
    n_made: int
    n_kept: int
    failed: tuple[str, ...] = ()


@runtime_checkable
class Buildable(Protocol):
    """A dataset that makes its features from files it has."""

    def build(self, *, progress: Progress | None = None, threads: int = 1) -> BuildReport:
        """Make what is missing; what was made before a stop is kept.

        Args:
            progress: Called after each video.
            threads: Processor cores for inference.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """A dataset with items of its own kind, which it can put in words."""

    def describe(self, split: Split, n: int) -> tuple[str, ...]:
        """The first `n` items of a split, a sentence each."""
        ...


@runtime_checkable
class ExactTruths(Protocol):
    """A dataset that knows its truths finer than to a step."""

    def truths_s(self, question: Question) -> tuple[Segment, ...]:
        """What `question.truths` says in steps, in exact seconds, in the same order."""
        ...
