import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from recue.core import FrameSampling
from recue.core.errors import ConfigError
from recue.datasets import ComposeSettings, Composition, compose, load_composition
from recue.media import probe, sample
from support.clips import write_clips
from support.videos import read_number

SETTINGS = ComposeSettings(
    n_train=0,
    n_val=8,
    n_test=12,
    sizes=((64, 48), (80, 48), (96, 64)),
    rates=("24", "30000/1001"),
    min_clips=5,
    max_clips=8,
)
CLASSES = {"clap": 6, "jump": 6, "kick_ball": 6, "sit": 6, "walk": 6}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    root = tmp_path_factory.mktemp("clips")
    return root, write_clips(root, CLASSES)


@pytest.fixture(scope="module")
def made(clips: tuple[Path, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Composition:
    return compose(clips[0], tmp_path_factory.mktemp("out") / "c", seed=1, settings=SETTINGS)


def test_what_comes_back_is_what_was_written(made: Composition) -> None:
    assert load_composition(made.root) == made
    assert len(made.references) == 20
    assert sorted(p.name for p in made.root.iterdir()) == ["queries", "references", "truth.json"]
    for reference in made.references:
        info = probe(reference.path)
        assert (info.width, info.height, info.rate) == (reference.width, reference.height, reference.rate)
        assert info.duration_s == pytest.approx(reference.duration_s)
        assert (info.start_s, info.n_frames) == (0, reference.n_frames)
    assert len({(r.width, r.height) for r in made.references}) == 3
    assert len({r.rate for r in made.references}) == 2


def test_classes_of_splits_are_disjoint_and_references_keep_to_theirs(made: Composition) -> None:
    labels = [label for classes in made.splits.values() for label in classes]
    assert sorted(labels) == sorted(CLASSES)
    for split, classes in made.splits.items():
        part = made.of(split)
        assert {i.label for r in part.references for i in r.instances} <= set(classes)
        assert {q.label for q in part.queries} == set(classes)
        assert {q.split for q in part.queries} <= {split}
    with pytest.raises(ConfigError, match="'dev'"):
        made.of("dev")


def test_no_query_shares_a_source_with_any_reference(made: Composition) -> None:
    in_queries = {q.source for q in made.queries}
    in_references = {i.source for r in made.references for i in r.instances}
    assert in_queries
    assert in_references
    assert not in_queries & in_references


def test_references_hold_0_to_3_of_their_target_each_as_often(made: Composition) -> None:
    counts = Counter((r.split, r.target, len(r.truths(r.target))) for r in made.references)
    assert counts == {(s, label, n): 1 for s in ("val", "test") for label in made.splits[s] for n in range(4)}
    for reference in made.references:
        names = [i.clip for i in reference.instances]
        assert len(names) == len(set(names))


def test_pairs_ask_for_the_target_and_say_whether_it_is_there(made: Composition) -> None:
    references = {r.id: r for r in made.references}
    queries = {q.id: q for q in made.queries}
    assert len(made.pairs) == 40
    assert len(set(made.pairs)) == 40
    for pair in made.pairs:
        reference, query = references[pair.reference_id], queries[pair.query_id]
        assert pair.label == query.label == reference.target
        assert pair.split == query.split == reference.split
        assert pair.present == bool(reference.truths(pair.label))
    assert {p.present for p in made.pairs} == {True, False}


def test_the_truth_is_what_the_pictures_show(made: Composition, clips: tuple[Path, dict[str, int]]) -> None:
    n_seen = 0
    for reference in made.references:
        assert reference.instances[0].segment.start_s == 0
        assert reference.instances[-1].segment.end_s == pytest.approx(reference.duration_s, abs=1e-6)
        for a, b in pairwise(reference.instances):
            assert a.segment.end_s == b.segment.start_s
        shown = list(sample(reference.path, FrameSampling(None, reference.height, reference.width)))
        for instance in reference.instances:
            # Away from its ends by the longest possible half fade, a quarter of the clip's 12 frames.
            inside = [
                f
                for f in shown
                if instance.segment.start_s + 0.055 < f.shown_s and f.until_s < instance.segment.end_s - 0.055
            ]
            assert len(inside) >= 3
            assert {read_number(f.image) for f in inside} == {clips[1][instance.clip]}
            n_seen += len(inside)
    assert n_seen > 500


def test_a_class_rarely_meets_itself(made: Composition) -> None:
    for reference in made.references:
        labels = [i.label for i in reference.instances]
        most = max(Counter(labels).values())
        n_meetings = sum(a == b for a, b in pairwise(labels))
        assert n_meetings <= max(0, 2 * most - len(labels) - 1)


def test_same_seed_same_bytes_and_pictures(
    made: Composition, clips: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    again = compose(clips[0], tmp_path / "again", seed=1, settings=SETTINGS)
    assert (again.root / "truth.json").read_bytes() == (made.root / "truth.json").read_bytes()
    for a, b in zip(made.references, again.references, strict=True):
        assert a.path.read_bytes() == b.path.read_bytes()
    for query in again.queries:
        assert query.path.read_bytes() == (clips[0] / query.clip).read_bytes()


def test_another_seed_another_composition(
    made: Composition, clips: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    few = ComposeSettings(n_train=0, n_val=0, n_test=1, sizes=((64, 48),))
    a, b = (compose(clips[0], tmp_path / str(seed), seed=seed, settings=few) for seed in (2, 3))
    assert [i.clip for i in a.references[0].instances] != [i.clip for i in b.references[0].instances]


def test_a_taken_folder_is_refused_unless_it_is_a_composition_to_replace(
    clips: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    few = ComposeSettings(n_train=0, n_val=0, n_test=1, sizes=((64, 48),))
    (tmp_path / "empty").mkdir()
    first = compose(clips[0], tmp_path / "empty", settings=few)
    with pytest.raises(ConfigError, match="--force"):
        compose(clips[0], first.root, settings=few)
    second = compose(clips[0], first.root, settings=few, seed=5, force=True)
    assert second.seed == load_composition(first.root).seed == 5

    (first.root / "holiday.txt").write_text("mine")
    with pytest.raises(ConfigError, match="other things"):
        compose(clips[0], first.root, settings=few, force=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        compose(clips[0], tmp_path / "file", settings=few, force=True)
    assert (first.root / "holiday.txt").read_text() == (tmp_path / "file").read_text() == "mine"


def test_bad_clips_and_single_sources_are_left_out_with_a_warning(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips", {"clap": 3, "jump": 3})
    write_clips(tmp_path / "more", {"x": 1, "y": 1, "run": 3}, n_sources=1)
    (tmp_path / "more" / "run").rename(tmp_path / "clips" / "run")
    (tmp_path / "clips" / "clap" / "bad.mp4").write_text("no video")
    seen: list[tuple[int, int, str]] = []
    made = compose(
        tmp_path / "clips",
        tmp_path / "out",
        settings=ComposeSettings(n_train=0, n_val=0, n_test=2, sizes=((64, 48),)),
        progress=lambda *said: seen.append(said),
    )
    assert made.splits["test"] == ("clap", "jump")
    assert len(made.warnings) == 2
    assert "clap/bad.mp4" in made.warnings[0]
    assert "class run" in made.warnings[1]
    assert seen[-1][:2] == (len(made.queries) + 2, len(made.queries) + 2)


def test_nothing_is_left_behind_when_it_fails(clips: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compose(clips[0], tmp_path / "out", settings=SETTINGS, progress=stop)
    write_clips(tmp_path / "one", {"clap": 2})
    with pytest.raises(ConfigError, match="two classes or more"):
        compose(tmp_path / "one", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.partial").exists()


def test_what_is_no_composition_is_refused(made: Composition, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no composition"):
        load_composition(tmp_path)
    document = json.loads((made.root / "truth.json").read_text())
    (tmp_path / "truth.json").write_text(json.dumps(document | {"schema": 99}))
    with pytest.raises(ConfigError, match="schema 99"):
        load_composition(tmp_path)
    (tmp_path / "truth.json").write_text(json.dumps(document | {"references": [{}]}))
    with pytest.raises(ConfigError, match="damaged"):
        load_composition(tmp_path)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"sizes": ((63, 48),)}, "even sizes"),
        ({"rates": ()}, "one size"),
        ({"rates": ("0",)}, "above 0"),
        ({"n_train": 0, "n_val": 0, "n_test": 0}, "one reference"),
        ({"min_clips": 2}, "max_instances"),
        ({"query_share": 1.0}, "share"),
        ({"fade_share": 1.5}, "cross-fades"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ComposeSettings(**bad)
