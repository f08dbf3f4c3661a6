"""Pairs to train on: each step's batch is a function of the seed and the step alone.

Every epoch walks over all queries in an order of its own; to each query it draws a reference that holds a moment of
the same class, and crops the background around the truth. Nothing is remembered from step to step, so a training that
was killed goes on exactly where it was, and several devices share a batch without talking about it.

Source: the training protocol of the cross-gated bilinear matching paper (Feng et al. 2018) and of its public code:
a random reference of the same class with at least the query's length, cropped at random in 90 % of the cases.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.datasets.task import Bounds, Clip, FeatureStore, Item, RelocalizationDataset
from recue.models.pairs import PairBatch, PairTargets, pair_batch
from recue.search.prefetch import prefetched

#: Vectors that inputs are measured on, at most, and how many are taken from one stretch.
_MAX_SAMPLES, _SAMPLES_EACH = 20_000, 64

# Streams of random numbers that must not run in step.
_ORDER, _DRAW, _MEASURE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Example:
    """One pair before it is read.

    Attributes:
        query: What is looked for.
        video: The reference.
        location: The stretch of it that the network sees.
        truth: Where the moment is, in steps of the video.
    """

    query: Clip
    video: str
    location: Bounds
    truth: Bounds


@dataclass(frozen=True, slots=True)
class PairSampler:
    """Draws the pairs of every step.

    Attributes:
        store: Features.
        queries: What queries are drawn from; every one has a reference.
        choices: For each query the items that it may be looked for in.
        seed: Another seed, another training.
        batch: Pairs a step.
        crop: Share of the examples that are cropped.
        one_truth: Keep to the stretch between the other moments of the class.
        max_reference_steps: Longest reference; 0 for no limit.
        left_out: Queries that have no reference, or are too long.
    """

    store: FeatureStore
    queries: tuple[Clip, ...]
    choices: tuple[tuple[Item, ...], ...]
    seed: int = 0
    batch: int = 128
    crop: float = 0.9
    one_truth: bool = True
    max_reference_steps: int = 0
    left_out: int = 0
    _orders: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        dataset: RelocalizationDataset,
        *,
        seed: int = 0,
        batch: int = 128,
        crop: float = 0.9,
        one_truth: bool = True,
        max_query_steps: int = 0,
        max_reference_steps: int = 0,
    ) -> "PairSampler":
        """Pairs of the training split of a dataset.

        A reference fits a query when it holds a moment of the query's class, is searched over at least the query's
        length, does not hold the query itself, and holds no moment of that class from the query's source.

        Args:
            dataset: With features.
            seed: Another seed, another training.
            batch: Pairs a step.
            crop: Share of the examples that are cropped at random before and after the truth.
            one_truth: Keep to the stretch between the other moments of the class.
            max_query_steps: Leave out longer queries; 0 for no limit.
            max_reference_steps: Crop longer references; leave out those whose truth is longer. 0 for no limit.

        Raises:
            ConfigError: no query has a reference, or the dataset has no features.
        """
        items = [
            item
            for item in dataset.items("train")
            if not max_reference_steps or len(item.moment) <= max_reference_steps
        ]
        of_class: dict[str, list[Item]] = defaultdict(list)
        sources: dict[tuple[str, str], set[str]] = defaultdict(set)
        for item in items:
            of_class[item.moment.label].append(item)
            if item.moment.source:
                sources[item.moment.video, item.moment.label].add(item.moment.source)
        given = dataset.queries("train")
        kept: list[tuple[Clip, tuple[Item, ...]]] = []
        for query in given:
            if max_query_steps and len(query) > max_query_steps:
                continue
            fitting = tuple(
                item
                for item in of_class[query.label]
                if item.location[1] - item.location[0] >= len(query)
                and not _is_own(query, item)
                and query.source not in sources[item.moment.video, query.label]
            )
            if fitting:
                kept.append((query, fitting))
        if not kept:
            raise ConfigError(
                f"'{dataset.name}' gives no pair to train on: of {len(given)} queries and {len(items)} references "
                f"none have the same class, another source and a reference at least as long as the query"
            )
        return cls(
            store=dataset.store,
            queries=tuple(query for query, _ in kept),
            choices=tuple(fitting for _, fitting in kept),
            seed=seed,
            batch=batch,
            crop=crop,
            one_truth=one_truth,
            max_reference_steps=max_reference_steps,
            left_out=len(given) - len(kept),
        )

    @property
    def steps_per_epoch(self) -> float:
        """Steps in which every query is drawn once."""
        return len(self.queries) / self.batch

    @property
    def fingerprint(self) -> str:
        """Identity of what is drawn from: sixteen hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=8)
        for query, items in zip(self.queries, self.choices, strict=True):
            digest.update(repr((query, len(items))).encode())
        for item in sorted({item for items in self.choices for item in items}, key=_place):
            digest.update(repr(item).encode())
        digest.update(self.store.fingerprint.encode())
        return digest.hexdigest()

    @property
    def longest_reference(self) -> int:
        """Steps of the longest reference that may be drawn."""
        longest = max(item.location[1] - item.location[0] for items in self.choices for item in items)
        return min(longest, self.max_reference_steps) if self.max_reference_steps else longest

    @property
    def longest_truth(self) -> int:
        """Steps of the longest moment that may be drawn."""
        return max(len(item.moment) for items in self.choices for item in items)

    def examples(self, step: int, *, rank: int = 0, world: int = 1) -> list[Example]:
        """The pairs of one step, or the share of one of several devices.

        Args:
            step: From 0.
            rank: Which device.
            world: How many devices.
        """
        first = step * self.batch
        return [self._example(number) for number in range(first + rank, first + self.batch, world)]

    def read(self, examples: list[Example]) -> tuple[PairBatch, PairTargets]:
        """The features of pairs, padded, and where the truths are."""
        batch = pair_batch(
            [self.store.read(one.query.video, one.query.first, one.query.stop) for one in examples],
            [self.store.read(one.video, *one.location) for one in examples],
        )
        targets = PairTargets(
            torch.tensor([one.truth[0] - one.location[0] for one in examples]),
            torch.tensor([one.truth[1] - one.location[0] for one in examples]),
        )
        return batch, targets

    def batches(
        self, first: int, stop: int, *, rank: int = 0, world: int = 1, prefetch: int = 4
    ) -> Iterator[tuple[PairBatch, PairTargets]]:
        """The batches of steps `first` to `stop - 1`, read ahead by a thread. Close it when leaving early."""
        return prefetched(
            (self.read(self.examples(step, rank=rank, world=world)) for step in range(first, stop)), depth=prefetch
        )

    def vectors(self) -> NDArray[np.float32]:
        """Training features `[n, dim]` to measure inputs on: from random references, the same for the same seed."""
        rng = np.random.default_rng((self.seed, _MEASURE))
        stretches = sorted({(item.moment.video, item.location) for items in self.choices for item in items})
        taken: list[NDArray[np.float32]] = []
        n_taken = 0
        for k in rng.permutation(len(stretches)):
            video, (first, stop) = stretches[k]
            values = self.store.read(video, first, stop)
            chosen = np.sort(rng.permutation(len(values))[:_SAMPLES_EACH])
            taken.append(np.asarray(values[chosen], np.float32))
            n_taken += len(chosen)
            if n_taken >= _MAX_SAMPLES:
                break
        return np.concatenate(taken)

    def _example(self, number: int) -> Example:
        epoch, place = divmod(number, len(self.queries))
        which = int(self._order(epoch)[place])
        rng = np.random.default_rng((self.seed, _DRAW, number))
        items = self.choices[which]
        item = items[int(rng.integers(len(items)))]
        truth = (item.moment.first, item.moment.stop)
        first, stop = _alone(item) if self.one_truth else item.location
        if rng.random() < self.crop:
            first = int(rng.integers(first, truth[0] + 1))
            stop = int(rng.integers(truth[1], stop + 1))
        if self.max_reference_steps and stop - first > self.max_reference_steps:
            earliest = max(first, truth[1] - self.max_reference_steps)
            latest = min(truth[0], stop - self.max_reference_steps)
            first = int(rng.integers(earliest, latest + 1))
            stop = first + self.max_reference_steps
        return Example(self.queries[which], item.moment.video, (first, stop), truth)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._orders:
            while len(self._orders) > 2:
                self._orders.pop(next(iter(self._orders)))
            self._orders[epoch] = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(len(self.queries))
        return self._orders[epoch]


def _place(item: Item) -> tuple[Clip, Bounds]:
    return item.moment, item.location


def _is_own(query: Clip, item: Item) -> bool:
    return query.video == item.moment.video and query.first < item.location[1] and item.location[0] < query.stop


def _alone(item: Item) -> Bounds:
    """The part of the location around the truth that holds no other moment of the class."""
    first, stop = item.location
    for other_first, other_stop in item.others:
        if other_stop <= item.moment.first:
            first = max(first, other_stop)
        elif other_first >= item.moment.stop:
            stop = min(stop, other_first)
    return first, stop
