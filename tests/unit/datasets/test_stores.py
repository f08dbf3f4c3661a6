"""Stores hold what was written, thin it, map it, and say what is wrong."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.datasets.stores import ArrayStore, Hdf5Store, NpyFolderStore, open_store, write_store_card
from recue.datasets.task import FeatureStore, sequence_of

C3D_KEY = "v_{video}/c3d_features"


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(n, 6)).astype(np.float32) for name, n in (("a", 11), ("b", 4), ("-x_y", 1))}


@pytest.fixture
def c3d(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The layout of ActivityNet's C3D file."""
    path = tmp_path / "sub_activitynet_v1-3.c3d.hdf5"
    with h5py.File(path, "w") as opened:
        for name, values in arrays.items():
            opened.create_group(f"v_{name}").create_dataset("c3d_features", data=values)
    return path


def test_the_c3d_file_is_read_every_second_vector(c3d: Path, arrays: dict[str, np.ndarray]) -> None:
    store = Hdf5Store(c3d, key=C3D_KEY, every=2, step_s=0.5)
    assert isinstance(store, FeatureStore)
    assert store.videos() == ("-x_y", "a", "b")
    assert (store.dim, store.n_steps("a"), store.n_steps("b")) == (6, 6, 2)
    np.testing.assert_array_equal(store.read("a", 1, 4), arrays["a"][2:8:2])
    np.testing.assert_array_equal(store.times_s("b"), [0, 0.5, 1.0])


