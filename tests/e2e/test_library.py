"""`recue.open(...)`: fill, search, list, remove, with the cheap backbone on videos of changing colours."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import recue
from recue.core import FeatureSequence
from recue.core.errors import ConfigError, FingerprintError, GalleryError, VideoNotFoundError
from recue.features import BACKBONES
from recue.gallery import SourceInfo, open_gallery
from recue.media import cut
from recue.search.library import Library
from support.galleries import make_record
from support.library import PLUGINS, colours, histogram, write_colours
from support.videos import write_image

__all__ = ["histogram"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Six videos of ten seconds; `0.mp4` and `1.mp4` have the metadata `half=first`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGINS))
        patch.setattr(BACKBONES, "_entries", dict(BACKBONES._entries))
        patch.setattr(BACKBONES, "_outside_read", False)
        folder = tmp_path_factory.mktemp("library")
        (folder / "videos").mkdir()
        for seed in range(6):
            write_colours(folder / "videos" / f"{seed}.mp4", seed, seconds=10)
        library = recue.open(folder / "gallery")
        library.index(
            folder / "videos",
            backbone="histogram",
            threads=1,
            metadata=lambda path: {"half": "first"} if path.stem in "01" else {},
        )
        yield library


def test_a_stretch_of_a_gallery_video_is_found_where_it_is(library: Library) -> None:
    result = library.search("3", from_s=2.0, to_s=5.0, min_confidence=0)
    best = result.moments[0]
    assert Path(best.video).name == "3.mp4"
    assert best.segment.tiou(recue.Segment(2.0, 5.0)) > 0.6
    assert best.is_query
    assert (result.query.kind, result.query.segment) == ("range", recue.Segment(2.0, 5.0))
    assert (result.n_videos, result.searched_s) == (6, pytest.approx(60.0))
    assert result.backbone == "histogram"


def test_a_gallery_of_another_version_is_refused_before_the_query_is_read(tmp_path: Path, histogram: str) -> None:
    old = SourceInfo("histogram", "histogram-old", 24, 0.5)
    gallery = open_gallery(tmp_path / "gallery", create=True, source=old)
    features = FeatureSequence(np.ones((4, 24), np.float32), np.arange(5) * 0.5, old.name, old.fingerprint)
    gallery.add(make_record(0), features)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(FingerprintError, match="another version of 'histogram'"):
        recue.open(tmp_path / "gallery").search(tmp_path / "text.mp4")


def test_a_clip_cut_out_of_one_is_found(library: Library, tmp_path: Path) -> None:
    cut(Path(library.gallery.find("4").path), recue.Segment(3.0, 6.0), tmp_path / "clip.mp4", mode="exact")
    best = library.search(tmp_path / "clip.mp4", min_confidence=0).moments[0]
    assert Path(best.video).name == "4.mp4"
    assert best.segment.tiou(recue.Segment(3.0, 6.0)) > 0.6
    assert not best.is_query


def test_a_picture_is_searched_for(library: Library, tmp_path: Path) -> None:
    path = write_image(tmp_path / "still.png", colours(2)(0, 0))  # type: ignore[arg-type]
    result = library.search(path, min_confidence=0)
    assert result.query.kind == "image"
    assert result.moments


def test_some_videos_only(library: Library) -> None:
    for options in (
        {"videos": ["0", "1.mp4"]},
        {"where": ["half=first"]},
        {"videos": ["0", "1"], "where": ["half=first"]},
    ):
        result = library.search("3", from_s=2.0, to_s=5.0, min_confidence=0, **options)  # type: ignore[arg-type]
        assert result.n_videos == 2
        assert {Path(moment.video).name for moment in result.moments} <= {"0.mp4", "1.mp4"}
    with pytest.raises(VideoNotFoundError, match="none meets half=third"):
        library.search("3", where=["half=third"])
    with pytest.raises(VideoNotFoundError, match="no video"):
        library.search("3", videos=["nine"])
    with pytest.raises(ConfigError, match="no condition"):
        library.search("3", where=["half"])


def test_a_gone_file_is_said(library: Library) -> None:
    path = Path(library.gallery.find("5").path)
    path.rename(path.with_name("away.mp4"))
    try:
        result = library.search("5", from_s=1.0, to_s=4.0, min_confidence=0)
        assert any("5.mp4' is gone" in warning for warning in result.warnings)
    finally:
        path.with_name("away.mp4").rename(path)


def test_an_empty_gallery_is_said(tmp_path: Path, histogram: str) -> None:
    path = write_colours(tmp_path / "a.mp4", 1)
    library = recue.open(tmp_path / "gallery")
    library.index(path, backbone=histogram, threads=1)
    assert [record.name for record in library.remove("a")] == ["a.mp4"]
    with pytest.raises(GalleryError, match="empty"):
        library.search(path)


def test_what_it_holds(library: Library) -> None:
    info = library.info()
    assert (info.stats.n_videos, info.stats.n_steps, info.verified) == (6, 120, False)
    assert info.source.name == "histogram"
    assert [record.name for record in library.videos(["half=first"])] == ["0.mp4", "1.mp4"]
    assert library.info(verify=True).problems == ()
    assert repr(library) == f"Library({str(library.location)!r})"


def test_features_of_another_size_fail_alone(tmp_path: Path) -> None:
    import numpy as np

    for name, dim in (("a", 4), ("b", 4), ("c", 5)):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).normal(size=(8 + dim, dim)).astype(np.float32))
    np.save(tmp_path / "b.npy", np.ones((3, 4), np.float32))
    report = recue.open(tmp_path / "gallery").index(tmp_path, backbone="precomputed:step_s=1", threads=1)
    assert sorted(Path(path).name for path in report.added) == ["a.npy", "b.npy"], "workers finish in any order"
    (failed,) = report.failed
    assert Path(failed.path).name == "c.npy"


def test_a_moved_gallery_still_works(library: Library, tmp_path: Path) -> None:
    shutil.copytree(library.location, tmp_path / "copy")
    moved = recue.open(tmp_path / "copy")
    assert moved.search("3", from_s=2.0, to_s=5.0, min_confidence=0).moments


class TestFacade:
    def test_importing_it_loads_nothing(self) -> None:
        code = "import recue, sys; print(sorted({'numpy', 'torch', 'lancedb', 'numba', 'av'} & set(sys.modules)))"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "[]"

    def test_opening_a_library_loads_no_network_runtime(self) -> None:
        code = (
            "import recue, sys; recue.open('x');"
            "print(sorted({'torch', 'lancedb', 'numba', 'openvino'} & set(sys.modules)))"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "[]"

    def test_all_names_are_there_and_typed(self) -> None:
        assert recue.__file__ is not None
        stub = ast.parse(Path(recue.__file__).with_suffix(".pyi").read_text())
        typed = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names} | {
            node.name for node in stub.body if isinstance(node, ast.FunctionDef)
        }
        assert typed == set(recue.__all__)
        assert all(hasattr(recue, name) for name in recue.__all__)
        assert set(recue.__all__) < set(dir(recue))

    def test_an_unknown_name(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = recue.nothing  # type: ignore[attr-defined]
