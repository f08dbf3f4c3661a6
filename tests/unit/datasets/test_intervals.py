import csv
import json
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets import load_dataset
from recue.datasets.interval_files import Interval, open_arrays, read_intervals
from recue.datasets.intervals import IntervalDataset, IntervalOptions
from recue.datasets.stores import ArrayStore
from recue.datasets.task import SPLITS, RelocalizationDataset, sequence_of

LABELS = [f"class-{k}" for k in range(8)]


def write_intervals(root: Path, rows: list[str], *, header: str = "video,start_s,end_s,label") -> Path:
    (root / "intervals.csv").write_text("\n".join([header, *rows]) + "\n")
    return root


def write_features(root: Path, lengths: dict[str, int]) -> None:
    (root / "features").mkdir()
    for seed, (video, n) in enumerate(lengths.items()):
        np.save(root / "features" / f"{video}.npy", np.random.default_rng(seed).random((n, 3), np.float32))


def of_lists(options: IntervalOptions | None = None, *, n_videos: int = 6) -> IntervalDataset:
    """Every class once in each video, 2 s apart, on steps of half a second."""
    intervals = [
        Interval(f"v{v}", Segment(2.0 * k, 2.0 * k + 1.0), label)
        for v in range(n_videos)
        for k, label in enumerate(LABELS)
        if (v + k) % 3  # each video lacks some
    ]
    store = ArrayStore({f"v{v}": np.ones((40, 2), np.float32) for v in range(n_videos)}, step_s=0.5)
    return IntervalDataset("toy", intervals, lambda: store, options=options)


def test_a_folder_of_arrays_and_a_csv(tmp_path: Path) -> None:
    rows = ["a,0.5,1.5,wave,train", "a,2.0,2.2,wave,train", "b,0,1,wave,train", "c,1,2,nod,test", "d,0,0.9,nod,test"]
    write_intervals(tmp_path, rows, header="video,start_s,end_s,label,split")
    write_features(tmp_path, {"a": 10, "b": 6, "c": 4, "d": 3})

    dataset = load_dataset(f"intervals:{tmp_path},step_s=0.5")

    assert isinstance(dataset, RelocalizationDataset)
    assert dataset.check().ready, dataset.check()
    assert (dataset.classes("train"), dataset.classes("val"), dataset.classes("test")) == (("wave",), (), ("nod",))
    first, second, third = dataset.items("train")
    assert (first.moment.video, first.moment.first, first.moment.stop, first.location) == ("a", 1, 3, (0, 10))
    assert first.others == ((4, 5),)  # 2.0 to 2.2 s is the step from 2.0 to 2.5 s, the nearest
    assert second.others == ((1, 3),)
    assert third.others == ()
    (asked, other) = dataset.questions("test")
    assert (asked.query.video, asked.video, asked.location, asked.truths) == ("c", "d", (0, 3), ((0, 2),))
    assert (other.query.video, other.video, other.truths) == ("d", "c", ((2, 4),))


def test_json_says_the_length_of_a_step(tmp_path: Path) -> None:
    rows = [{"video": v, "start_s": 0.08, "end_s": 0.2, "label": label} for v in "ab" for label in ("x", "y")]
    (tmp_path / "intervals.json").write_text(json.dumps({"step_s": 0.04, "intervals": rows}))
    with h5py.File(tmp_path / "features.h5", "w") as file:
        for video in "ab":
            file[f"{video}/rgb"] = np.ones((10, 4), np.float32)

    dataset = load_dataset(f"intervals:{tmp_path},key={{video}}/rgb")

    assert isinstance(dataset, RelocalizationDataset)
    assert dataset.check().ready, dataset.check()
    assert [(i.moment.first, i.moment.stop) for i in dataset.items("test")] == [(2, 5)] * 4
    assert dataset.store.times_s("a")[-1] == pytest.approx(0.4)


def test_classes_are_parted_by_the_seed_and_those_of_one_video_left_out() -> None:
    lone = Interval("v0", Segment(19, 20), "alone")
    plain = of_lists()
    dataset = IntervalDataset("toy", (*plain.intervals, lone), lambda: plain.store)

    classes = [label for split in SPLITS for label in dataset.classes(split)]
    assert sorted(classes) == LABELS
    assert "1 classes" in dataset.check().notes[0]
    assert "alone" in dataset.check().notes[0]
    assert [dataset.classes(s) for s in SPLITS] == [of_lists().classes(s) for s in SPLITS]
    seeds = {tuple(of_lists(IntervalOptions(seed=s)).classes("test")) for s in range(5)}
    assert len(seeds) > 1


