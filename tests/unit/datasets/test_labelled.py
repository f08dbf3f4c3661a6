from pathlib import Path
from random import Random

import pytest

from recue.core.errors import ConfigError
from recue.datasets.labelled import (
    Clip,
    choose_query_sources,
    drop_single_source,
    read_clips,
    split_classes,
)
from support.clips import write_clips


def made(label: str, *sources: str) -> list[Clip]:
    return [Clip(Path(f"{source}_{label}_{k}.mp4"), label, source, 1.0) for k, source in enumerate(sources)]


def test_classes_are_folders_and_sources_are_in_the_names(tmp_path: Path) -> None:
    write_clips(tmp_path, {"clap": 2, "run_up": 1})
    (tmp_path / "notes.txt").write_text("not a class")
    (tmp_path / "clap" / "notes.txt").write_text("not a clip")
    (tmp_path / "clap" / "bad.mp4").write_text("not a video")
    (tmp_path / "clap" / "a_clap_b_clap_c.mp4").write_bytes((tmp_path / "clap" / "src0x0_clap_f_0.mp4").read_bytes())
    warnings: list[str] = []
    clips = read_clips(tmp_path, warnings=warnings)
    assert [(c.label, c.source) for c in clips] == [
        ("clap", "a_clap_b"),
        ("clap", "src0x0"),
        ("clap", "src0x1"),
        ("run_up", "src1x0"),
    ]
    assert clips[1].name == "clap/src0x0_clap_f_0.mp4"
    assert clips[1].duration_s == pytest.approx(0.4)
    assert len(warnings) == 1
    assert warnings[0].startswith("clip clap/bad.mp4 left out")
    assert str(tmp_path) not in warnings[0]


def test_a_pattern_names_the_source(tmp_path: Path) -> None:
    write_clips(tmp_path, {"clap": 2})
    assert {c.source for c in read_clips(tmp_path, source_pattern=r"x(\d+)", warnings=[])} == {"0", "1"}
    assert {c.source for c in read_clips(tmp_path, source_pattern=r"^src\d", warnings=[])} == {"src0"}
    with pytest.raises(ConfigError, match="fits nothing"):
        read_clips(tmp_path, source_pattern="zzz", warnings=[])
    with pytest.raises(ConfigError, match="no regular expression"):
        read_clips(tmp_path, source_pattern="(", warnings=[])


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no class"):
        read_clips(tmp_path, warnings=[])
    with pytest.raises(ConfigError, match="no folder"):
        read_clips(tmp_path / "absent", warnings=[])


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(2, (0, 0, 2)), (3, (0, 0, 3)), (4, (0, 2, 2)), (6, (2, 2, 2)), (14, (6, 3, 5)), (21, (9, 4, 8))],
)
def test_default_splits(n: int, sizes: tuple[int, int, int]) -> None:
    labels = [f"c{k:02d}" for k in range(n)]
    splits = split_classes(labels, None, seed=0)
    assert tuple(len(s) for s in splits.values()) == sizes
    assert sorted(label for s in splits.values() for label in s) == labels


def test_splits_depend_on_the_seed_alone() -> None:
    labels = [f"c{k}" for k in range(14)]
    assert split_classes(labels, None, seed=3) == split_classes(labels[::-1], None, seed=3)
    assert split_classes(labels, None, seed=3) != split_classes(labels, None, seed=4)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [({"test": 1}, "two classes"), ({"test": 4}, "need 4"), ({"dev": 2}, "'dev'"), ({"test": 0}, "two classes")],
)
def test_splits_that_cannot_be_are_refused(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        split_classes(["a", "b", "c"], sizes, seed=0)


@pytest.mark.parametrize("seed", range(20))
def test_every_class_gets_both_kinds_of_source_even_when_they_are_shared(seed: int) -> None:
    rng = Random(seed)
    clips = [c for k in range(6) for c in made(f"c{k}", *(f"s{rng.randrange(30)}" for _ in range(8)), f"own{k}")]
    clips = drop_single_source(clips, [])
    chosen = choose_query_sources(clips, share=1 / 3, seed=seed)
    for label in {c.label for c in clips}:
        sources = {c.source for c in clips if c.label == label}
        assert sources & chosen
        assert sources - chosen


def test_about_the_share_is_chosen() -> None:
    clips = made("a", *(f"s{k}" for k in range(12)))
    assert len(choose_query_sources(clips, share=1 / 3, seed=0)) == 4
    assert len(choose_query_sources(clips, share=0.01, seed=0)) == 1
    assert len(choose_query_sources(clips, share=0.99, seed=0)) == 11


def test_sources_that_cannot_be_parted_are_refused() -> None:
    # b and c want s1 and s2 on different sides; whichever way, one of the three classes has both on one.
    clips = made("a", "s1", "s2") + made("b", "s2", "s3") + made("c", "s1", "s3")
    with pytest.raises(ConfigError, match="another seed"):
        choose_query_sources(clips, share=0.5, seed=0)


def test_a_class_of_one_source_is_left_out() -> None:
    warnings: list[str] = []
    kept = drop_single_source(made("a", "s1", "s1") + made("b", "s1", "s2"), warnings)
    assert {c.label for c in kept} == {"b"}
    assert warnings == ["class a left out: all its clips come from one source, 's1'"]
