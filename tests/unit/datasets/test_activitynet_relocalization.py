"""The published lists as they are, and made anew."""

import json
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from recue.core.errors import ConfigError, UnknownNameError
from recue.datasets import DATASETS, load_dataset
from recue.datasets.activitynet_relocalization import Lists
from recue.datasets.listed import ListedDataset, pair_with_longer
from recue.datasets.opening import parse_spec
from recue.datasets.task import SPLITS, Clip, Item, RelocalizationDataset, sequence_of

NAME = "activitynet-relocalization"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Lists of 200 classes, of which three have a video: class-000 trains, class-160 validates, class-180 tests."""
    root = tmp_path / "lists"
    root.mkdir()
    names = {str(300 - k): f"class-{k:03d}" for k in range(200)}
    (root / "nodeid_to_label.json").write_text(json.dumps(names))
    np.save(root / "perm.npy", np.arange(200))
    (root / "length.json").write_text(json.dumps({v: {"n_feat": 100, "n_frames": 1600} for v in ("a", "b", "c")}))
    for split, video, node in (("train", "a", 300), ("val", "b", 140), ("test", "c", 120)):
        items = [
            {"id": video, "label": node, "location": [0, 31], "groundtruth": [10, 16]},
            {"id": video, "label": node, "location": [15, 100], "groundtruth": [15, 21]},
        ]
        (root / f"{split}.json").write_text(json.dumps(items))
    return root


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    path = tmp_path / "activity_net.v1-3.min.json"
    entry: Callable[[str], dict] = lambda label: {  # noqa: E731
        "duration": 160.0,
        "subset": "training",
        "annotations": [{"segment": [48.0, 56.0], "label": label}, {"segment": [16.0, 24.0], "label": label}],
    }
    database = {"a": entry("class-000"), "b": entry("class-160"), "c": entry("class-180")}
    path.write_text(json.dumps({"version": "1.3", "database": database}))
    return path


@pytest.fixture
def features(tmp_path: Path) -> Path:
    path = tmp_path / "sub_activitynet_v1-3.c3d.hdf5"
    with h5py.File(path, "w") as opened:
        for k, video in enumerate("abc"):
            opened[f"v_{video}/c3d_features"] = np.full((199, 500), k, np.float32) + np.arange(199)[:, None]
    return path


def test_lists_and_features_in_the_published_layout_are_ready(root: Path, features: Path) -> None:
    dataset = load_dataset(f"{NAME}:{root},features={features}")
    assert isinstance(dataset, RelocalizationDataset)
    report = dataset.check()
    assert report.ready, report
    assert report.counts["val"] == {"classes": 1, "items": 2, "queries": 2, "videos": 1}
    first, second = dataset.items("train")
    assert (first.moment, first.location) == (Clip("a", 10, 16, "class-000"), (0, 31))
    assert (second.moment, second.location) == (Clip("a", 30, 36, "class-000"), (15, 100))
    assert dataset.classes("test") == ("class-180",)
    sequence = sequence_of(dataset.store, "b", (10, 16))
    np.testing.assert_array_equal(sequence.values[:, 0], 1 + 2 * np.arange(10, 16))
    assert sequence.mean_step_s == pytest.approx(16 / 30)


def test_annotations_make_the_same_lists_and_true_seconds(root: Path, annotations: Path, features: Path) -> None:
    dataset = load_dataset(f"{NAME}:{root},features={features},annotations={annotations}")
    report = dataset.check()
    assert report.ready, report
    assert any("same moments in 3 of 3 videos" in note for note in report.notes)
    assert sequence_of(dataset.store, "a").mean_step_s == pytest.approx(1.6)
    derived = load_dataset(f"{NAME}:{root},lists=derived,annotations={annotations},features={features}")
    assert isinstance(derived, ListedDataset)
    # It reads in other processes too.
    travelled = pickle.loads(pickle.dumps(derived.store))
    np.testing.assert_array_equal(travelled.times_s("b"), derived.store.times_s("b"))
    for split in SPLITS:
        assert derived.items(split) == dataset.items(split)
        (root / f"{split}.json").unlink()
    alone = load_dataset(f"{NAME}:{root},lists=derived,annotations={annotations},features={features}")
    assert alone.check().ready


def test_check_finds_another_list_and_other_features(root: Path, annotations: Path, features: Path) -> None:
    changed = json.loads((root / "val.json").read_text())
    changed[0]["groundtruth"] = [10, 17]
    (root / "val.json").write_text(json.dumps(changed))
    (root / "length.json").write_text(
        json.dumps({"a": {"n_feat": 100, "n_frames": 1600}, "b": {"n_feat": 100, "n_frames": 1600},
                    "c": {"n_feat": 90, "n_frames": 1600}})
    )  # fmt: skip
    with h5py.File(features, "a") as opened:
        del opened["v_a"]
    report = load_dataset(f"{NAME}:{root},features={features},annotations={annotations}").check()
    assert not report.ready
    text = "\n".join(report.problems)
    assert "derived and not published: b 10:16 class-160" in text
    assert "published and not derived: b 10:17 class-160" in text
    assert "hold 2 of 3 videos; absent: a" in text
    assert "c (100, 90 in the lists)" in text
    assert "1 items of test end after their video, e.g. in c" in text


def test_features_kept_each_eight_frames_are_found_out(root: Path, features: Path) -> None:
    report = load_dataset(f"{NAME}:{root},features={features},every=1").check()
    assert any("every=n" in problem and "a (199, 100 in the lists)" in problem for problem in report.problems)


def test_absent_features_say_where_they_come_from(root: Path) -> None:
    dataset = load_dataset(f"{NAME}:{root}")
    report = dataset.check()
    assert report.problems == ()
    assert "sub_activitynet_v1-3.c3d.hdf5" in report.missing[0]
    with pytest.raises(ConfigError, match="features=PATH"):
        _ = dataset.store


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("{root},evry=2", "no option 'evry'; did you mean 'every'"),
        ("{root},every=0", "from 1 on, got '0'"),
        ("{root},every=x", "got 'x'"),
        ("{root},lists=own", "published or derived"),
        ("{root},lists=derived", "need annotations"),
        ("{root}/absent", "is not there"),
        ("{root},every", "an option is option=value"),
        ("{root},every=1,every=2", "said twice"),
    ],
)
def test_specs_that_make_no_sense_are_refused(root: Path, spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_dataset(f"{NAME}:{spec.format(root=root)}")


def test_a_spec_needs_a_name_and_a_place() -> None:
    for spec in ("", NAME, f"{NAME}:", ":x"):
        with pytest.raises(ConfigError, match="NAME:ROOT"):
            parse_spec(spec)
    with pytest.raises(UnknownNameError, match=f"did you mean '{NAME}'"):
        load_dataset("activitynet-relocalisation:x")
    assert NAME in DATASETS.names()


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("train.json", "[{}]", "item 0 of"),
        ("train.json", '[{"id": "a", "label": 300, "location": [0, 9], "groundtruth": [3, 12]}]', "outside its"),
        ("train.json", '[{"id": "a", "label": 1, "location": [0, 9], "groundtruth": [3, 5]}]', "item 0"),
        ("train.json", "{", "not JSON"),
        ("length.json", '{"a": 3}', "n_frames and n_feat"),
    ],
)
def test_damaged_lists_are_refused(root: Path, file: str, content: str, says: str) -> None:
    (root / file).write_text(content)
    with pytest.raises(ConfigError, match=says):
        load_dataset(f"{NAME}:{root}")


def test_an_order_of_classes_that_is_a_pickle_is_not_opened(root: Path) -> None:
    np.save(root / "perm.npy", np.array([1, "x"], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        _ = Lists(root).split_of
    np.save(root / "perm.npy", np.zeros(200, np.int64))
    with pytest.raises(ConfigError, match="no order of the 200 classes"):
        _ = Lists(root).split_of


def test_a_question_takes_a_reference_of_its_class_that_is_long_enough() -> None:
    items = [Item(Clip(f"v{k}", 2, 4, "a"), (0, 5 + k)) for k in range(10)]
    items += [Item(Clip("w", 0, 3, "b"), (0, 20))]
    queries = [Clip("q", 0, 9, "a"), Clip("q", 20, 23, "a"), Clip("r", 0, 3, "b"), Clip("r", 0, 21, "b")]
    seen: dict[int, Counter[str]] = {}
    for seed in range(400):
        questions = pair_with_longer(queries, items, seed=seed)
        assert [question.query for question in questions] == queries[:3]  # nothing is long enough for the last
        for k, question in enumerate(questions):
            assert question.location[1] - question.location[0] >= len(question.query)
            seen.setdefault(k, Counter())[question.video] += 1
    assert sorted(seen[0]) == [f"v{k}" for k in range(4, 10)]
    assert sorted(seen[1]) == [f"v{k}" for k in range(10)]
    assert min(seen[1].values()) > 20  # 40 expected
    assert pair_with_longer(queries, items, seed=3) == pair_with_longer(queries, items, seed=3)
    # A draw belongs to its query: without the first, the others are asked the same.
    assert pair_with_longer(queries[1:], items, seed=3) == pair_with_longer(queries, items, seed=3)[1:]


def test_the_query_itself_may_be_drawn_unless_it_is_excluded() -> None:
    items = [Item(Clip("v", 2, 4, "a"), (0, 9)), Item(Clip("v", 12, 14, "a"), (4, 20))]
    queries = [item.moment for item in items]
    drawn = {pair_with_longer(queries, items, seed=seed)[0].location for seed in range(50)}
    assert drawn == {(0, 9), (4, 20)}
    drawn = {pair_with_longer(queries, items, seed=seed, exclude_own=True)[0].location for seed in range(50)}
    assert drawn == {(4, 20)}
    of_one_source = [Clip("q", 0, 2, "a", "film"), Clip("q", 5, 7, "a", "other")]
    sourced = [Item(Clip("v", 2, 4, "a", "film"), (0, 9))]
    assert [q.query.source for q in pair_with_longer(of_one_source, sourced, seed=0, exclude_own=True)] == ["other"]


@pytest.mark.shared
def test_derived_lists_equal_the_published_ones(shared_data: Path) -> None:
    annotations = shared_data / "annotations"
    lists = Lists(annotations / NAME, annotations / "activitynet-1.3-derived")
    comparison = lists.compare()
    assert comparison.equal, comparison
    # Every one of the 9,400 published items is accounted for.
    assert sum(len(items) for items in lists.published.values()) == 9400
    assert (comparison.n_videos, comparison.n_equal_videos) == (4538, 4538)
    assert (comparison.n_equal_locations, comparison.n_windows) == (8883, 136)
    assert (len(comparison.not_annotated), comparison.n_not_annotated_items) == (191, 381)
    assert 8883 + 136 + 381 == 9400
    # Each rule is used by the data, so none of them is untested by it.
    assert all(lists.built.causes[cause] > 0 for cause in ("merged", "overlapping classes", "too long", "empty"))


@pytest.mark.shared
@pytest.mark.parametrize("seed", [0, 1])
def test_the_published_windows_lie_as_ours_do(shared_data: Path, seed: int) -> None:
    """Where a window starts is chance; that it is drawn evenly from all places can be seen of 136 of them."""
    annotations = shared_data / "annotations"
    lists = Lists(annotations / NAME, annotations / "activitynet-1.3-derived", seed)
    published = {item.moment: item.location for items in lists.published.values() for item in items}
    shares: dict[str, list[float]] = {"ours": [], "theirs": []}
    for item in lists.built.items:
        if around := lists.built.outer.get(item.moment):
            earliest = max(around[0], item.moment.stop - 300)
            latest = min(item.moment.first, around[1] - 300)
            for who, location in (("ours", item.location), ("theirs", published[item.moment])):
                assert earliest <= location[0] <= latest
                assert location[1] - location[0] == 300
                shares[who].append((location[0] - earliest + 0.5) / (latest - earliest + 1))
    assert len(shares["ours"]) == len(shares["theirs"]) == 136
    for found in shares.values():
        # The largest gap to an even spread; 5 in 100 even draws of 136 would be above 0.117.
        assert np.abs(np.sort(found) - (np.arange(136) + 0.5) / 136).max() < 0.117


@pytest.mark.shared
def test_the_published_lists_ask_the_published_number_of_questions(shared_data: Path) -> None:
    dataset = load_dataset(f"{NAME}:{shared_data / 'annotations' / NAME}")
    assert isinstance(dataset, ListedDataset)
    report = dataset.check()
    assert {split: counts["items"] for split, counts in report.counts.items()} == {
        "train": 7593,
        "val": 829,
        "test": 978,
    }
    assert report.problems == ()
    assert [len(dataset.classes(split)) for split in SPLITS] == [160, 20, 20]
    for split, n in (("val", 829), ("test", 978)):
        questions = dataset.questions(split)
        assert len(questions) == n
        assert questions == dataset.questions(split)
        assert all(q.location[1] - q.location[0] >= len(q.query) and len(q.truths) == 1 for q in questions)
