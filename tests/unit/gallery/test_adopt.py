"""A gallery takes over what was built beside it, whole, whenever it is killed."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from recue.core.errors import GalleryError
from recue.gallery import SourceInfo, adopt, adopt_gallery, adoption_pending, open_gallery
from support.galleries import SOURCE, make_features, make_record

OTHER = SourceInfo(name="other", fingerprint="other-1", dim=8, step_s=0.25)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A gallery with two videos, and one inside its directory with three, of another backbone."""
    old, new = tmp_path / "gallery", tmp_path / "gallery" / "rebuild"
    for directory, source, n in ((old, SOURCE, 2), (new, OTHER, 3)):
        gallery = open_gallery(directory, create=True, source=source)
        for number in range(n):
            gallery.add(make_record(number), make_features(number, 5, source))
    return old, new


def assert_new(directory: Path) -> None:
    gallery = open_gallery(directory, source=OTHER)
    assert len(gallery.videos()) == 3
    assert [problem for problem in gallery.verify() if problem.is_damage] == []
    assert not (directory / "rebuild").exists()
    assert len(list(directory.glob("tables-*"))) == 1


def test_it_takes_the_place(pair: tuple[Path, Path]) -> None:
    reader = open_gallery(pair[0])
    bank = reader.bank()
    adopted = adopt_gallery(*pair)
    assert adopted.info.source == OTHER
    assert_new(pair[0])
    with pytest.raises(GalleryError, match="open it again"):
        reader.videos()
    assert len(bank.values) == 10  # what a reader holds stays good


@pytest.mark.parametrize("killed_at", ["rename", "write_manifest", "rmtree"])
def test_killed_at_any_point_it_is_old_or_new_and_can_be_finished(
    pair: tuple[Path, Path], killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        target = {"rename": adopt.os, "write_manifest": adopt, "rmtree": shutil}[killed_at]
        patch.setattr(target, killed_at, kill)
        with pytest.raises(KeyboardInterrupt):
            adopt_gallery(*pair)
    seen = open_gallery(pair[0])
    assert len(seen.videos()) == (3 if killed_at == "rmtree" else 2)
    assert adoption_pending(pair[1]) == (killed_at != "rename")
    adopt_gallery(*pair)
    assert_new(pair[0])


def test_what_is_no_gallery_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(GalleryError):
        adopt_gallery(pair[0], tmp_path / "nowhere")
    assert len(open_gallery(pair[0], source=SOURCE).videos()) == 2
    assert not adoption_pending(tmp_path / "nowhere")


def test_a_disk_that_refuses_is_named(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(adopt.os, "rename", refuse)
    with pytest.raises(GalleryError, match="Invalid cross-device link"):
        adopt_gallery(*pair)
