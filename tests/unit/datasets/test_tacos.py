import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recue.core.errors import ConfigError
from recue.datasets import load_dataset
from recue.datasets.abilities import Described
from recue.datasets.sentences import SentenceMoment, Window, match_windows, slide
from recue.datasets.tacos import TacosDataset, open_dataset
from recue.datasets.task import SPLITS, Dataset

FILM = {
    "timestamps": [[0, 70], [0, 70], [100, 240], [290, 400]],
    "sentences": ["He enters.", "A man comes in.", "He takes a knife.", "He leaves."],
    "fps": 25,
    "num_frames": 300,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, name in (("train", "a.avi"), ("val", "b.avi"), ("test", "c.avi")):
        (tmp_path / f"{split}.json").write_text(json.dumps({name: FILM}))
    return tmp_path


def of(first: int, stop: int, sentence: str = "") -> SentenceMoment:
    return SentenceMoment("v", sentence or f"{first}:{stop}", first, stop, 25.0)


@pytest.mark.parametrize(
    ("n_frames", "size", "starts"),
    [
        (64, 64, [0]),
        (63, 64, []),
        (128, 64, [0, 12, 25, 38, 51, 64]),
        (130, 64, [0, 12, 25, 38, 51, 64]),
        (3, 1, [0, 1, 2]),
    ],
)
def test_windows_lie_four_fifths_over_each_other(n_frames: int, size: int, starts: list[int]) -> None:
    assert slide(n_frames, size) == [(first, first + size) for first in starts]


def test_windows_that_would_not_move() -> None:
    with pytest.raises(ConfigError, match="overlap"):
        slide(10, 5, overlap=Fraction(1))


def test_a_pair_needs_both_conditions() -> None:
    windows = [Window("v", first, first + 100) for first in (0, 14, 15, 16, 110)]
    # The moment 0:115. Outside shares: 0, 0, 0, 0.01, 0.95; IoU 100/115 and so on: all of the first four match.
    assert [m.window.first for m in match_windows(windows, [of(0, 115)])] == [0, 14, 15, 16]
    # The moment 15:120: 0.15 of the first window lies outside, which is not less than 0.15.
    assert [m.window.first for m in match_windows(windows, [of(15, 120)])] == [14, 15, 16]
    # The moment 0:200: IoU is exactly one half, not above it.
    assert match_windows(windows[:1], [of(0, 200)]) == ()
    assert match_windows(windows[:1], [of(0, 199)]) != ()


def test_what_a_window_stands_for() -> None:
    sentences = [of(0, 100, "one"), of(0, 90, "near"), of(0, 100, "two")]
    windows = [Window("v", 0, 100), Window("v", 1, 100)]

    def said(**options: str) -> list[tuple[int, str]]:
        return [(m.window.first, m.sentence.sentence) for m in match_windows(windows, sentences, **options)]  # type: ignore[arg-type]

    assert said(serve="all") == [(w, s) for w in (0, 1) for s in ("near", "one", "two")]
    assert said() == said(serve="moment") == [(w, s) for w in (0, 1) for s in ("one", "two")]
    assert said(serve="sentence") == [(0, "one"), (1, "two")]


def test_offsets_lead_from_the_window_to_the_moment() -> None:
    (match,) = match_windows([Window("v", 10, 110)], [of(4, 112)])
    assert match.offsets == (-6, 2)
    assert match.window.first + match.offsets[0] == match.sentence.first


def test_windows_and_sentences_of_two_videos() -> None:
    with pytest.raises(ConfigError, match="other, v"):
        match_windows([Window("other", 0, 10)], [of(0, 10)])


@settings(max_examples=60, deadline=None)
@given(
    windows=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=6),
    moments=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=6),
)
def test_matches_are_those_a_person_counts(windows: list[tuple[int, int]], moments: list[tuple[int, int]]) -> None:
    candidates = [Window("v", first, first + n) for first, n in windows]
    sentences = [of(first, first + n, f"s{k}") for k, (first, n) in enumerate(moments)]
    expected = set()
    for w, window in enumerate(candidates):
        for sentence in sentences:
            inside, covered = set(range(window.first, window.stop)), set(range(sentence.first, sentence.stop))
            both, either = len(inside & covered), len(inside | covered)
            if Fraction(both, either) > Fraction(1, 2) and Fraction(len(inside - covered), len(inside)) < Fraction(
                3, 20
            ):
                expected.add((w, sentence.sentence))
    indices = {id(window): w for w, window in enumerate(candidates)}
    found = match_windows(candidates, sentences, serve="all")
    assert {(indices[id(m.window)], m.sentence.sentence) for m in found} == expected
    for serve in ("moment", "sentence"):
        served = match_windows(candidates, sentences, serve=serve)  # type: ignore[arg-type]
        assert {id(m.window) for m in served} == {id(m.window) for m in found}
        assert {(indices[id(m.window)], m.sentence.sentence) for m in served} <= expected


