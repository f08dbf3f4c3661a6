"""What a localizer needs before it can be asked: `align` a space, and scores that mean the same for every query.

In a search `align` compares in a space fitted to the gallery, and its scores become evidence by the query's own null
law. An evaluation does the same, without a gallery.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from recue.core.errors import ConfigError, UnknownNameError
from recue.core.features import FeatureSequence
from recue.core.moment import ScoredSegment
from recue.core.protocols import Localizer
from recue.datasets.task import Bounds, FeatureStore, RelocalizationDataset, Split, sequence_of
from recue.features import load_source
from recue.localize.align import Align
from recue.localize.space import Space
from recue.search.calibrate import Null
from recue.search.spaces import fit_space, spread_sample

#: What a space is fitted to: the references of the training split, those that are searched, or the first where there
#: are any.
SpaceSource = Literal["auto", "train", "searched"]


@runtime_checkable
class Curved(Protocol):
    """A localizer that can tell how well each step of a reference matches."""

    def curve(self, query: FeatureSequence, reference: FeatureSequence) -> Float[np.ndarray, " reference"]:
        """One value a step; higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class SearchedAlign:
    """`align` as a search runs it: in a fitted space, its scores the evidence by the query's own null law.

    The order of one query's answers is that of `align`; the scores of different queries become comparable.

    Attributes:
        aligner: In its space.
    """

    aligner: Align
    _nulls: dict[int, tuple[FeatureSequence, Null]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Registry name."""
        return self.aligner.name

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        """Every matching segment, best first.

        Raises:
            FingerprintError: the two were made by different things.
            ConfigError: the aligner has no space.
        """
        found = self.aligner.localize(query, reference)
        evidence = self._null(query).evidence(np.array([one.score for one in found]))
        return [replace(one, score=float(value)) for one, value in zip(found, evidence, strict=True)]

    def curve(self, query: FeatureSequence, reference: FeatureSequence) -> Float[np.ndarray, " reference"]:
        """How far the best query step lies above its threshold, for each reference step."""
        if self.aligner.space is None:
            raise ConfigError("a similarity curve needs the space it is taken in; give the aligner one")
        return self.aligner.similarity_curve(query, self.aligner.space.apply(reference.values))

    def _null(self, query: FeatureSequence) -> Null:
        # A query is asked of several references, and its law depends on none of them. The sequence is kept beside its
        # law, so its identity cannot pass to another.
        if id(query) not in self._nulls:
            if len(self._nulls) > 4096:
                self._nulls.clear()
            space = self.aligner.space
            null = Null.fit(
                *self.aligner.null_scores(query),
                n_query=len(query),
                n_steps=space.n_fitted if space else 0,
                usual_level=space.usual_level if space else None,
            )
            self._nulls[id(query)] = (query, null)
        return self._nulls[id(query)][1]


def fitted(
    localizer: Localizer, dataset: RelocalizationDataset, searched: Sequence[tuple[str, Bounds]], *, space: SpaceSource
) -> tuple[Localizer, str]:
    """The localizer as it is asked, and a sentence on what was done to it; empty where nothing was.

    Args:
        localizer: Any; only an `Align` without a space is changed.
        dataset: Whose training references the space is fitted to.
        searched: Stretches that will be searched.
        space: What to fit to.

    Raises:
        ConfigError: `space` is `train` and the dataset has no training items.
    """
    if not isinstance(localizer, Align) or localizer.space is not None:
        return localizer, ""
    train = () if space == "searched" else references_of(dataset, "train")
    if space == "train" and not train:
        raise ConfigError(
            f"'{dataset.name}' has no training items to fit a space to; fit it to what is searched: --space searched"
        )
    stretches = train or tuple(dict.fromkeys(searched))
    made, how = _space_of(dataset.store, stretches)
    whose = "the training references" if train else "the references that are searched, without their truths"
    return SearchedAlign(localizer.with_space(made)), f"align: its space is fitted to {whose} ({how})"


def references_of(dataset: RelocalizationDataset, split: Split) -> tuple[tuple[str, Bounds], ...]:
    """The stretches that a split's items are looked for in, each once."""
    return tuple(dict.fromkeys((item.moment.video, item.location) for item in dataset.items(split)))


def _space_of(store: FeatureStore, stretches: Sequence[tuple[str, Bounds]]) -> tuple[Space, str]:
    """The space, and in words what it knows beside the sample."""
    sample = spread_sample(len(stretches), lambda i: sequence_of(store, *stretches[i]))
    n_total = sum(stop - first for _, (first, stop) in stretches)
    if not _is_known(store.name):
        return fit_space(sample, source=None, n_total=n_total), "no class knowledge: the features were made elsewhere"
    return fit_space(
        sample, source=store.name, n_total=n_total
    ), f"with the classes that '{store.name.partition(':')[0]}' knows"


def _is_known(name: str) -> bool:
    """Whether a name is the spec of a backbone of ours."""
    try:
        load_source(name)
    except (UnknownNameError, ConfigError):
        return False
    return True
