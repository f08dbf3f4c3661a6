"""Checkpoints from elsewhere: arrays come through, programs do not."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recue.core.errors import WeightsError
from recue.models.checkpoints import read_array_tree, read_state_dict


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.mark}",))


def test_a_nest_of_arrays(tmp_path: Path) -> None:
    tree = {"params": {"a/b": {"kernel": np.arange(6.0).reshape(2, 3)}, "bias": np.float32([1, 2])}}
    (tmp_path / "x.ckpt").write_bytes(pickle.dumps(tree, protocol=3))
    flat = read_array_tree(tmp_path / "x.ckpt")
    assert sorted(flat) == ["params|a/b|kernel", "params|bias"]
    assert flat["params|a/b|kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_names_of_an_older_numpy(tmp_path: Path) -> None:
    data = pickle.dumps({"a": np.ones(3)}, protocol=3).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core.multiarray" in data
    (tmp_path / "x.ckpt").write_bytes(data)
    assert read_array_tree(tmp_path / "x.ckpt")["a"].tolist() == [1, 1, 1]


def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    (tmp_path / "x.ckpt").write_bytes(pickle.dumps({"a": Malicious(mark)}))
    with pytest.raises(WeightsError, match=r"x\.ckpt is refused.*system"):
        read_array_tree(tmp_path / "x.ckpt")
    assert not mark.exists()


def test_a_malicious_array_of_objects_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    array = np.empty(1, dtype=object)
    array[0] = Malicious(mark)
    (tmp_path / "x.ckpt").write_bytes(pickle.dumps({"a": array}))
    with pytest.raises(WeightsError, match="refused"):
        read_array_tree(tmp_path / "x.ckpt")
    assert not mark.exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": "text"}, {"a": np.array([None])}, {1: np.ones(2)}])
def test_what_is_no_array_is_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "x.ckpt").write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match="refused"):
        read_array_tree(tmp_path / "x.ckpt")


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps({"a": np.ones(9)})[:-9]])
def test_what_is_no_pickle_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(data)
    with pytest.raises(WeightsError, match="refused"):
        read_array_tree(tmp_path / "x.ckpt")


def test_a_state_dict(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.arange(4.0)}, tmp_path / "x.pth")
    assert read_state_dict(tmp_path / "x.pth")["a.weight"].tolist() == [0, 1, 2, 3]


def test_a_malicious_state_dict_is_refused_and_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    torch.save({"a": Malicious(mark)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth is refused"):
        read_state_dict(tmp_path / "x.pth")
    assert not mark.exists()


@pytest.mark.parametrize("content", [[torch.ones(2)], {"a": 1}])
def test_a_state_dict_of_something_else_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="something else than a dictionary of tensors"):
        read_state_dict(tmp_path / "x.pth")


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="refused"):
        read_state_dict(tmp_path / "x.pth")
