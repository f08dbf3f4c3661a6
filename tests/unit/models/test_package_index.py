"""The index settings: the same answers that pip would give."""

from pathlib import Path

import pytest

from recue.models.package_index import DEFAULT_INDEX, PackageIndex, read_settings


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is configured."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none"), "PIP_CONFIG_FILE": "/dev/null"}


def test_nothing_configured(home: dict[str, str]) -> None:
    assert read_settings(home) == PackageIndex()


def test_variables(home: dict[str, str]) -> None:
    settings = read_settings(
        home
        | {
            "PIP_INDEX_URL": "https://a/simple",
            "PIP_EXTRA_INDEX_URL": "https://b/simple\n  https://c/simple",
            "PIP_FIND_LINKS": "/wheels https://d/page.html",
            "PIP_TRUSTED_HOST": "a b:8080",
            "PIP_CERT": "/ca.pem",
            "PIP_PROXY": "http://proxy",
            "PIP_DEFAULT_TIMEOUT": "7",
        }
    )
    assert settings == PackageIndex(
        find_links=("/wheels", "https://d/page.html"),
        index_urls=("https://a/simple", "https://b/simple", "https://c/simple"),
        trusted_hosts=("a", "b:8080"),
        certificate="/ca.pem",
        proxy="http://proxy",
        timeout_s=7.0,
    )


def test_files_and_who_wins(home: dict[str, str], tmp_path: Path) -> None:
    del home["PIP_CONFIG_FILE"]
    user = tmp_path / ".config" / "pip" / "pip.conf"
    user.parent.mkdir(parents=True)
    user.write_text("[global]\nindex-url = https://user/simple\nfind_links = /one\n  /two\ntimeout = nonsense\n")
    settings = read_settings(home)
    assert settings.index_urls[0] == "https://user/simple"
    assert settings.find_links[:2] == ("/one", "/two")
    assert settings.timeout_s == 60.0
    chosen = tmp_path / "chosen.conf"
    chosen.write_text("[install]\nindex-url = https://chosen/simple\n[list]\nindex-url = https://other/simple\n")
    assert read_settings(home | {"PIP_CONFIG_FILE": str(chosen)}).index_urls[0] == "https://chosen/simple"
    with_both = home | {"PIP_CONFIG_FILE": str(chosen), "PIP_INDEX_URL": "https://variable/simple"}
    assert read_settings(with_both).index_urls[0] == "https://variable/simple"


def test_no_index(home: dict[str, str]) -> None:
    assert read_settings(home | {"PIP_NO_INDEX": "1", "PIP_INDEX_URL": "https://a"}).index_urls == ()
    assert read_settings(home | {"PIP_NO_INDEX": "0"}).index_urls == (DEFAULT_INDEX,)


def test_an_unreadable_file_counts_for_nothing(home: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text("index-url = before any section\n")
    assert read_settings(home | {"PIP_CONFIG_FILE": str(broken)}).index_urls[0] != "before any section"