def test_an_uncompressed_dataset_is_mapped_and_a_compressed_one_read(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(6, 2)
    with h5py.File(tmp_path / "x.h5", "w") as opened:
        opened["plain"] = values.astype(np.float16)
        opened.create_dataset("packed", data=values, compression="gzip")
    store = Hdf5Store(tmp_path / "x.h5")
    mapped, read = store.read("plain", 1, 3), store.read("packed", 1, 3)
    assert not mapped.flags.owndata
    assert not mapped.flags.writeable
    assert mapped.dtype == np.float16
    assert read.dtype == np.float32  # float64 is more than a sequence takes
    np.testing.assert_array_equal(mapped, read)


def test_a_folder_is_mapped_with_the_times_beside_it(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    (tmp_path / "query").mkdir()
    np.save(tmp_path / "query" / "a.npy", arrays["a"])
    np.save(tmp_path / "b.npy", arrays["b"])
    np.save(tmp_path / "b.times.npy", np.array([0.0, 1.0, 2.0, 3.5, 3.75]))
    write_store_card(tmp_path, name="balanced", fingerprint="f00d", step_s=0.25)
    store = NpyFolderStore(tmp_path)
    assert store.videos() == ("b", "query/a")
    assert (store.name, store.fingerprint) == ("balanced", "f00d")
    assert isinstance(store.read("query/a"), np.memmap)
    np.testing.assert_array_equal(store.times_s("query/a"), np.arange(12) * 0.25)
    thinned = NpyFolderStore(tmp_path, every=3)
    np.testing.assert_array_equal(thinned.read("b"), arrays["b"][[0, 3]])
    np.testing.assert_array_equal(thinned.times_s("b"), [0.0, 3.5, 3.75])


def test_stores_of_every_kind_give_the_same_sequence(tmp_path: Path, c3d: Path, arrays: dict[str, np.ndarray]) -> None:
    folder = tmp_path / "npy"
    folder.mkdir()
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    stores = [
        ArrayStore(arrays, step_s=0.5, fingerprint="same"),
        open_store(folder, step_s=0.5, fingerprint="same"),
        open_store(c3d, key=C3D_KEY, step_s=0.5, fingerprint="same"),
    ]
    sequences = [sequence_of(store, "a", (2, 5)) for store in stores]
    for sequence in sequences:
        np.testing.assert_array_equal(sequence.values, arrays["a"][2:5])
        np.testing.assert_array_equal(sequence.times_s, [1.0, 1.5, 2.0, 2.5])
        sequence.require_same_source(sequences[0])


def test_a_store_travels_to_another_process_without_what_it_opened(
    c3d: Path, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", arrays["a"])
    for store in (Hdf5Store(c3d, key=C3D_KEY), NpyFolderStore(tmp_path)):
        store.read("a")
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).read("a"), arrays["a"])


def test_fingerprints_tell_names_thinnings_and_contents_apart(arrays: dict[str, np.ndarray], c3d: Path) -> None:
    same = {Hdf5Store(c3d, key=C3D_KEY, name="x").fingerprint, ArrayStore(arrays, name="x").fingerprint}
    assert len(same) == 1
    others = {
        ArrayStore(arrays, name="y").fingerprint,
        Hdf5Store(c3d, key=C3D_KEY, name="x", every=2).fingerprint,
        ArrayStore({name: values + 1 for name, values in arrays.items()}, name="x").fingerprint,
    }
    assert len(same | others) == 4


def test_times_may_be_given_by_video_or_by_a_function(arrays: dict[str, np.ndarray]) -> None:
    bounds = np.array([0.0, 1.0, 3.0, 6.0, 10.0])
    np.testing.assert_array_equal(ArrayStore(arrays, step_s={"b": bounds}).times_s("b"), bounds)
    np.testing.assert_array_equal(ArrayStore(arrays, step_s={"b": 2.0}).times_s("b"), [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(ArrayStore(arrays, step_s=len).times_s("b"), [0, 1, 2, 3, 4])
    with pytest.raises(ConfigError, match="how long a step of 'a'"):
        ArrayStore(arrays, step_s={"b": 2.0}).times_s("a")


@pytest.mark.parametrize(("first", "stop"), [(-1, 2), (2, 2), (3, 2), (0, 12), (11, None)])
def test_steps_that_are_not_there_are_refused(
    arrays: dict[str, np.ndarray], c3d: Path, tmp_path: Path, first: int, stop: int | None
) -> None:
    np.save(tmp_path / "a.npy", arrays["a"])
    for store in (ArrayStore(arrays), Hdf5Store(c3d, key=C3D_KEY), NpyFolderStore(tmp_path)):
        with pytest.raises(ConfigError, match="have 11 steps"):
            store.read("a", first, stop)
        with pytest.raises(ConfigError, match="no video 'zz'"):
            store.n_steps("zz")


def test_what_is_not_a_store_says_so(tmp_path: Path, c3d: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="are not there"):
        open_store(tmp_path / "absent")
    with pytest.raises(ConfigError, match="holds no"):
        open_store(tmp_path / "empty")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ConfigError, match="cannot be read as HDF5"):
        open_store(tmp_path / "text.h5")
    with pytest.raises(ConfigError, match=r"no dataset '\{video\}/x'; it holds 'v_-x_y'"):
        open_store(c3d, key="{video}/x")
    with pytest.raises(ConfigError, match="says once where"):
        open_store(c3d, key="c3d_features")
    with pytest.raises(ConfigError, match=r"\[time, dim\]"):
        ArrayStore({"a": np.zeros(3)})
    with pytest.raises(ConfigError, match="of one length"):
        ArrayStore({"a": np.zeros((3, 2)), "b": np.zeros((3, 4))})
    with pytest.raises(ConfigError, match="one video or more"):
        ArrayStore({})


def test_a_pickled_npy_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        NpyFolderStore(tmp_path)


def test_a_damaged_card_and_wrong_times_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.save(tmp_path / "b.npy", arrays["b"])
    np.save(tmp_path / "b.times.npy", np.arange(4.0))
    with pytest.raises(ConfigError, match="4 steps, expected 5"):
        NpyFolderStore(tmp_path).times_s("b")
    (tmp_path / "store.json").write_text('{"kind": "other"}')
    with pytest.raises(ConfigError, match="what made the features"):
        NpyFolderStore(tmp_path)
