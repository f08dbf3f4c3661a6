"""`composition`: a benchmark that `recue compose` made, on features of any backbone.

Features lie in `ROOT/.features/<fingerprint>/`, made once by `recue dataset build composition:ROOT,backbone=SPEC`.
Videos are called `query/<id>` and `reference/<id>`. Questions are the composition's own pairs, with and without an
answer; items are all clips of all references, so that training may ask any query of a split for any of them.

A step belongs to a truth when its middle does; `truths_s` has the exact seconds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from recue.core.errors import ConfigError
from recue.core.protocols import Backbone
from recue.core.segment import Segment
from recue.datasets.abilities import BuildReport, Progress
from recue.datasets.cache import features_path, fill
from recue.datasets.composition import FEATURES_NAME, TRUTH_NAME, Composition, Reference, load_composition
from recue.datasets.opening import refuse_unknown
from recue.datasets.stores import NpyFolderStore, read_store_card
from recue.datasets.task import SPLITS, Bounds, Clip, DatasetReport, Item, Question, Split, sequence_of
from recue.datasets.timing import steps_within
from recue.features import load_backbone

NAME = "composition"
DEFAULT_BACKBONE = "balanced"


class ComposedDataset:
    """See the module.

    Args:
        root: The composition's folder.
        backbone: Spec or profile of what makes the features; None for the one there are features of, or `balanced`.
        folder: Where the features are; None for the place under `root`.
        all_queries: The clips inside references serve as queries too, in training; those of the moment's own source
            must be left out by whoever pairs.

    Raises:
        ConfigError: there is no composition, or features of several backbones to choose from.
    """

    def __init__(
        self, root: Path, *, backbone: str | None = None, folder: Path | None = None, all_queries: bool = False
    ) -> None:
        self.root = root
        self.composition = load_composition(root)
        self._spec = backbone
        self._folder = folder
        self._all_queries = all_queries
        self._items: dict[Split, tuple[Item, ...]] = {}

    @property
    def name(self) -> str:
        """Registry name."""
        return NAME

    @cached_property
    def folder(self) -> Path:
        """Where the features are, or will be."""
        if self._folder is not None:
            return self._folder
        if self._spec is None:
            known = sorted(p for p in (self.root / FEATURES_NAME).glob("*") if read_store_card(p))
            if len(known) == 1:
                return known[0]
            if known:
                names = ", ".join(read_store_card(p)["name"] for p in known)
                raise ConfigError(
                    f"'{self.root}' has features of several backbones ({names}); choose with {NAME}:ROOT,backbone=SPEC"
                )
        return self.root / FEATURES_NAME / self._backbone(threads=1).fingerprint

    @cached_property
    def identity(self) -> str:
        """Of the composition: equal only if its files are."""
        return hashlib.sha256((self.root / TRUTH_NAME).read_bytes()).hexdigest()[:16]

    @cached_property
    def videos(self) -> Mapping[str, Path]:
        """The file behind each name."""
        return {
            **{query_name(query.id): query.path for query in self.composition.queries},
            **{reference_name(reference.id): reference.path for reference in self.composition.references},
        }

    @cached_property
    def store(self) -> NpyFolderStore:
        """Its features.

        Raises:
            ConfigError: they are not all there.
        """
        absent = [video for video in self.videos if not features_path(self.folder, video).is_file()]
        if absent:
            raise ConfigError(
                f"features of {len(absent)} of {len(self.videos)} videos of '{self.root}' are not in '{self.folder}'; "
                f"make them with `recue dataset build '{self._spec_of_this()}'`"
            )
        if read_store_card(self.folder).get("made_of") != self.identity:
            raise ConfigError(
                f"'{self.folder}' holds features of another composition than '{self.root}' is now; delete it and run "
                f"`recue dataset build '{self._spec_of_this()}'`"
            )
        return NpyFolderStore(self.folder)

    def build(self, *, progress: Progress | None = None, threads: int = 1) -> BuildReport:
        """Make the features that are missing.

        Args:
            progress: Called after each video.
            threads: Processor cores for inference.

        Raises:
            ConfigError: the folder holds features of something else.
            MediaError: the folder cannot be written.
            WeightsError: the backbone's weights are not there.
        """
        self.__dict__.pop("store", None)
        self._items.clear()
        spec = self._spec or read_store_card(self.folder).get("name", DEFAULT_BACKBONE)
        return fill(
            self.folder,
            self.videos,
            load_backbone(spec, threads=threads),
            made_of=self.identity,
            progress=progress,
        )

    def classes(self, split: Split) -> tuple[str, ...]:
        """Sorted; no class is in two splits."""
        return tuple(sorted(self.composition.splits.get(split, ())))

    def items(self, split: Split) -> tuple[Item, ...]:
        """Every clip of every reference, in order; searched in the whole reference."""
        if split not in self._items:
            self._items[split] = tuple(self._items_of(split))
        return self._items[split]

    def queries(self, split: Split) -> tuple[Clip, ...]:
        """Every query clip as a whole; in training, if so asked, the clips inside references too."""
        clips = [
            Clip(query_name(q.id), 0, self.store.n_steps(query_name(q.id)), q.label, q.source)
            for q in self._part(split).queries
        ]
        if split == "train" and self._all_queries:
            clips += [item.moment for item in self.items(split)]
        return tuple(clips)

    def questions(self, split: Split, *, seed: int = 0) -> tuple[Question, ...]:
        """The composition's own pairs, present and absent; the seed means nothing to them."""
        clips = {clip.video: clip for clip in self.queries(split)}
        references = {reference.id: reference for reference in self._part(split).references}
        return tuple(
            Question(
                clips[query_name(pair.query_id)],
                reference_name(pair.reference_id),
                (0, self.store.n_steps(reference_name(pair.reference_id))),
                self._steps_of(references[pair.reference_id], pair.label),
            )
            for pair in self._part(split).pairs
        )

    def truths_s(self, question: Question) -> tuple[Segment, ...]:
        """Where the query's class is in the reference, in exact seconds."""
        (reference,) = (r for r in self.composition.references if reference_name(r.id) == question.video)
        return reference.truths(question.query.label) if question.present else ()

    def check(self) -> DatasetReport:
        """Look at the files and read all features; decodes nothing."""
        missing = [
            f"'{path}', a file of the composition; compose it again"
            for path in self.videos.values()
            if not path.is_file()
        ]
        problems, notes = [], list(self.composition.warnings)
        try:
            store = self.store
        except ConfigError as error:
            missing.append(str(error))
        else:
            notes.append(f"features of '{store.name}' ({store.fingerprint}), {store.dim} numbers a step")
            problems += [
                f"{video}: {error}" for video in self.videos for error in [_damage(store, video)] if error is not None
            ]
        return DatasetReport(
            NAME, {split: self._counts(split) for split in SPLITS}, tuple(missing), tuple(problems), tuple(notes)
        )

    def _counts(self, split: Split) -> dict[str, int]:
        part = self._part(split)
        return {
            "classes": len(self.classes(split)),
            "items": sum(len(reference.instances) for reference in part.references),
            "videos": len(part.references),
            "queries": len(part.queries),
            "questions": len(part.pairs),
            "absent": sum(not pair.present for pair in part.pairs),
        }

    def _part(self, split: Split) -> Composition:
        return self.composition.of(split)

    def _items_of(self, split: Split) -> Sequence[Item]:
        items = []
        for reference in self._part(split).references:
            video = reference_name(reference.id)
            whole = (0, self.store.n_steps(video))
            for instance in reference.instances:
                own = steps_within(self.store.times_s(video), instance.segment)
                moment = Clip(video, *own, instance.label, instance.source)
                others = (b for b in self._steps_of(reference, instance.label) if b != own)
                items.append(Item(moment, whole, tuple(others)))
        return items

    def _steps_of(self, reference: Reference, label: str) -> tuple[Bounds, ...]:
        times_s = self.store.times_s(reference_name(reference.id))
        return tuple(steps_within(times_s, segment) for segment in reference.truths(label))

    def _backbone(self, *, threads: int) -> Backbone:
        return load_backbone(self._spec or DEFAULT_BACKBONE, threads=threads)

    def _spec_of_this(self) -> str:
        spec = f"{NAME}:{self.root}"
        if self._folder is not None:
            spec += f",features={self._folder}"
        return f"{spec},backbone={(self._spec or DEFAULT_BACKBONE).replace(',', ';')}"