def test_a_query_and_its_reference_are_never_of_one_source() -> None:
    dataset = of_lists()
    for split in SPLITS:
        questions = dataset.questions(split, seed=1)
        assert len(questions) == len(dataset.queries(split)) > 0
        assert questions == dataset.questions(split, seed=1)
        for question in questions:
            assert question.video != question.query.video
            first, stop = question.truths[0]
            k = LABELS.index(question.query.label)
            assert (first, stop) == (4 * k, 4 * k + 2)
    paired = [Interval(i.video, i.segment, i.label, source=f"take{int(i.video[1:]) // 2}") for i in dataset.intervals]
    for question in IntervalDataset("toy", paired, lambda: dataset.store).questions("test"):
        assert int(question.video[1:]) // 2 != int(question.query.video[1:]) // 2


def test_questions_without_an_answer() -> None:
    dataset = of_lists(IntervalOptions(absent=2))
    there = {(i.video, i.label) for i in dataset.intervals}
    absent = [question for question in dataset.questions("test") if not question.present]
    assert len(absent) == 2 * len(dataset.queries("test"))
    assert not [q for q in absent if (q.video, q.query.label) in there]
    assert all(question.present for question in dataset.questions("train"))
    assert dataset.check().counts["test"]["questions"] == 3 * len(dataset.queries("test"))


def test_at_most_so_many_queries_of_a_class() -> None:
    dataset = of_lists(IntervalOptions(per_class=1))
    assert sorted(q.label for q in dataset.queries("test")) == sorted(dataset.classes("test"))
    assert len(dataset.queries("train")) == len(dataset.items("train"))
    assert {q.query for q in dataset.questions("test")} == set(dataset.queries("test"))


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    rows = ["a,0,1,x,test", "b,0,1,x,test", "a,4.9,9,x,test", "none,0,1,x,test", "b,0,1,x,train"]
    write_intervals(tmp_path, rows, header="video,start_s,end_s,label,split")
    spec = f"intervals:{tmp_path},step_s=0.5"

    report = load_dataset(spec).check()
    assert report.counts["test"] == {"classes": 1, "items": 4, "videos": 3}
    assert "features.h5" in report.missing[0]

    write_features(tmp_path, {"a": 10, "b": 6})
    report = load_dataset(spec).check()
    said = "\n".join(report.problems)
    assert "interval 3 of test, x at 4.9 to 9 s, lies outside 'a', which lasts 5 s" in said
    assert "no video 'none'" in said
    assert "classes in both train and test: x" in said
    with pytest.raises(ConfigError, match="'intervals' has 1 of them"):
        load_dataset(spec + ",split=drawn")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,2,1,x", "interval 2: a segment ends after"),
        ("a,1,1,x", "interval 2 has no length"),
        ("a,one,1,x", "interval 2: could not convert"),
        ("a,1,2,", "interval 2: expected video, start_s, end_s, label"),
    ],
)
def test_a_row_that_makes_no_sense(tmp_path: Path, row: str, said: str) -> None:
    write_intervals(tmp_path, ["a,0,1,x", row])
    with pytest.raises(ConfigError, match=said):
        read_intervals(tmp_path / "intervals.csv")


@pytest.mark.parametrize(
    ("option", "said"),
    [("step_s=0", "step_s"), ("split=new", "given or drawn"), ("least=1", "least"), ("sed=1", "did you mean 'seed'")],
)
def test_an_option_that_makes_no_sense(tmp_path: Path, option: str, said: str) -> None:
    write_intervals(tmp_path, ["a,0,1,x", "b,0,1,x", "a,0,1,y", "b,0,1,y"])
    with pytest.raises(ConfigError, match=said):
        load_dataset(f"intervals:{tmp_path},{option}")


def test_a_split_must_be_said_of_all_or_of_none(tmp_path: Path) -> None:
    write_intervals(tmp_path, ["a,0,1,x,train", "b,0,1,x,"], header="video,start_s,end_s,label,split")
    with pytest.raises(ConfigError, match="each interval has a split"):
        load_dataset(f"intervals:{tmp_path}")


