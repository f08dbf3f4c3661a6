import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets import load_dataset
from recue.datasets.abilities import Described, ExactTruths
from recue.datasets.annotated import AnnotatedVideo, LabelledSegment
from recue.datasets.reorganise import Piece, PlacedInstance, Reorganised, SplicedVideo, part_classes, reorganise
from recue.datasets.spliced import SplicedStore
from recue.datasets.stores import ArrayStore
from recue.datasets.task import SPLITS, FeatureStore, RelocalizationDataset, sequence_of
from recue.datasets.two_source import TwoSourceDataset

N_VIDEOS = 120


def collection(n_videos: int = N_VIDEOS, *, seed: int = 0) -> list[AnnotatedVideo]:
    """Videos of 20 classes with one to four actions, some of which overlap, touch, or end after the video."""
    rng = Random(seed)
    videos = []
    for k in range(n_videos):
        duration_s = rng.uniform(20, 60)
        segments = []
        for _ in range(rng.randint(1, 4)):
            start_s = rng.uniform(0, duration_s - 2)
            label = f"class-{rng.choice((k % 20, (k + 7) % 20)):02d}"
            segments.append(LabelledSegment(Segment(start_s, start_s + rng.uniform(1, 12)), label))
        videos.append(AnnotatedVideo(f"video-{k:03d}", duration_s, tuple(segments)))
    videos.append(AnnotatedVideo("nothing", 9.0, ()))
    videos.append(AnnotatedVideo("all-of-it", 10.0, (LabelledSegment(Segment(0, 10), "class-03"),)))
    return videos


@pytest.fixture(scope="module")
def lists() -> Reorganised:
    return reorganise(collection(), seed=5)


def instances_of(video: AnnotatedVideo) -> list[tuple[str, Segment]]:
    return sorted(
        (one.label, Segment(one.segment.start_s, min(one.segment.end_s, video.duration_s))) for one in video.segments
    )


def test_the_same_seed_gives_the_same_lists(lists: Reorganised) -> None:
    videos = collection()
    Random(1).shuffle(videos)
    assert reorganise(videos, seed=5) == lists
    assert reorganise(videos, seed=6) != lists


def test_halves_share_no_video_and_leave_none_out(lists: Reorganised) -> None:
    queries = {video.name for video in lists.query_videos}
    sources = {source for reference in lists.references for source in reference.sources}
    assert not queries & sources
    assert len(queries) == len(lists.references) - 1 == 60
    assert queries | sources == {video.name for video in collection()} - {"nothing"}
    assert lists.n_left_out == 1


def test_thirds_of_one_two_and_three_sources(lists: Reorganised) -> None:
    n_sources = [len(reference.sources) for reference in lists.references]
    assert [n_sources.count(n) for n in (1, 2, 3)] == [20, 21, 20]
    assert len({reference.name for reference in lists.references}) == len(lists.references)


def test_references_hold_their_base_whole_and_in_order(lists: Reorganised) -> None:
    videos = {video.name: video for video in collection()}
    bases = []
    for reference in lists.references:
        held = {source: [p.segment for p in reference.pieces if p.video == source] for source in reference.sources}
        # The base is the one whose pieces are all of it.
        whole = [s for s, own in held.items() if sum(o.duration_s for o in own) == pytest.approx(videos[s].duration_s)]
        (base,) = whole if len(whole) == 1 else [reference.pieces[0].video]
        bases.append(base)
        own = held[base]
        assert own[0].start_s == 0
        assert own[-1].end_s == videos[base].duration_s
        assert all(one.end_s == other.start_s for one, other in pairwise(own))
        placed = sorted((i.label, i.origin) for i in reference.instances if reference.pieces[i.piece].video == base)
        assert placed == instances_of(videos[base])
    assert len(set(bases)) == len(bases)


def test_sources_share_no_class(lists: Reorganised) -> None:
    videos = {video.name: video for video in collection()}
    for reference in lists.references:
        labels = [set(videos[source].labels()) for source in reference.sources]
        assert len(set().union(*labels)) == sum(map(len, labels))


