import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recue.core.errors import ConfigError, FingerprintError, GalleryError
from recue.gallery import SourceInfo, open_gallery, reset_gallery
from support.galleries import SOURCE, make_features, make_record


@pytest.fixture
def place(tmp_path: Path, recue_home: Path) -> Path:
    open_gallery(tmp_path / "gallery", create=True, source=SOURCE)
    return tmp_path / "gallery"


def test_info(place: Path) -> None:
    info = open_gallery(place).info
    assert (info.name, info.location, info.source, info.engine) == ("gallery", str(place), SOURCE, "lance")
    assert info.created_at.endswith("+00:00")


def test_creating_again_opens(place: Path) -> None:
    open_gallery(place).add(make_record(1), make_features(1, 3))
    assert len(open_gallery(place, create=True, source=SOURCE).videos()) == 1


def test_a_source_is_read_off_a_backbone() -> None:
    assert SourceInfo.of(SOURCE) == SOURCE


def test_there_is_none(tmp_path: Path, recue_home: Path) -> None:
    with pytest.raises(GalleryError, match=r"no gallery at .*recue index"):
        open_gallery(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    open_gallery("films", create=True, source=SOURCE)
    with pytest.raises(GalleryError, match="films"):
        open_gallery("flims")
    with pytest.raises(ConfigError, match="source"):
        open_gallery(tmp_path / "nowhere", create=True)


def test_a_directory_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").touch()
    for create in (False, True):
        with pytest.raises(GalleryError, match=str(tmp_path)):
            open_gallery(tmp_path, create=create, source=SOURCE)
    with pytest.raises(GalleryError, match="is a file"):
        open_gallery(tmp_path / "holiday.mp4", create=True, source=SOURCE)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


def test_another_backbone_is_refused_with_the_way_out(place: Path) -> None:
    other = replace(SOURCE, name="other", fingerprint="other-1")
    with pytest.raises(FingerprintError, match=r"made.*made-1.*other.*other-1.*recue index --rebuild"):
        open_gallery(place, source=other)
    with pytest.raises(FingerprintError):
        open_gallery(place, create=True, source=other)


def test_another_version_of_the_same_backbone_is_told_apart(place: Path) -> None:
    newer = replace(SOURCE, fingerprint="made-2")
    with pytest.raises(FingerprintError, match=r"another version of 'made'.*made-1.*made-2.*--rebuild --gallery"):
        open_gallery(place, source=newer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2.*update recue"),
        ({"engine": "cloud"}, "cloud"),
        ({"source": {"name": "x"}}, "damaged"),
        ({"source": 3}, "damaged"),
        ({"format": "one"}, "damaged"),
    ],
)
def test_a_manifest_we_do_not_read(place: Path, change: dict[str, Any], message: str) -> None:
    content = json.loads((place / "gallery.json").read_text())
    (place / "gallery.json").write_text(json.dumps(content | change))
    with pytest.raises(GalleryError, match=message):
        open_gallery(place)


def test_a_manifest_that_is_no_json(place: Path) -> None:
    (place / "gallery.json").write_bytes(b"{\x00")
    with pytest.raises(GalleryError, match="damaged"):
        open_gallery(place)
    (place / "gallery.json").write_text("[]")
    with pytest.raises(GalleryError, match="damaged"):
        open_gallery(place)


def test_tables_that_are_gone(place: Path) -> None:
    tables = next(place.glob("tables-*"))
    tables.rename(place / "elsewhere")
    with pytest.raises(GalleryError, match="opening the gallery"):
        open_gallery(place)


def test_a_gallery_can_be_moved(place: Path, tmp_path: Path) -> None:
    open_gallery(place).add(make_record(1), make_features(1, 3))
    open_gallery(place).bank()
    place.rename(tmp_path / "moved")
    moved = open_gallery(tmp_path / "moved")
    assert (len(moved.videos()), len(moved.bank())) == (1, 1)
    assert [problem.kind for problem in moved.verify()] == ["file"]


def test_reset_starts_over_with_another_backbone(place: Path) -> None:
    held = open_gallery(place)
    held.add(make_record(1), make_features(1, 3))
    held.bank()
    other = SourceInfo("other", "other-1", 4, 1.0)
    fresh = reset_gallery(place, other)
    assert (fresh.info.source, fresh.videos()) == (other, [])
    fresh.add(make_record(1), make_features(1, 3, other))
    assert fresh.bank().values.shape == (3, 4)
    with pytest.raises(GalleryError, match=r"was rebuilt with 'other'.*open it again"):
        held.videos()
    assert len(list(place.glob("tables-*"))) == 1
    with pytest.raises(GalleryError, match="no gallery"):
        reset_gallery(place.parent / "nowhere", other)


def test_who_holds_a_gallery_follows_it_when_remade_alike(place: Path) -> None:
    held = open_gallery(place)
    held.add(make_record(1), make_features(1, 3))
    version = held.version
    reset_gallery(place, SOURCE).add(make_record(2), make_features(2, 3))
    assert [record.id for record in held.videos()] == [make_record(2).id]
    assert held.bank().video_ids == (make_record(2).id,)
    assert held.version != version


def test_importing_is_cheap() -> None:
    code = "import sys, recue.gallery; print({'lancedb', 'lance', 'pyarrow', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