def test_files_of_other_kinds_are_read_whole(tmp_path: Path) -> None:
    times_s = np.array([0.0, 0.5, 2.0])
    np.savez(tmp_path / "a.npz", values=np.ones((2, 3), np.float32), times_s=times_s)
    np.savez(tmp_path / "b.npz", values=np.ones((4, 3), np.float32))
    store = open_arrays(tmp_path, step_s=0.25)
    np.testing.assert_array_equal(store.times_s("a"), times_s)
    assert store.times_s("b")[-1] == 1.0
    assert (store.dim, store.n_steps("a")) == (3, 2)
    (tmp_path / "c.npz").write_text("no archive")
    with pytest.raises(ConfigError, match=r"c\.npz"):
        open_arrays(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no features"):
        open_arrays(tmp_path / "empty")


class TestHandTracks:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        n = 7
        with (tmp_path / "hands_condensed.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["video", "frame", "left-x", "left-y", "right-x", "right-y", "nose-x", "nose-y"])
            for video in range(1, 5):
                for frame in range(n):
                    # The left hand 3 right and 4 below the nose; the right one goes right by 2 a frame.
                    writer.writerow([video, frame, 103, 54, 100 + 2 * frame, 50, 100, 50])
        (tmp_path / "speaker.csv").write_text("video,speaker\n" + "".join(f"{v},one\n" for v in range(1, 5)))
        head = "video,speaker,word,startframe,endframe\n"
        (tmp_path / "train_words.csv").write_text(
            head + "".join(f"{v},one,HELLO,0,2\n{v},one,YOU,3,3\n" for v in (1, 2))
        )
        (tmp_path / "test_words.csv").write_text(
            head + "".join(f"{v},one,HELLO,1,3\n{v},one,YOU,5,6\n" for v in (3, 4))
        )
        return tmp_path

    def test_words_last_from_their_first_frame_to_their_last(self, root: Path) -> None:
        dataset = load_dataset(f"asl-hand-tracks:{root}")
        assert isinstance(dataset, RelocalizationDataset)
        assert dataset.check().ready, dataset.check()
        words = {
            (item.moment.video, item.moment.label): (item.moment.first, item.moment.stop)
            for split in SPLITS
            for item in dataset.items(split)
        }
        assert words["1", "HELLO"] == (0, 3)
        assert words["1", "YOU"] == (3, 4)
        assert words["4", "YOU"] == (5, 7)

    def test_features_are_seen_from_the_nose_in_the_signers_scale(self, root: Path) -> None:
        dataset = load_dataset(f"asl-hand-tracks:{root}")
        assert isinstance(dataset, RelocalizationDataset)
        # Distances: 5 for each frame of the left hand; 0, 2, ... 12 for the right one. The middle one is 5.
        found = sequence_of(dataset.store, "2")
        assert found.values.shape == (7, 8)
        np.testing.assert_allclose(found.values[:, :2], np.tile([3 / 5, 4 / 5], (7, 1)), rtol=1e-6)
        np.testing.assert_allclose(found.values[:, 2], np.arange(7) * 2 / 5, rtol=1e-6)
        np.testing.assert_allclose(found.values[:, 4:], np.tile([0, 0, 2 / 5 * 30 * 0.2, 0], (7, 1)), atol=1e-6)
        assert found.times_s[-1] == pytest.approx(7 / 30)

    def test_steps_of_several_frames(self, root: Path) -> None:
        dataset = load_dataset(f"asl-hand-tracks:{root},step_frames=3")
        assert isinstance(dataset, RelocalizationDataset)
        found = sequence_of(dataset.store, "2")
        np.testing.assert_allclose(found.values[:, 2], np.array([1, 4, 6]) * 2 / 5, rtol=1e-6)
        np.testing.assert_allclose(found.times_s * 30, [0, 3, 6, 7])

    def test_files_that_make_no_sense(self, root: Path) -> None:
        with pytest.raises(ConfigError, match="made of its tracks"):
            load_dataset(f"asl-hand-tracks:{root},features=x")
        (root / "speaker.csv").unlink()
        report = load_dataset(f"asl-hand-tracks:{root}").check()
        assert "speaker.csv" in report.missing[0]
        (root / "train_words.csv").write_text("video,word\n1,HELLO\n")
        with pytest.raises(ConfigError, match="no column startframe, endframe"):
            load_dataset(f"asl-hand-tracks:{root}")


@pytest.mark.shared
def test_the_real_tracks() -> None:
    shared = Path(__file__).resolve().parents[4] / "shared" / "data" / "asl-hand-tracks"
    dataset = load_dataset(f"asl-hand-tracks:{shared},absent=1")
    assert isinstance(dataset, IntervalDataset)
    report = dataset.check()
    assert report.ready, report
    assert len(dataset.store.videos()) == 201
    assert sum(dataset.store.n_steps(video) for video in dataset.store.videos()) == 15746
    assert len(dataset.intervals) == 888
    assert {split: report.counts[split]["classes"] for split in SPLITS} == {"train": 22, "val": 11, "test": 18}
    # Every word that was counted by hand is where the files say.
    rows = [
        row
        for row in csv.DictReader((shared / "data" / "train_words.csv").read_text().splitlines())
        if row["video"] == "1"
    ]
    listed = {(i.moment.label, i.moment.first, i.moment.stop) for s in SPLITS for i in dataset.items(s)}
    for row in rows:
        if row["word"] in {label for split in SPLITS for label in dataset.classes(split)}:
            assert (row["word"], int(row["startframe"]), int(row["endframe"]) + 1) in listed
    values = np.concatenate([dataset.store.read(video) for video in dataset.store.videos()])
    assert np.isfinite(values).all()
    assert np.median(np.linalg.norm(values[:, :4].reshape(-1, 2), axis=1)) == pytest.approx(1, abs=0.01)
    for one, other in pairwise(sorted(dataset.questions("test"), key=lambda q: q.query)):
        assert one.video != one.query.video
        assert other.video != other.query.video
