"""What proposals and triplets are trained on: steps with something going on, and queries with two references.

Source: Similarity-metric graph re-localization, section 3: a query, a positive of its class, a negative of another.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.datasets.task import Bounds, Clip, Item


@dataclass(frozen=True, slots=True)
class Triplet:
    """A query and two places to compare it with.

    Attributes:
        query: The example.
        positive: Of its class, in another video and of another source.
        negative: Of another class.
    """

    query: Clip
    positive: Item
    negative: Item


def draw_triplets(queries: Sequence[Clip], items: Sequence[Item], *, seed: int) -> tuple[Triplet, ...]:
    """One triplet a query; a query that is alone in its class gives none.

    The negative's class is drawn first, so that frequent classes are no more often negative than others. A negative
    never lies where its video shows the query's class.

    Args:
        queries: What is asked with.
        items: What positives and negatives are drawn from.
        seed: Of every draw; another epoch takes another seed.

    Raises:
        ConfigError: the items are of fewer than two classes.

    Cost: O(queries + items) where most draws will do.
    """
    by_label: dict[str, list[Item]] = {}
    shown: dict[tuple[str, str], set[Bounds]] = {}
    for item in items:
        by_label.setdefault(item.moment.label, []).append(item)
        shown.setdefault((item.moment.video, item.moment.label), set()).update(item.truths)
    if len(by_label) < 2:
        raise ConfigError(f"triplets need items of two classes or more, got {len(by_label)}")
    labels = sorted(by_label)
    triplets = []
    for query in queries:
        rng = Random(f"triplet/{seed}/{query.label}/{query.video}/{query.first}/{query.stop}")
        positive = _draw(rng, by_label.get(query.label, []), partial(_is_elsewhere, query))
        others = [label for label in labels if label != query.label]
        pool = by_label[others[int(rng.random() * len(others))]]
        negative = _draw(rng, pool, partial(_shows_no, query.label, shown))
        if positive is not None and negative is not None:
            triplets.append(Triplet(query, positive, negative))
    return tuple(triplets)


def foreground_steps(items: Iterable[Item], video: str, n_steps: int) -> NDArray[np.bool_]:
    """`[n_steps]`: whether any class of the items is shown; what an actionness classifier learns.

    Args:
        items: Those of the training classes.
        video: The video.
        n_steps: Its steps.

    >>> foreground_steps([Item(Clip("v", 1, 3, "a"), (0, 5))], "v", 5).astype(int)
    array([0, 1, 1, 0, 0])
    """
    marked = np.zeros(n_steps, np.bool_)
    for item in items:
        if item.moment.video == video:
            for first, stop in item.truths:
                marked[first:stop] = True
    return marked


def _draw(rng: Random, pool: Sequence[Item], will_do: Callable[[Item], bool]) -> Item | None:
    """One of those that will do, each equally likely; None where none does."""
    for _ in range(8 if pool else 0):
        drawn = pool[int(rng.random() * len(pool))]
        if will_do(drawn):
            return drawn
    left = [item for item in pool if will_do(item)]
    return left[int(rng.random() * len(left))] if left else None


def _is_elsewhere(query: Clip, item: Item) -> bool:
    same_source = bool(query.source) and query.source == item.moment.source
    return query.video != item.moment.video and not same_source


def _shows_no(label: str, shown: Mapping[tuple[str, str], Iterable[Bounds]], item: Item) -> bool:
    moment = item.moment
    return not any(moment.first < stop and first < moment.stop for first, stop in shown.get((moment.video, label), ()))