def open_dataset(root: Path, *, features: Path | None = None, **options: str) -> ComposedDataset:
    """A composition from its spec.

    Args:
        root: The composition's folder.
        features: Where the features are; default: under `root`.
        options: `backbone`, a spec or profile with `;` between its options; `queries`, what training queries are
            drawn from: `clips`, or `all` for the clips inside references too.

    Raises:
        ConfigError: there is no composition, or an option makes no sense.
    """
    refuse_unknown(NAME, options, ("backbone", "queries"))
    queries, backbone = options.get("queries", "clips"), options.get("backbone")
    if queries not in ("clips", "all"):
        raise ConfigError(f"option 'queries' of '{NAME}' is clips or all, got '{queries}'")
    return ComposedDataset(
        root,
        backbone=backbone.replace(";", ",") if backbone is not None else None,
        folder=features,
        all_queries=queries == "all",
    )


def query_name(query_id: str) -> str:
    """Name of a query in the store."""
    return f"query/{query_id}"


def reference_name(reference_id: str) -> str:
    """Name of a reference in the store."""
    return f"reference/{reference_id}"


def _damage(store: NpyFolderStore, video: str) -> str | None:
    try:
        sequence_of(store, video)
        if store.read(video).shape[1] != store.dim:
            return f"vectors of {store.read(video).shape[1]} numbers, expected {store.dim}"
    except ValueError as error:
        return str(error)
    return None
