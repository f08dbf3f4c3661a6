import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recue.core.errors import ConfigError, MediaError
from recue.core.features import FeatureSequence
from recue.core.protocols import Backbone
from recue.core.segment import Segment
from recue.datasets import ComposeSettings, Composition, compose
from recue.datasets.abilities import Buildable, ExactTruths
from recue.datasets.cache import encode_video, fill
from recue.datasets.composed import ComposedDataset, open_dataset
from recue.datasets.stores import NpyFolderStore
from recue.datasets.task import SPLITS, FeatureStore, RelocalizationDataset, sequence_of
from recue.datasets.timing import steps_within
from recue.features import BACKBONES, load_backbone
from support.clips import write_clips

BACKBONE = "histogram:rate=15,stride=2"
CLASSES = {"clap": 4, "jump": 4, "kick_ball": 4, "sit": 4, "walk": 4, "wave": 4}
SETTINGS = ComposeSettings(
    n_train=5,
    n_val=4,
    n_test=4,
    n_train_classes=2,
    n_val_classes=2,
    n_test_classes=2,
    max_instances=2,
    min_clips=3,
    max_clips=4,
    sizes=((64, 48),),
    rates=("30",),
)


@pytest.fixture(scope="module", autouse=True)
def histogram() -> Iterator[None]:
    """The cheap backbone, known to this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES._entries, "histogram", "support.histogram:Config")
        yield


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Composition:
    root = tmp_path_factory.mktemp("clips")
    write_clips(root, CLASSES)
    return compose(root, tmp_path_factory.mktemp("out") / "c", seed=3, settings=SETTINGS)


@pytest.fixture(scope="module")
def features(composition: Composition, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    report = ComposedDataset(composition.root, backbone=BACKBONE, folder=folder).build()
    assert (report.n_made, report.n_kept, report.failed) == (
        len(composition.queries) + len(composition.references),
        0,
        (),
    )
    return folder


@pytest.fixture
def dataset(composition: Composition, features: Path) -> ComposedDataset:
    return open_dataset(composition.root, features=features)


def test_it_is_what_training_and_evaluation_ask_for(dataset: ComposedDataset) -> None:
    assert isinstance(dataset, RelocalizationDataset)
    assert isinstance(dataset, Buildable)
    assert isinstance(dataset, ExactTruths)
    assert isinstance(dataset.store, FeatureStore)


def test_the_store_has_what_the_backbone_makes_of_each_file(dataset: ComposedDataset, composition: Composition) -> None:
    store = dataset.store
    assert store.videos() == tuple(
        sorted(
            [*(f"query/{q.id}" for q in composition.queries), *(f"reference/{r.id}" for r in composition.references)]
        )
    )
    backbone = load_backbone(BACKBONE)
    for name, path in (
        (f"query/{composition.queries[0].id}", composition.queries[0].path),
        (f"reference/{composition.references[-1].id}", composition.references[-1].path),
    ):
        expected = encode_video(path, backbone)
        found = sequence_of(store, name)
        np.testing.assert_array_equal(found.values, expected.values.astype(np.float16))
        np.testing.assert_array_equal(found.times_s, expected.times_s)
        assert (found.backbone, found.fingerprint, found.dim) == (backbone.name, backbone.fingerprint, backbone.dim)
        assert store.n_steps(name) == len(expected)
        np.testing.assert_array_equal(store.read(name, 1, 2), found.values[1:2])
        with pytest.raises(ConfigError, match="were asked for"):
            store.read(name, 0, len(expected) + 1)
    assert isinstance(store.read(name).base, np.memmap)
    with pytest.raises(ConfigError, match="query/none"):
        store.n_steps("query/none")
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.read(name), store.read(name))


def test_items_are_all_clips_of_all_references(dataset: ComposedDataset, composition: Composition) -> None:
    for split in SPLITS:
        part = composition.of(split)
        items = dataset.items(split)
        instances = [(f"reference/{r.id}", i) for r in part.references for i in r.instances]
        assert [(item.moment.video, item.moment.label, item.moment.source) for item in items] == [
            (video, i.label, i.source) for video, i in instances
        ]
        for item, (video, instance) in zip(items, instances, strict=True):
            times_s = dataset.store.times_s(video)
            middle_s = (times_s[1:] + times_s[:-1]) / 2
            inside = [t for t, m in enumerate(middle_s) if instance.segment.contains(m)]
            assert list(range(item.moment.first, item.moment.stop)) == inside
            assert item.location == (0, len(middle_s))
            same = [i.segment for v, i in instances if v == video and i.label == instance.label]
            assert len(item.truths) == len(same)
        assert {item.moment.label for item in items} <= set(dataset.classes(split))


def test_questions_are_the_pairs_of_the_composition(dataset: ComposedDataset, composition: Composition) -> None:
    queries = {q.id: q for q in composition.queries}
    references = {r.id: r for r in composition.references}
    for split in SPLITS:
        questions = dataset.questions(split)
        pairs = composition.of(split).pairs
        assert len(questions) == len(pairs)
        for question, pair in zip(questions, pairs, strict=True):
            assert question.query.video == f"query/{pair.query_id}"
            assert question.query.label == queries[pair.query_id].label
            assert len(question.query) == dataset.store.n_steps(question.query.video)
            assert question.video == f"reference/{pair.reference_id}"
            assert question.present == pair.present
            assert dataset.truths_s(question) == references[pair.reference_id].truths(pair.label)
            assert len(question.truths) == len(dataset.truths_s(question))
    assert {q.present for q in dataset.questions("test")} == {True, False}


def test_queries_may_be_the_clips_of_references_too(
    dataset: ComposedDataset, composition: Composition, features: Path
) -> None:
    more = open_dataset(composition.root, features=features, queries="all")
    assert len(dataset.queries("train")) == len(composition.of("train").queries)
    assert more.queries("train")[len(dataset.queries("train")) :] == tuple(i.moment for i in more.items("train"))
    assert more.queries("test") == dataset.queries("test")
    assert more.questions("train") == dataset.questions("train")
    with pytest.raises(ConfigError, match="'some'"):
        open_dataset(composition.root, queries="some")


def test_a_build_that_was_stopped_goes_on(composition: Composition, tmp_path: Path) -> None:
    dataset = open_dataset(composition.root, features=tmp_path / "f", backbone="histogram:rate=15;stride=2")
    n_videos = len(dataset.videos)

    def stop(done: int, total: int, name: str) -> None:
        assert total == n_videos
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.build(progress=stop)
    with pytest.raises(ConfigError, match=rf"features of {n_videos - 3} of {n_videos} videos .*recue dataset build"):
        _ = dataset.store
    report = dataset.check()
    assert not report.ready
    assert report.counts["test"]["questions"] == len(composition.of("test").pairs)
    assert "backbone=histogram:rate=15;stride=2" in report.missing[0]

    report = dataset.build()
    assert (report.n_made, report.n_kept) == (n_videos - 3, 3)
    assert dataset.check().ready
    assert dataset.build().n_kept == n_videos


def test_features_of_another_backbone_or_composition_are_refused(
    composition: Composition, features: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="histogram-15-2"):
        open_dataset(composition.root, features=features, backbone="histogram:stride=8").build()
    other = load_backbone(BACKBONE)
    fill(tmp_path, {}, other, made_of="another")
    with pytest.raises(ConfigError, match="other videos"):
        open_dataset(composition.root, features=tmp_path, backbone=BACKBONE).build()


def test_without_a_backbone_the_features_there_are_decide(composition: Composition) -> None:
    assert not open_dataset(composition.root, backbone=BACKBONE).check().ready
    made = open_dataset(composition.root, backbone=BACKBONE)
    made.build()
    assert made.folder == composition.root / ".features" / "histogram-15-2"
    plain = open_dataset(composition.root)
    assert plain.store.fingerprint == "histogram-15-2"
    assert plain.build().n_made == 0  # by the same backbone
    open_dataset(composition.root, backbone="histogram:stride=8").build()
    with pytest.raises(ConfigError, match="several backbones"):
        _ = open_dataset(composition.root).store


def test_an_unreadable_file_does_not_end_a_build(tmp_path: Path) -> None:
    backbone = load_backbone(BACKBONE)

    def encode(path: Path, backbone: Backbone) -> FeatureSequence:
        if path.name == "bad":
            raise MediaError("'bad' is no video")
        return FeatureSequence(np.ones((2, backbone.dim)), np.arange(3.0), backbone.name, backbone.fingerprint)

    report = fill(tmp_path, {"a": Path("a"), "b": Path("bad"), "c/d": Path("c")}, backbone, encode=encode)
    assert (report.n_made, report.failed) == (2, ("b: 'bad' is no video",))
    assert NpyFolderStore(tmp_path).videos() == ("a", "c/d")


def test_check_finds_what_is_damaged(composition: Composition, tmp_path: Path) -> None:
    dataset = open_dataset(composition.root, features=tmp_path, backbone=BACKBONE)
    dataset.build()
    first, second, third = list(dataset.videos)[1:4]
    path = tmp_path / f"{first}.npy"
    path.write_bytes(path.read_bytes()[:-100])
    np.save(tmp_path / f"{second}.npy", np.full((len(dataset.store.times_s(second)) - 1, 24), np.nan, np.float16))
    np.save(tmp_path / f"{third}.npy", np.ones((99, 24), np.float16))

    report = open_dataset(composition.root, features=tmp_path).check()

    assert [problem.partition(":")[0] for problem in report.problems] == [first, second, third]
    assert not report.ready


@pytest.mark.parametrize(
    ("segment", "steps"),
    [
        ((0.0, 3.0), (0, 3)),
        ((0.5, 1.5), (0, 1)),
        ((0.51, 2.6), (1, 3)),
        ((2.9, 3.0), (2, 3)),
        ((1.9, 2.4), (2, 3)),
        ((1.9, 2.1), (1, 2)),
    ],
)
def test_a_step_is_inside_when_its_middle_is(segment: tuple[float, float], steps: tuple[int, int]) -> None:
    assert steps_within(np.arange(4.0), Segment(*segment)) == steps
