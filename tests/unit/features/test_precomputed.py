"""Features from files of each kind, and files that are not what they should be."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from recue.core.errors import MediaError, ShapeError
from recue.core.protocols import Backbone, FileSource
from recue.features import load_source

VALUES = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".safetensors")


def save(path: Path, **arrays: NDArray[Any]) -> Path:
    if path.suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        with h5py.File(path, "w") as out:
            for name, array in arrays.items():
                out.create_dataset(f"group/{name}", data=array)
    return path


def source(spec: str = "precomputed:step_s=0.5") -> FileSource:
    made = load_source(spec)
    assert isinstance(made, FileSource)
    assert not isinstance(made, Backbone)
    return made


def test_what_it_reads() -> None:
    assert source().suffixes == SUFFIXES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_kind(tmp_path: Path, suffix: str) -> None:
    read = source().read(save(tmp_path / f"x{suffix}", features=VALUES).rename(tmp_path / f"x{suffix.upper()}"))
    np.testing.assert_array_equal(read.values, VALUES)
    assert read.times_s.tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    assert (read.backbone, read.fingerprint) == (source().name, source().fingerprint)


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_its_own_step_bounds(tmp_path: Path, suffix: str) -> None:
    times_s = np.array([1, 2, 4, 8, 9, 10, 11, 12.5])
    path = save(tmp_path / f"x{suffix}", features=VALUES, times_s=times_s)
    if suffix in (".h5", ".hdf5"):
        with h5py.File(path, "a") as out:
            out.move("group/times_s", "times_s")
    assert source().read(path).times_s.tolist() == times_s.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_a_key_chooses(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"x{suffix}", rgb=VALUES, flow=2 * VALUES, n=np.array([3]))
    with pytest.raises(MediaError, match=r"2 arrays that could be features.*key="):
        source().read(path)
    key = "group/flow" if suffix in (".h5", ".hdf5") else "flow"
    read = source(f"precomputed:step_s=0.5,key={key}").read(path)
    np.testing.assert_array_equal(read.values, 2 * VALUES)
    with pytest.raises(MediaError, match="holds no array 'depth'"):
        source("precomputed:step_s=0.5,key=depth").read(path)


def test_types(tmp_path: Path) -> None:
    for kind, kept in ((np.float16, np.float16), (np.float64, np.float32), (np.int32, np.float32)):
        assert source().read(save(tmp_path / "x.npy", a=VALUES.astype(kind))).values.dtype == kept


def test_start_and_identity(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", a=VALUES)
    assert source("precomputed:step_s=0.5,start_s=2").read(path).times_s[0] == 2
    base = source().fingerprint
    assert source("precomputed:step_s=0.5,start_s=2,dim=5").fingerprint == base
    assert source("precomputed:step_s=0.25").fingerprint != base
    assert source("precomputed:step_s=0.5,made_by=tsn").fingerprint != base
    assert (source().dim, source("precomputed:step_s=0.5,dim=5").dim) == (0, 5)


@pytest.mark.parametrize("array", [VALUES[0], VALUES[None], VALUES[:0]])
def test_a_wrong_shape(tmp_path: Path, array: NDArray[Any]) -> None:
    with pytest.raises(ShapeError, match=r"features are \[time, dim\]"):
        source().read(save(tmp_path / "x.npy", a=array))


def test_other_things_that_are_wrong(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", a=VALUES)
    with pytest.raises(ShapeError, match="vectors of 5 numbers, expected 6"):
        source("precomputed:step_s=0.5,dim=6").read(path)
    with pytest.raises(ShapeError, match="not finite"):
        source().read(save(tmp_path / "y.npy", a=np.where(VALUES > 1, np.nan, VALUES)))
    with pytest.raises(ShapeError, match="need 8 times_s"):
        source().read(save(tmp_path / "z.npz", a=VALUES, times_s=np.arange(7.0)))
    with pytest.raises(MediaError, match="does not exist"):
        source().read(tmp_path / "absent.npy")
    with pytest.raises(MediaError, match="no feature file"):
        source().read(tmp_path / "x.mp4")
    with pytest.raises(MediaError, match="0 arrays"):
        source().read(save(tmp_path / "w.npz", a=VALUES[0], b=VALUES[0]))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"text, not features", b"\x93NUMPY\x01\x00"])
def test_damaged(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"x\.\w+' cannot be read as"):
        source().read(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_pickle_is_refused(tmp_path: Path, suffix: str) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    (np.save if suffix == ".npy" else np.savez)(tmp_path / f"x{suffix}", objects)
    with pytest.raises(MediaError, match="cannot be read"):
        source().read(tmp_path / f"x{suffix}")


def test_an_array_in_the_clothes_of_an_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(MediaError, match=r"no \.npz archive"):
        source().read(tmp_path / "x.npz")