def test_the_lists_as_they_are(root: Path) -> None:
    dataset = load_dataset(f"tacos:{root},protocol=2d-tan")
    assert isinstance(dataset, TacosDataset)
    assert isinstance(dataset, Dataset)
    assert isinstance(dataset, Described)
    assert [s.sentence for s in dataset.sentences("test")] == FILM["sentences"]
    knife, leaves = dataset.sentences("test")[2:]
    assert (knife.segment.start_s, knife.segment.end_s) == (4.0, 9.6)
    assert (leaves.first, leaves.stop) == (290, 300)
    assert dataset.windows("train") == dataset.matches("train") == ()
    report = dataset.check()
    assert report.counts["val"] == {"videos": 1, "sentences": 4}
    assert "train.json: 1 moments end after their video and are cut" in report.notes
    assert "test has 1 videos and 4 sentences; the published list 25 and 4001" in report.notes
    assert dataset.describe("test", 1) == ("“He enters.” in c.avi: 0.0 to 2.8 s",)


def test_windows_of_training_and_of_test(root: Path) -> None:
    dataset = open_dataset(root)
    assert {len(window) for window in dataset.windows("train")} == {64, 128, 256}  # the film is too short for 512
    assert {len(window) for window in dataset.windows("test")} == {128, 256}
    served = {(m.window.first, m.window.stop, m.sentence.sentence) for m in dataset.matches("train")}
    assert {(0, 64, "He enters."), (0, 64, "A man comes in."), (102, 230, "He takes a knife.")} <= served
    assert not any("leaves" in sentence for *_, sentence in served)
    counts = dataset.check().counts["train"]
    assert (counts["windows"], counts["matches"], counts["unmatched"]) == (
        len(dataset.windows("train")),
        len(dataset.matches("train")),
        1,
    )


def test_features_have_steps_of_the_films_own_rate(root: Path) -> None:
    (root / "c3d").mkdir()
    for name, n in (("a.avi", 18), ("b.avi", 17), ("c.avi", 9)):
        np.save(root / "c3d" / f"{name}.npy", np.ones((n, 4), np.float32))
    dataset = open_dataset(root, features=root / "c3d")
    assert dataset.store.times_s("a.avi")[-1] == pytest.approx(18 * 16 / 25)
    report = dataset.check()
    assert report.problems == ("the features of 'c.avi' cover 144 of 300 frames",)
    (root / "c3d" / "b.avi.npy").unlink()
    assert "hold no video 'b.avi'" in open_dataset(root, features=root / "c3d").check().problems[0]


def test_a_film_in_two_splits(root: Path) -> None:
    (root / "val.json").write_text(json.dumps({"a.avi": FILM}))
    assert "'a.avi' is in train and in val" in open_dataset(root).check().problems


@pytest.mark.parametrize(
    "entry",
    [
        {**FILM, "timestamps": [[5, 5]], "sentences": ["x"]},
        {**FILM, "sentences": ["x"]},
        {"fps": 25},
        [],
        {**FILM, "fps": 0},
    ],
)
def test_a_list_that_makes_no_sense(root: Path, entry: object) -> None:
    (root / "val.json").write_text(json.dumps({"b.avi": entry}))
    with pytest.raises(ConfigError, match=r"val\.json"):
        open_dataset(root)


@pytest.mark.parametrize("option", ["protocol=tan", "serve=none", "step_frames=0", "windows=3"])
def test_an_option_that_makes_no_sense(root: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        load_dataset(f"tacos:{root},{option}")


@pytest.mark.shared
def test_the_published_lists() -> None:
    root = Path(__file__).resolve().parents[4] / "shared" / "data" / "annotations" / "tacos"
    report = load_dataset(f"tacos:{root}").check()
    assert {s: (report.counts[s]["videos"], report.counts[s]["sentences"]) for s in SPLITS} == {
        "train": (75, 9790),
        "val": (27, 4436),
        "test": (25, 4001),
    }
    assert not report.problems
    assert len(report.notes) == 2  # cut moments alone
    assert report.counts["train"]["matches"] == 22335