def test_times_are_shifted_and_nothing_overlaps(lists: Reorganised) -> None:
    videos = {video.name: video for video in collection()}
    for reference in lists.references:
        starts = np.cumsum([0.0, *(piece.segment.duration_s for piece in reference.pieces)])
        assert starts[-1] == pytest.approx(reference.duration_s)
        for instance in reference.instances:
            piece = reference.pieces[instance.piece]
            inside = starts[instance.piece] + instance.origin.start_s - piece.segment.start_s
            assert instance.segment.start_s == pytest.approx(inside)
            assert instance.segment.duration_s == pytest.approx(instance.origin.duration_s)
            assert piece.segment.start_s <= instance.origin.start_s
            assert instance.origin.end_s <= piece.segment.end_s
            assert (instance.label, instance.origin) in instances_of(videos[piece.video])
        for one in reference.instances:
            for other in reference.instances:
                if one.piece != other.piece:
                    assert one.segment.intersection_s(other.segment) == pytest.approx(0, abs=1e-9)
        # What is inserted holds an action, and no action is cut: each that a piece touches lies in it.
        for k, piece in enumerate(reference.pieces):
            touched = [o for _, o in instances_of(videos[piece.video]) if o.intersection_s(piece.segment) > 1e-9]
            held = [i.origin for i in reference.instances if i.piece == k]
            assert sorted(touched) == sorted(held)
            if piece.video != reference.pieces[0].video and len(reference.sources) > 1:
                assert piece.segment.duration_s <= 3 * sum(one.duration_s for one in held) + 1e-9


def test_too_little_to_reorganise() -> None:
    with pytest.raises(ConfigError, match="12 annotated videos"):
        reorganise(collection(9))
    same = [replace(v, segments=tuple(replace(s, label="one") for s in v.segments)) for v in collection()]
    with pytest.raises(ConfigError, match="too few classes"):
        reorganise(same)
    with pytest.raises(ConfigError, match="tenths"):
        part_classes(["a", "b"])


def test_classes_are_parted_in_the_order_of_their_names() -> None:
    parted = part_classes([f"{k:03d}" for k in reversed(range(200))])
    assert {split: len(own) for split, own in parted.items()} == {"train": 160, "val": 20, "test": 20}
    assert (parted["train"][0], parted["val"][0], parted["test"][-1]) == ("000", "160", "199")


class TestStore:
    """Source `a`: 10 steps of 1 s with values 0 to 9; `b`: 12 steps of half a second, 100 to 111."""

    sources = ArrayStore(
        {"a": np.arange(10, dtype=np.float32)[:, None], "b": 100 + np.arange(12, dtype=np.float32)[:, None]},
        step_s={"a": 1.0, "b": 0.5},
    )
    video = SplicedVideo(
        "mixed",
        (
            Piece("a", Segment(0.0, 4.4)),  # to the bound at 4
            Piece("b", Segment(1.2, 2.4)),  # from the bound at 1.0 to the one at 2.5
            Piece("a", Segment(4.4, 4.45)),  # no step
            Piece("b", Segment(3.8, 3.9)),  # too short for a step, but holds an action: the nearest one
            Piece("a", Segment(4.45, 10.0)),
        ),
        (
            PlacedInstance("x", Segment(1.0, 3.0), 0, Segment(1.0, 3.0)),
            PlacedInstance("y", Segment(4.6, 5.6), 1, Segment(1.4, 2.4)),
            PlacedInstance("y", Segment(5.65, 5.7), 3, Segment(3.8, 3.85)),
            PlacedInstance("x", Segment(8.25, 9.25), 4, Segment(7.0, 8.0)),
        ),
    )
    store = SplicedStore(sources, [video])
    values = (0, 1, 2, 3, 102, 103, 104, 107, 4, 5, 6, 7, 8, 9)

    def test_pieces_end_to_end(self) -> None:
        assert isinstance(self.store, FeatureStore)
        assert self.store.read("mixed")[:, 0].tolist() == list(self.values)
        assert self.store.n_steps("mixed") == len(self.values)
        bounds = [0, 1, 2, 3, 4, 4.5, 5, 5.5, 6, 7, 8, 9, 10, 11, 12]
        np.testing.assert_allclose(self.store.times_s("mixed"), bounds)
        assert len(sequence_of(self.store, "mixed", (3, 9))) == 6

    def test_any_stretch_is_the_stretch_of_the_whole(self) -> None:
        for first in range(len(self.values)):
            for stop in range(first + 1, len(self.values) + 1):
                assert self.store.read("mixed", first, stop)[:, 0].tolist() == list(self.values[first:stop])
        with pytest.raises(ConfigError, match="14 steps"):
            self.store.read("mixed", 3, 15)

    def test_actions_are_where_their_pieces_are(self) -> None:
        steps = [self.store.steps_of(self.video, one) for one in self.video.instances]
        assert [self.values[first:stop] for first, stop in steps] == [(1, 2), (103, 104), (107,), (7,)]

    def test_other_videos_are_the_sources(self) -> None:
        assert self.store.videos() == ("a", "b", "mixed")
        assert self.store.read("b", 2, 4)[:, 0].tolist() == [102, 103]
        np.testing.assert_array_equal(self.store.times_s("b"), self.sources.times_s("b"))
        assert (self.store.dim, self.store.fingerprint) == (1, self.sources.fingerprint)
        lone = SplicedStore(ArrayStore({"a": np.ones((10, 1), np.float32)}), [self.video])
        assert lone.videos() == ("a",)


