"""The runtimes: the same numbers from each, compiled once, errors that say what to do."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recue.core.errors import ConfigError, MissingExtraError, WeightsError
from recue.models.runtime import Compiled, compile_network


class Running(nn.Module):
    """A convolution over pictures and a running sum of what it saw."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.conv.bias = nn.Parameter(torch.tensor([0.5, -1.0, 0.0, 2.0]))
        self.conv.weight.data = torch.randn(4, 3, 3, 3, generator=generator)

    def forward(self, frames: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        dtype = self.conv.weight.dtype
        seen = self.conv(frames.permute(0, 3, 1, 2).to(dtype) / 255).mean(dim=(2, 3)).float()
        return seen, total + seen


SHAPES = [(2, 8, 8, 3), (2, 4)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECUE_CACHE", str(tmp_path / "cache"))


def compiled(runtime: Any, precision: Any = "fp32", make: Any = None, threads: int = 1) -> Compiled:
    def network() -> nn.Module:
        return Running().requires_grad_(False).eval()

    return compile_network(make or network, SHAPES, key="toy", runtime=runtime, precision=precision, threads=threads)


def pictures(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, SHAPES[0], dtype=np.uint8)


@pytest.mark.parametrize(
    ("runtime", "precision", "tolerance"),
    [
        ("torch", "fp32", 1e-5),
        ("torch", "bf16", 3e-2),
        ("openvino", "fp32", 1e-5),
        ("openvino", "bf16", 3e-2),
        ("onnx", "fp32", 1e-5),
    ],
)
def test_the_same_numbers(runtime: str, precision: str, tolerance: float) -> None:
    if runtime == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    network = Running().requires_grad_(False)
    run = compiled(runtime, precision)
    total = np.zeros(SHAPES[1], dtype=np.float32)
    results = []
    for seed in range(3):
        seen, total = run([pictures(seed), total])
        expected, _ = network(torch.from_numpy(pictures(seed)), torch.zeros(SHAPES[1]))
        np.testing.assert_allclose(seen, expected.numpy(), atol=tolerance)
        results.append(seen)
    # What came out stayed as it was, and what was kept went on.
    np.testing.assert_allclose(total, np.sum(results, axis=0), atol=3 * tolerance)
    assert not np.allclose(results[0], results[1], atol=1e-3)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_made_once_then_taken_from_the_cache(runtime: str, tmp_path: Path) -> None:
    if runtime == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    first = compiled(runtime)
    made = list((tmp_path / "cache" / runtime).iterdir())
    assert len(made) == 1

    def never() -> nn.Module:
        raise AssertionError("the network was built again")

    second = compiled(runtime, make=never)
    inputs = [pictures(0), np.zeros(SHAPES[1], dtype=np.float32)]
    np.testing.assert_array_equal(first(inputs)[0], second(inputs)[0])
    assert list((tmp_path / "cache" / runtime).iterdir()) == made


def test_a_damaged_cached_form_says_what_to_delete(tmp_path: Path) -> None:
    compiled("openvino")
    folder = next((tmp_path / "cache" / "openvino").iterdir())
    (folder / "model.xml").write_text("<net")
    with pytest.raises(WeightsError, match=f"{folder.name} cannot be used; delete that folder"):
        compiled("openvino")


def test_what_another_process_made_meanwhile_is_kept(tmp_path: Path) -> None:
    def slow() -> nn.Module:
        compiled("openvino")  # the other process
        return Running().requires_grad_(False).eval()

    run = compiled("openvino", make=slow)
    assert run([pictures(0), np.zeros(SHAPES[1], dtype=np.float32)])[0].shape == (2, 4)
    assert len(list((tmp_path / "cache" / "openvino").iterdir())) == 1


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_cache_that_cannot_be_written(runtime: str, tmp_path: Path) -> None:
    if runtime == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(WeightsError, match="cannot keep"):
        compiled(runtime)


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="did you mean 'openvino'"):
        compiled("openvin")
    with pytest.raises(ConfigError, match="did you mean 'bf16'"):
        compiled("torch", "bf6")
    with pytest.raises(ConfigError, match="at least 1 thread"):
        compiled("torch", threads=0)
    with pytest.raises(ConfigError, match="runtime=openvino for bf16"):
        compiled("onnx", "bf16")


def test_an_absent_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'recue\[onnx\]'"):
        compiled("onnx")
