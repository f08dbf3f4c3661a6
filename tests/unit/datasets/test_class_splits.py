"""Classes parted by a seed; ActivityNet 1.2, Thumos14, and the triplets of both."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets import load_dataset
from recue.datasets.annotated import AnnotatedVideo, LabelledSegment, read_activitynet
from recue.datasets.class_split import classes_of_the_same_stretches, split_classes_together
from recue.datasets.list_builder import Grid
from recue.datasets.listed import ListedDataset
from recue.datasets.task import SPLITS, Clip, Item
from recue.datasets.thumos14 import EXCLUDED, read_thumos14
from recue.datasets.triplets import draw_triplets, foreground_steps

HEADER = "video,type,type_idx,start,end,startFrame,endFrame"
LENGTHS = "video-name,t-init,t-end,f-init,f-end,video-duration,frame-rate,video-frames,label-idx"


def video(name: str, *segments: tuple[float, float, str], duration_s: float = 160.0) -> AnnotatedVideo:
    labelled = tuple(LabelledSegment(Segment(s, e), label) for s, e, label in segments)
    return AnnotatedVideo(name, duration_s, labelled)


def opened(spec: str) -> ListedDataset:
    dataset = load_dataset(spec)
    assert isinstance(dataset, ListedDataset)
    return dataset


@pytest.fixture
def thumos(tmp_path: Path) -> Path:
    """Six classes in eight videos of 30 frames a second, the wrongly annotated and the ambiguous ones among them."""
    root = tmp_path / "thumos14"
    (root / "annotations").mkdir(parents=True)
    val, test = [HEADER], [HEADER]
    for k, label in enumerate(("Diving", "CliffDiving", "Billiards", "GolfSwing", "Shotput", "HighJump")):
        for rows, name in ((val, f"video_validation_{k:07d}"), (test, f"video_test_{k:07d}")):
            for start_s in (16.0, 48.0):
                row = f"{start_s},{start_s + 8},{int(start_s * 30)},{int(start_s * 30) + 240}"
                rows.append(f"{name},{label},{k},{row}")
                if label == "CliffDiving":
                    rows.append(f"{name},Diving,0,{row}")
    test += [f"{name},Shotput,4,1.0,2.0,30,60" for name in EXCLUDED]
    test += ["video_test_0001292,Ambiguous,0,1.0,2.0,30,60", "video_test_0000000,Ambiguous,0,1.0,2.0,30,60"]
    (root / "annotations" / "val_Annotation.csv").write_text("\n".join(val) + "\n")
    (root / "annotations" / "test_Annotation.csv").write_text("\n".join(test) + "\n")
    (root / "annotations" / "thumos14_test_groundtruth.csv").write_text(
        f"{LENGTHS}\nvideo_test_0000000,16.0,24.0,480,720,80.0,30.0,2400,0\n"
    )
    return root


def test_a_split_is_disjoint_of_the_asked_sizes_and_the_seeds() -> None:
    labels = [f"c{k}" for k in range(20)]
    sizes = {"train": 14, "val": 0, "test": 6}
    seen = Counter()
    for seed in range(200):
        splits = split_classes_together(labels, sizes, [("c3", "c4"), ("c7", "c8", "c9")], seed=seed)
        assert {split: len(found) for split, found in splits.items()} == sizes
        assert sorted(splits["train"] + splits["test"]) == sorted(labels)
        for group in ({"c3", "c4"}, {"c7", "c8", "c9"}):
            assert any(group <= set(found) for found in splits.values())
        seen.update(splits["test"])
    assert sorted(seen) == sorted(labels)
    assert split_classes_together(labels, sizes, seed=1) == split_classes_together(labels, sizes, seed=1)
    assert split_classes_together(labels, sizes, seed=1) != split_classes_together(labels, sizes, seed=2)


def test_classes_that_are_not_asked_for_are_in_no_split() -> None:
    seen = Counter()
    for seed in range(60):
        splits = split_classes_together("abcdef", {"train": 2, "test": 2}, ["ab"], seed=seed)
        assert [len(splits[split]) for split in SPLITS] == [2, 0, 2]
        seen.update(label for found in splits.values() for label in found)
    assert sorted(seen) == list("abcdef")
    assert max(seen.values()) < 60


def test_classes_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(ConfigError, match="need 4, there are 3"):
        split_classes_together("abc", {"train": 2, "test": 2}, seed=0)
    with pytest.raises(ConfigError, match="a, b, c annotate the same stretches"):
        split_classes_together("abcd", {"train": 2, "test": 2}, ["abc"], seed=0)


def test_classes_of_the_same_footage_are_found_and_no_others() -> None:
    videos = [
        video("v", (10, 20, "cliff"), (10, 20, "dive"), (30, 40, "dive"), (50, 60, "dive"), (55, 65, "twist")),
        video("w", (10, 20, "dive"), (30.2, 40, "cliff"), (30, 40, "dive"), (0, 5, "run"), (100, 105, "run")),
        video("x", (0, 5, "run"), (0, 5, "walk"), (20, 25, "walk"), (50, 55, "walk")),
    ]
    # run is one time in three a walk, and walk one time in three a run: no.
    assert classes_of_the_same_stretches(videos) == (("cliff", "dive"),)
    chained = [video("v", (0, 5, "a"), (0, 5, "b"), (9, 12, "b"), (9, 12, "c"), (20, 22, "b"), (20, 22, "c"))]
    assert classes_of_the_same_stretches(chained) == (("a", "b", "c"),)


def test_thumos_is_412_videos_less_two_and_keeps_dives_together(thumos: Path) -> None:
    for seed in range(5):
        dataset = opened(f"thumos14:{thumos},classes=4/0/2,seed={seed}")
        report = dataset.check()
        assert report.problems == ()
        assert {split: c["classes"] for split, c in report.counts.items()} == {"train": 4, "test": 2}
        assert any({"Diving", "CliffDiving"} <= set(dataset.classes(split)) for split in SPLITS)
        videos = {item.moment.video for split in SPLITS for item in dataset.items(split)}
        assert len(videos) == 12
        assert not videos & set(EXCLUDED)
    assert any("14 videos with a class; 2 of them left out" in note for note in report.notes)
    assert any("CliffDiving, Diving" in note for note in report.notes)


def test_thumos_questions_ask_a_whole_other_video(thumos: Path) -> None:
    dataset = opened(f"thumos14:{thumos},classes=4/0/2")
    questions = dataset.questions("test")
    assert len(questions) == len(dataset.queries("test"))
    for question in questions:
        assert question.video != question.query.video
        assert question.location[0] == 0
        # 16 s at 30 frames a second is step 30.0, 24 s is step 45.0
        assert question.truths == ((30, 46), (90, min(106, question.location[1])))


def test_thumos_takes_steps_from_the_features(thumos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    for name in read_thumos14(thumos):
        np.save(folder / f"{name}.npy", np.ones((150, 4), np.float32))
    dataset = opened(f"thumos14:{thumos},classes=4/0/2,features={folder}")
    assert dataset.check().ready, dataset.check()
    (item, *_) = [i for i in dataset.items("train") + dataset.items("test") if i.moment.video == "video_test_0000000"]
    assert item.location == (0, 150)
    assert dataset.store.times_s("video_test_0000000")[150] == pytest.approx(150 * 16 / 30)
    between = opened(f"thumos14:{thumos},classes=4/0/2,features={folder},location=between,max_location=40")
    assert all(i.location[1] - i.location[0] <= 40 for i in between.items("train"))
    assert all(len(i.truths) == 1 for i in between.items("train"))


def test_thumos_lengths_come_from_the_lists_where_they_are(thumos: Path) -> None:
    videos = read_thumos14(thumos)
    assert (videos["video_test_0000000"].duration_s, videos["video_test_0000000"].rate) == (80.0, 30.0)
    assert videos["video_test_0000002"].duration_s == 56.0
    assert videos["video_test_0001292"].segments == ()
    assert len(videos["video_test_0000000"].segments) == 2


def test_damaged_thumos_lists_are_refused(thumos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train/val/test as in"):
        load_dataset(f"thumos14:{thumos},classes=14")
    with pytest.raises(ConfigError, match="need 20, there are 6"):
        load_dataset(f"thumos14:{thumos}")
    (thumos / "annotations" / "val_Annotation.csv").write_text("video,type\nx,y\n")
    with pytest.raises(ConfigError, match="is not video, type, start"):
        load_dataset(f"thumos14:{thumos}")
    (thumos / "annotations" / "val_Annotation.csv").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_dataset(f"thumos14:{thumos}")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match="holds 0 files"):
        load_dataset(f"thumos14:{empty}")


def test_activitynet_12_reads_its_own_format(tmp_path: Path) -> None:
    database = {
        f"v{k}{copy}": {
            "duration": 160.0,
            "subset": "training",
            "annotations": [{"segment": [16.0, 24.0], "label": f"class-{k:02d}"}],
        }
        for k in range(100)
        for copy in "ab"
    }
    database["quiet"] = {"duration": 9.0, "subset": "testing", "annotations": []}
    path = tmp_path / "activity_net.v1-2.min.json"
    path.write_text(json.dumps({"database": database, "taxonomy": [], "version": "VERSION 1.2"}))
    for root in (path, tmp_path):
        dataset = opened(f"activitynet-1.2:{root}")
        report = dataset.check()
        assert [len(dataset.classes(split)) for split in SPLITS] == [80, 10, 10]
        assert report.counts["test"] == {"classes": 10, "items": 20, "queries": 20, "videos": 20}
        assert "the list has 201 videos, version 1.2 has 9682" in report.notes
        assert len(dataset.questions("val")) == 20
    assert opened(f"activitynet-1.2:{path},seed=1").classes("test") != dataset.classes("test")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"database": {}}',
        '{"database": {"v": {"duration": 0, "annotations": []}}}',
        '{"database": {"v": {"duration": 9}}}',
        '{"database": {"v": {"duration": 9, "annotations": [{"segment": [4, 2], "label": "a"}]}}}',
        '{"database": {"v": {"duration": 9, "annotations": [{"segment": [4], "label": "a"}]}}}',
    ],
)
def test_damaged_annotations_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ConfigError, match=r"ActivityNet format|duration and annotations"):
        read_activitynet(tmp_path / "x.json")
    (tmp_path / "y.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds 2 JSON files"):
        read_activitynet(tmp_path)


def test_a_known_rate_lays_instants_on_steps_exactly() -> None:
    grid = Grid(2400, 150, 80.0, rate=30.0)
    assert grid.bounds(Segment(16.0, 24.0)) == (30, 46)
    assert grid.step_s == 16 / 30
    assert Grid(1600, 100, 160.0).step_s == 1.6


def test_a_triplet_has_its_class_elsewhere_and_another_class() -> None:
    items = [Item(Clip(f"v{k}", 2, 4, "abc"[k % 3]), (0, 9)) for k in range(12)]
    items.append(Item(Clip("both", 0, 3, "a"), (0, 9)))
    items.append(Item(Clip("both", 0, 3, "b"), (0, 9)))  # the same footage: no negative of an a
    queries = [item.moment for item in items] + [Clip("q", 0, 2, "alone")]
    negatives = Counter()
    for seed in range(200):
        triplets = draw_triplets(queries, items, seed=seed)
        assert [t.query for t in triplets] == queries[:-1]
        for triplet in triplets:
            assert triplet.positive.moment.label == triplet.query.label
            assert triplet.positive.moment.video != triplet.query.video
            assert triplet.negative.moment.label != triplet.query.label
            assert not (triplet.query.label == "a" and triplet.negative.moment.video == "both")
        negatives.update(t.negative.moment.label for t in triplets if t.query.label == "c")
    assert abs(negatives["a"] - negatives["b"]) < 0.2 * sum(negatives.values())
    assert draw_triplets(queries, items, seed=1) == draw_triplets(queries, items, seed=1)
    assert draw_triplets(queries, items, seed=1) != draw_triplets(queries, items, seed=2)
    with pytest.raises(ConfigError, match="two classes or more"):
        draw_triplets(queries, items[:1], seed=0)


def test_foreground_is_every_truth_of_the_video() -> None:
    items = [Item(Clip("v", 2, 4, "a"), (0, 9), others=((7, 8),)), Item(Clip("w", 0, 9, "a"), (0, 9))]
    np.testing.assert_array_equal(np.flatnonzero(foreground_steps(items, "v", 9)), [2, 3, 7])


@pytest.mark.shared
def test_the_real_thumos_lists_are_the_412_videos(shared_data: Path) -> None:
    dataset = opened(f"thumos14:{shared_data / 'annotations' / 'thumos14'}")
    report = dataset.check()
    assert report.problems == ()
    assert [len(dataset.classes(split)) for split in SPLITS] == [14, 0, 6]
    videos = {item.moment.video for split in SPLITS for item in dataset.items(split)}
    assert len(videos) == 410
    assert report.notes[0].startswith("412 videos with a class; 2 of them left out")
    assert any("same stretches: CliffDiving, Diving" in note for note in report.notes)
    known = {len(question.truths) > 0 for question in dataset.questions("test")}
    assert known == {True}
    train = dataset.items("train")
    assert len(draw_triplets(dataset.queries("train"), train, seed=0)) == len(train)


@pytest.mark.shared
def test_the_derived_annotations_open_as_activitynet(shared_data: Path) -> None:
    videos = read_activitynet(shared_data / "annotations" / "activitynet-1.3-derived")
    assert len(videos) == 19228
    assert sum(len(found.segments) for found in videos.values()) == 22152
    dataset = opened(f"activitynet-1.2:{shared_data / 'annotations' / 'activitynet-1.3-derived'}")
    assert [len(dataset.classes(split)) for split in SPLITS] == [80, 10, 10]