class TestDataset:
    @pytest.fixture
    def dataset(self, lists: Reorganised) -> TwoSourceDataset:
        rng = np.random.default_rng(0)
        arrays = {v.name: rng.random((int(np.ceil(v.duration_s * 2)), 3)).astype(np.float32) for v in collection()}
        return TwoSourceDataset(lists, lambda: ArrayStore(arrays, step_s=0.5))

    def test_queries_and_references_by_class(self, dataset: TwoSourceDataset, lists: Reorganised) -> None:
        assert isinstance(dataset, RelocalizationDataset)
        assert isinstance(dataset, Described)
        assert isinstance(dataset, ExactTruths)
        report = dataset.check()
        assert report.ready, report
        assert sum(len(dataset.queries(s)) for s in SPLITS) == sum(len(v.segments) for v in lists.query_videos)
        assert sum(len(dataset.items(s)) for s in SPLITS) == sum(len(r.instances) for r in dataset.references)
        for split in SPLITS:
            assert {q.label for q in dataset.queries(split)} <= set(dataset.classes(split))
            assert (report.counts[split]["queries"], report.counts[split]["items"]) == (
                len(dataset.queries(split)),
                len(dataset.items(split)),
            )

    def test_steps_agree_with_seconds_to_a_step_a_piece(self, dataset: TwoSourceDataset) -> None:
        questions = [question for split in SPLITS for question in dataset.questions(split)]
        assert questions
        for question in questions:
            times_s = dataset.store.times_s(question.video)
            exact = dataset.truths_s(question)
            assert len(exact) == len(question.truths) > 0
            (reference,) = [r for r in dataset.references if r.name == question.video]
            for (first, stop), segment in zip(question.truths, exact, strict=True):
                assert abs(times_s[first] - segment.start_s) <= 0.5 * (len(reference.pieces) + 1)
                assert abs(times_s[stop] - segment.end_s) <= 0.5 * (len(reference.pieces) + 1)
                assert {i.label for i in reference.instances if i.segment == segment} == {question.query.label}

    def test_check_finds_what_is_wrong(self, lists: Reorganised) -> None:
        arrays = {v.name: np.ones((int(np.ceil(v.duration_s * 2)), 3), np.float32) for v in collection()}
        late = TwoSourceDataset(lists, lambda: ArrayStore(arrays, step_s=1.0)).check()
        assert "step_s=SECONDS" in late.problems[0]
        some = {name: array for name, array in arrays.items() if name != "video-007"}
        short = TwoSourceDataset(lists, lambda: ArrayStore(some, step_s=0.5)).check()
        assert "hold 120 of 121 videos; absent: video-007" in short.problems[0]

    def test_from_an_annotation_file(self, tmp_path: Path) -> None:
        database = {
            v.name: {
                "duration": v.duration_s,
                "subset": "testing" if v.name == "video-000" else "training",
                "annotations": [
                    {"segment": [s.segment.start_s, s.segment.end_s], "label": s.label} for s in v.segments
                ],
            }
            for v in collection()
        }
        (tmp_path / "hacs.json").write_text(json.dumps({"database": database}))
        dataset = load_dataset(f"two-source:{tmp_path},seed=5")
        assert isinstance(dataset, TwoSourceDataset)
        alone = reorganise([v for v in collection() if v.name != "video-000"], seed=5)
        assert dataset.references == alone.references
        report = dataset.check()
        assert "step_s=SECONDS" in report.missing[0]
        assert report.counts["test"]["classes"] == 2
        assert len(dataset.describe("test", 2)) == 2
        with pytest.raises(ConfigError, match="step_s"):
            load_dataset(f"two-source:{tmp_path},step_s=fast")


@pytest.mark.shared
def test_activitynet() -> None:
    root = Path(__file__).resolve().parents[4] / "shared" / "data" / "annotations" / "activitynet-1.3-derived"
    dataset = load_dataset(f"two-source:{root},seed=0")
    assert isinstance(dataset, TwoSourceDataset)
    assert {s: len(dataset.classes(s)) for s in SPLITS} == {"train": 160, "val": 20, "test": 20}
    by_sources = [sum(len(r.sources) == n for r in dataset.references) for n in (1, 2, 3)]
    assert max(by_sources) - min(by_sources) <= 1
    assert len(dataset.lists.query_videos) in (sum(by_sources), sum(by_sources) - 1)
