from pathlib import Path

import platformdirs
import pytest

from recue.core.errors import ConfigError
from recue.gallery import home_dir, list_galleries, open_gallery, resolve_location
from support.galleries import SOURCE


def test_home(recue_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_dir() == recue_home
    monkeypatch.delenv("RECUE_HOME")
    assert home_dir() == platformdirs.user_data_path("recue")


def test_names_and_directories(recue_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    named = recue_home / "galleries"
    assert resolve_location(None) == named / "default"
    assert resolve_location("films") == named / "films"
    assert resolve_location("my films 2") == named / "my films 2"
    assert resolve_location("./films") == work / "films"
    assert resolve_location("films/") == work / "films"
    assert resolve_location(".") == work
    assert resolve_location(str(tmp_path)) == tmp_path
    assert resolve_location(Path("films")) == work / "films"
    (work / "films").mkdir()
    assert resolve_location("films") == named / "films"  # any directory is not a gallery


def test_a_gallery_here_goes_first(recue_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_gallery("./films", create=True, source=SOURCE)
    assert resolve_location("films") == tmp_path / "films"


@pytest.mark.parametrize("text", ["", "  ", ".hidden", " films"])
def test_no_name(recue_home: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        resolve_location(text)


def test_named_galleries_are_listed(recue_home: Path) -> None:
    assert list_galleries() == []
    for name in ("zoo", None, "ants"):
        open_gallery(name, create=True, source=SOURCE)
    (recue_home / "galleries" / "no-gallery").mkdir()
    assert [gallery.name for gallery in list_galleries()] == ["ants", "default", "zoo"]
    assert list_galleries()[0].path == recue_home / "galleries" / "ants"
