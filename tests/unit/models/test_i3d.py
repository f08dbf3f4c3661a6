"""I3D against plain definitions: padding, folding, names of the checkpoint, and the stream against the whole."""

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from recue.core.errors import WeightsError
from recue.models import i3d
from recue.models.i3d import I3D, ConvUnit, MaxPool, StreamingI3D, same_padding
from recue.models.i3d_layout import DELAY_FRAMES, MIXED, state_shapes
from support.frames import moving_images
from support.weights import made_up_i3d


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in made_up_i3d().items()}


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"), list(itertools.product((5, 7, 8, 14, 15), (1, 2, 3, 7), (1, 2), (1, 2)))
)
def test_padding_keeps_ceil_of_size_over_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = same_padding(size, kernel, stride, dilation)
    assert 0 <= after - before <= 1
    n_out = (size + before + after - (kernel - 1) * dilation - 1) // stride + 1
    assert n_out == -(-size // stride)


def test_max_pooling_pads_with_minus_infinity() -> None:
    x = functional.relu(torch.randn(1, 2, 5, 6, 7, generator=torch.Generator().manual_seed(0)))
    got = MaxPool((3, 3, 3), (2, 2, 2))(x)
    padded = torch.full((1, 2, 7, 7, 9), -torch.inf)
    padded[:, :, 1:6, :6, 1:8] = x  # 5 -> (1, 1), 6 -> (0, 1), 7 -> (1, 1)
    for t, row, column in itertools.product(range(3), range(3), range(4)):
        window = padded[:, :, 2 * t : 2 * t + 3, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        assert torch.equal(got[:, :, t, row, column], window.amax(dim=(2, 3, 4)))


def test_convolution_pads_the_odd_cell_at_the_end() -> None:
    unit = ConvUnit(1, 1, (7, 1, 1), (2, 1, 1))
    nn.init.ones_(unit.conv.weight)
    nn.init.zeros_(unit.conv.bias)  # type: ignore[arg-type]
    x = torch.arange(1.0, 9.0).reshape(1, 1, 8, 1, 1)
    # Two zeros before, three after: windows 1-5, 1-7, 3-8, 5-8.
    assert unit(x).flatten().tolist() == [15, 28, 33, 26]


def test_folding_equals_normalising_after_the_convolution(state: dict[str, torch.Tensor]) -> None:
    unit = i3d.build(state).get_submodule("mixed.Mixed_3b.branch_1b")
    x = torch.randn(1, 96, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    name = "mixed.Mixed_3b.branch_1b"
    plain = functional.conv3d(x, state[f"{name}.weight"], padding=1)
    normal = functional.batch_norm(plain, state[f"{name}.mean"], state[f"{name}.var"], None, None, eps=1e-3)
    expected = functional.relu(normal + state[f"{name}.bias"][:, None, None, None])
    torch.testing.assert_close(unit(x), expected, rtol=1e-4, atol=1e-4)


def test_shapes_and_channels(state: dict[str, torch.Tensor]) -> None:
    frames = torch.from_numpy(moving_images(16, 64))[None]
    with torch.inference_mode():
        network = i3d.build(state)
        assert network(frames).shape == (1, 2, 1024)
        assert network.feature_map(network.scaled(frames)).shape == (1, 1024, 2, 2, 2)
        ends = network.scaled(torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2, 1))
    assert ends.flatten().tolist() == [-1, 1]


@pytest.mark.parametrize(("stride", "phase", "shift", "margin"), [(8, 1, 6, 7), (4, 1, 13, 14)])
@pytest.mark.parametrize("chunk", [16, 48])
def test_the_stream_gives_what_the_whole_gives(
    state: dict[str, torch.Tensor], stride: int, phase: int, shift: int, margin: int, chunk: int
) -> None:
    # Step k of the whole is centred on frame 8k+5 (4k+5) of what it is given, step k of the stream on
    # 8k-42 (4k-46): a phase of one frame brings the grids together, then they are `shift` steps apart.
    assert (phase + 5 + DELAY_FRAMES[stride]) == stride * shift
    images = torch.from_numpy(moving_images(192, 32))[None]
    stream = StreamingI3D(i3d.build(state), stride=stride)
    with torch.inference_mode():
        whole = i3d.build(state, stride=stride)(images[:, phase : phase + 184])[0]
        kept: list[torch.Tensor] = [torch.zeros(shape) for shape in state_shapes(32, 32, stride)]
        steps = []
        for start in range(0, 192, chunk):
            out, *kept = stream(images[:, start : start + chunk], *kept)
            steps.append(out[0])
    streamed = torch.cat(steps)[shift:]
    common = slice(margin, min(len(streamed), len(whole)) - margin)  # away from where padding is seen
    assert common.stop - common.start >= 3
    torch.testing.assert_close(streamed[common], whole[common], rtol=1e-3, atol=1e-4)


def test_stride_4_holds_the_steps_of_stride_8(state: dict[str, torch.Tensor]) -> None:
    frames = torch.from_numpy(moving_images(32, 32))[None]
    with torch.inference_mode():
        eight, four = (i3d.build(state, stride=stride)(frames) for stride in (8, 4))
    torch.testing.assert_close(four[:, ::2], eight, rtol=1e-4, atol=1e-5)


def test_another_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="4 or 8"):
        I3D(stride=2)
    with pytest.raises(ValueError, match="4 or 8"):
        StreamingI3D(I3D(), stride=2)
    with pytest.raises(ValueError, match="network of stride 8"):
        StreamingI3D(I3D(stride=4), stride=4)


def test_missing_weights_are_named(state: dict[str, torch.Tensor]) -> None:
    part = {name: value for name, value in state.items() if name != "Conv3d_2b_1x1.var"}
    with pytest.raises(WeightsError, match=r"Conv3d_2b_1x1\.var"):
        i3d.build(part)


def checkpoint(rng: np.random.Generator) -> dict[str, Any]:
    """A nest of arrays with the names and layouts of the published one, two units' worth of contents."""
    branches = {
        "Branch_0/Conv3d_0a_1x1": (0, None, 1),
        "Branch_1/Conv3d_0a_1x1": (1, None, 1),
        "Branch_1/Conv3d_0b_3x3": (2, 1, 3),
        "Branch_2/Conv3d_0a_1x1": (3, None, 1),
        "Branch_2/Conv3d_0b_3x3": (4, 3, 3),
        "Branch_3/Conv3d_0b_1x1": (5, None, 1),
    }
    params: dict[str, Any] = {}
    statistics: dict[str, Any] = {}

    def unit(kernel: int, n_in: int, n_out: int) -> tuple[dict[str, Any], dict[str, Any]]:
        weight = rng.standard_normal((kernel, kernel, kernel, n_in, n_out), dtype=np.float32)
        norm = {name: rng.random((1, 1, 1, 1, n_out), dtype=np.float32) for name in ("mean", "var")}
        bias = rng.random(n_out, dtype=np.float32)
        return {"Conv_0": {"kernel": weight}, "BatchNorm_0": {"bias": bias}}, {"BatchNorm_0": norm}

    for name, kernel, n_in, n_out in (
        ("Conv3d_1a_7x7", 7, 3, 64),
        ("Conv3d_2b_1x1", 1, 64, 64),
        ("Conv3d_2c_3x3", 3, 64, 192),
    ):
        params[name], statistics[name] = unit(kernel, n_in, n_out)
    for block, n_in, widths in MIXED:
        params[block], statistics[block] = {}, {}
        for branch, (place, before, kernel) in branches.items():
            made = unit(kernel, n_in if before is None else widths[before], widths[place])
            params[block][branch], statistics[block][branch] = made
    head = {"kernel": rng.random((1, 1, 1, 1024, 400), dtype=np.float32), "bias": rng.random(400, dtype=np.float32)}
    params["Logits/Conv3d_0c_1x1"] = {"Conv_0": head}
    return {"params": params, "batch_stats": statistics}


def test_the_checkpoints_names_and_layouts(tmp_path: Path) -> None:
    tree = checkpoint(np.random.default_rng(0))
    (tmp_path / "x.ckpt").write_bytes(pickle.dumps(tree))
    arrays = i3d.convert(tmp_path / "x.ckpt")
    network = i3d.build({name: torch.from_numpy(array) for name, array in arrays.items()})
    kernel = tree["params"]["Mixed_4c"]["Branch_2/Conv3d_0b_3x3"]["Conv_0"]["kernel"]
    assert arrays["mixed.Mixed_4c.branch_2b.weight"][5, 7, 0, 1, 2] == kernel[0, 1, 2, 7, 5]
    assert arrays["head.weight"].shape == (400, 1024)
    assert arrays["head.weight"][3, 9] == tree["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]["kernel"][0, 0, 0, 9, 3]
    assert isinstance(network, I3D)


def test_another_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(pickle.dumps({"params": {"a": np.ones(2)}}))
    with pytest.raises(WeightsError, match="not the I3D checkpoint"):
        i3d.convert(tmp_path / "x.ckpt")
