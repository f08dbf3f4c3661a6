"""A trained network as a localizer, and the one way from a name or a directory to any localizer.

A network is trained on references of some hundred steps. A longer one is covered by windows that overlap; what the
windows find is put together so that a moment on a seam is found once and whole (`merge_windows`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError, FingerprintError
from recue.core.features import FeatureSequence
from recue.core.moment import ScoredSegment
from recue.core.protocols import Localizer
from recue.localize import LOCALIZERS
from recue.localize.suppress import hard_nms

if TYPE_CHECKING:
    from recue.models.pairs import FoundSteps
    from recue.models.saved import CheckpointConfig, TrainedModel

#: Values of one batch, at most: bounds the memory whatever the lengths.
_MAX_STEPS = 16_384

#: Segments asked of every window of a long reference.
_PER_WINDOW = 16


def load_localizer(name_or_directory: str | Path) -> Localizer:
    """Any localizer: by registry name, or a checkpoint by its directory.

    A registry name goes first; write `./align` for a directory of that name.

    Raises:
        UnknownNameError: neither a name nor a directory.
        ConfigError: the directory is no checkpoint, or one that this version does not read.
        WeightsError: the checkpoint is not whole.
    """
    given = str(name_or_directory)
    if given in LOCALIZERS.names():
        made: Localizer = LOCALIZERS.load(given)()
        return made
    directory = Path(given).expanduser()
    if directory.is_dir():
        return LearnedLocalizer.load(directory)
    if isinstance(name_or_directory, Path) or "/" in given:
        raise ConfigError(f"there is no checkpoint directory '{given}'; `recue train` makes one")
    loaded: Localizer = LOCALIZERS.load(given)()
    return loaded


@dataclass(frozen=True, slots=True, eq=False)
class LearnedLocalizer:
    """A trained network.

    Attributes:
        trained: The network and what prepares its inputs.
        config: Of its checkpoint.
        origin: Where it came from, for messages.
        n: Segments to answer with, at most; they do not overlap.

    Raises:
        ConfigError: `n` is below 1.
    """

    trained: "TrainedModel"
    config: "CheckpointConfig"
    origin: str
    n: int = 10

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"a localizer answers with 1 segment or more, got n={self.n}")

    @classmethod
    def load(cls, directory: Path, *, n: int = 10, device: str = "cpu") -> "LearnedLocalizer":
        """From a checkpoint directory.

        Raises:
            ConfigError: it is no checkpoint, or one that this version does not read.
            WeightsError: it is not whole, or damaged.
        """
        from recue.models.saved import load_trained, read_config

        return cls(load_trained(directory, device=device), read_config(directory), str(directory), n)

    @property
    def name(self) -> str:
        """Registry name of the model."""
        return self.config.model

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        """The best segments that do not overlap, best first.

        Raises:
            FingerprintError: the two were made by different things, or not by what the network was trained on.
        """
        return self.localize_many([(query, reference)])[0]

    def localize_many(self, pairs: Sequence[tuple[FeatureSequence, FeatureSequence]]) -> list[list[ScoredSegment]]:
        """What `localize` answers for each pair, computed in batches.

        Raises:
            FingerprintError: as `localize`.
        """
        for query, reference in pairs:
            query.require_same_source(reference)
            self._require_known(query)
        found = find_steps(
            self.trained,
            [(query.values, reference.values) for query, reference in pairs],
            window_steps=self.config.window_steps,
            overlap_steps=self.config.overlap_steps,
        )
        return [
            hard_nms(
                (ScoredSegment(reference.segment(one.first, one.stop), one.score, query.span) for one in answers),
                max_tiou=0.0,
                n=self.n,
            )
            for (query, reference), answers in zip(pairs, found, strict=True)
        ]

    def _require_known(self, sequence: FeatureSequence) -> None:
        features = self.config.features
        if sequence.fingerprint != features["fingerprint"]:
            raise FingerprintError(
                f"the checkpoint '{self.origin}' was trained on features of '{features['name']}' "
                f"({features['fingerprint']}), these are of '{sequence.backbone}' ({sequence.fingerprint}); index the "
                f"videos with the backbone that it was trained on, or train on features of this one"
            )


def find_steps(
    trained: "TrainedModel",
    pairs: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]],
    *,
    window_steps: int,
    overlap_steps: int,
    n: int = _PER_WINDOW,
) -> list[list["FoundSteps"]]:
    """What a network finds in each reference, best first, as steps; long references by windows.

    Args:
        trained: In evaluation mode; where it lies is where it runs.
        pairs: Query `[query, dim]` and reference `[reference, dim]`.
        window_steps: Longest stretch taken at once.
        overlap_steps: What neighbouring windows share at least.
        n: Segments asked of a reference that fits into one window; of windows more are asked, as neighbours overlap.

    Cost: one pass of the network over every window; pairs of like length share a batch.
    """
    import torch

    from recue.models.pairs import FoundSteps, pair_batch

    jobs = [
        (position, bounds)
        for position, (_, reference) in enumerate(pairs)
        for bounds in windows(len(reference), window_steps, overlap_steps)
    ]
    lengths = [max(len(pairs[position][0]), bounds[1] - bounds[0]) for position, bounds in jobs]
    order = sorted(range(len(jobs)), key=lambda job: lengths[job])
    device = next((tensor.device for tensor in trained.state_dict().values()), torch.device("cpu"))
    asked = n if len(jobs) == len(pairs) else max(n, _PER_WINDOW)
    answers: list[list[FoundSteps]] = [[] for _ in jobs]
    with torch.inference_mode():
        for chosen in _batches(order, lengths):
            batch = pair_batch(
                [pairs[jobs[job][0]][0] for job in chosen],
                [pairs[jobs[job][0]][1][slice(*jobs[job][1])] for job in chosen],
                device=device,
            )
            batch = trained.inputs.batch(batch)
            found = trained.model.decode(trained.model(batch), batch.n_reference, n=asked)
            for job, segments in zip(chosen, found, strict=True):
                answers[job] = [FoundSteps(int(s.first), int(s.stop), float(s.score)) for s in segments]
    by_pair: list[list[tuple[tuple[int, int], list[FoundSteps]]]] = [[] for _ in pairs]
    for (position, bounds), segments in zip(jobs, answers, strict=True):
        by_pair[position].append((bounds, segments))
    return [merge_windows(found, len(reference)) for found, (_, reference) in zip(by_pair, pairs, strict=True)]


def windows(n_steps: int, window_steps: int, overlap_steps: int) -> list[tuple[int, int]]:
    """Windows that cover a reference: one where it fits, else evenly spread ones that overlap.

    >>> windows(5, 8, 4)
    [(0, 5)]
    >>> windows(18, 8, 4)
    [(0, 8), (3, 11), (7, 15), (10, 18)]

    Raises:
        ConfigError: not `0 <= overlap < window`.
    """
    if not 0 <= overlap_steps < window_steps:
        raise ConfigError(f"windows overlap by 0 to less than a window, got {overlap_steps} of {window_steps} steps")
    if n_steps <= window_steps:
        return [(0, n_steps)]
    n_windows = 1 + math.ceil((n_steps - window_steps) / (window_steps - overlap_steps))
    firsts = np.linspace(0, n_steps - window_steps, n_windows).round().astype(int)
    return [(int(first), int(first) + window_steps) for first in firsts]


def merge_windows(found: Sequence[tuple[tuple[int, int], Sequence["FoundSteps"]]], n_steps: int) -> list["FoundSteps"]:
    """Put together what overlapping windows found, on the reference's own steps, best first.

    Near a cut a network sees half of the surroundings and may see half of a moment. So a segment counts only where
    the window that found it knows best: its middle lies no nearer to the cut than a quarter of the overlap, and it
    does not touch the cut if the neighbour holds it whole. Two windows may still answer with the same moment:
    suppression keeps the better one.

    Args:
        found: For each window, in order, its bounds and what it found, in steps of the window.
        n_steps: Of the reference.
    """
    from recue.models.pairs import FoundSteps

    merged = []
    for k, ((first, stop), segments) in enumerate(found):
        before = found[k - 1][0][1] - first if k > 0 else 0
        after = stop - found[k + 1][0][0] if k + 1 < len(found) else 0
        for one in segments:
            start, end = first + one.first, first + one.stop
            middle = 0.5 * (start + end)
            if before and (middle < first + before / 4 or (start == first and end - start < before)):
                continue
            if after and (middle >= stop - after / 4 or (end == stop and end - start < after)):
                continue
            merged.append(FoundSteps(start, min(end, n_steps), one.score))
    return sorted(merged, key=lambda one: (-one.score, one.first, one.stop))


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Jobs of like length together, none with more than a bounded number of (padded) steps."""
    batches: list[list[int]] = []
    for job in order:
        if batches and (len(batches[-1]) + 1) * lengths[job] <= _MAX_STEPS:
            batches[-1].append(job)
        else:
            batches.append([job])
    return batches
