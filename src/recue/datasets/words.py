"""Datasets in words: what each name is, and a few items of one."""

import sys
from itertools import islice
from typing import cast

from recue.core.errors import ConfigError
from recue.datasets.abilities import Described
from recue.datasets.task import Bounds, Dataset, FeatureStore, Question, RelocalizationDataset, Split


def summary(name: str) -> str:
    """What a dataset of the registry is, in a line: the first of its module's docstring.

    Raises:
        UnknownNameError: no dataset has that name.
    """
    from recue.datasets import DATASETS  # it may name this module too

    module = sys.modules[DATASETS.load(name).__module__]
    line = (module.__doc__ or "").strip().partition("\n")[0]
    return line.removeprefix(f"`{name}`: ").removesuffix(".")


def describe(dataset: Dataset, split: Split, n: int) -> tuple[str, ...]:
    """A few items of a split, a sentence each: questions where there are any, else items.

    Raises:
        ConfigError: the dataset is of a kind that cannot be put in words, or its lists need features to be read.
    """
    if isinstance(dataset, Described):
        return dataset.describe(split, n)
    # isinstance would read the store on Python 3.11, which raises where there are no features.
    if not hasattr(type(dataset), "questions"):
        raise ConfigError(f"the dataset '{dataset.name}' cannot be put in words")
    listed = cast(RelocalizationDataset, dataset)
    try:
        store: FeatureStore | None = listed.store
    except ConfigError:
        store = None  # the lists may still be read
    if questions := listed.questions(split):
        return tuple(_question(question, store) for question in islice(questions, n))
    return tuple(
        f"{item.moment.label} in {item.moment.video}, "
        f"{_at(item.location, item.moment.video, store)}: at {_several(item.truths, item.moment.video, store)}"
        for item in islice(listed.items(split), n)
    )


def _question(question: Question, store: FeatureStore | None) -> str:
    query = question.query
    where = _several(question.truths, question.video, store) if question.present else "nowhere"
    return (
        f"{query.label}, as in {query.video}, {_at((query.first, query.stop), query.video, store)}: "
        f"in {question.video}, {_at(question.location, question.video, store)}? {where}"
    )


def _several(bounds: tuple[Bounds, ...], video: str, store: FeatureStore | None) -> str:
    return ", ".join(_at(each, video, store) for each in bounds)


def _at(bounds: Bounds, video: str, store: FeatureStore | None) -> str:
    """In steps, and in seconds where the store knows them."""
    first, stop = bounds
    steps = f"steps {first}:{stop}"
    if store is None:
        return steps
    try:
        times_s = store.times_s(video)
        return f"{steps} ({times_s[first]:.1f} to {times_s[stop]:.1f} s)"
    except (ConfigError, IndexError):
        return steps  # `check` says what is wrong with the features
