"""EfficientNet-Lite: sizes of the variants, folding, and the published names."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from recue.core.errors import WeightsError
from recue.models import efficientnet_lite
from recue.models.efficientnet_lite import build, convert
from support.weights import made_up_efficientnet


def tensors(variant: int) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in made_up_efficientnet(variant).items()}


@pytest.mark.parametrize(("variant", "n_millions"), [(0, 4.652), (1, 5.417), (2, 6.092)])
def test_as_many_parameters_as_published(variant: int, n_millions: float) -> None:
    state = tensors(variant)
    network = build(state, variant=variant)
    # The published counts hold a scale and a shift for each channel that is normalised; folded, a bias is left.
    n_normalised = sum(value.numel() for name, value in state.items() if name.endswith(".gamma"))
    n_head = sum(value.numel() for name, value in state.items() if name.startswith("head"))
    n_folded = sum(parameter.numel() for parameter in network.parameters())
    assert (n_folded + n_normalised + n_head) / 1e6 == pytest.approx(n_millions, abs=5e-4)
    with torch.inference_mode():
        assert network(torch.zeros(2, 64, 64, 3, dtype=torch.uint8)).shape == (2, 1280)


def test_folding_equals_normalising_after_the_convolution() -> None:
    state = tensors(0)
    unit = build(state).get_submodule("blocks.5.depthwise")
    x = torch.randn(1, 240, 9, 9, generator=torch.Generator().manual_seed(0))
    name = "blocks.5.depthwise"
    padded = functional.pad(x, (1, 1, 1, 1))  # 9 rows, kernel 3, stride 2: one before, one after
    plain = functional.conv2d(padded, state[f"{name}.weight"], stride=2, groups=240)
    normal = functional.batch_norm(
        plain, state[f"{name}.mean"], state[f"{name}.var"], state[f"{name}.gamma"], state[f"{name}.beta"], eps=1e-3
    )
    torch.testing.assert_close(unit(x), normal.clamp(0, 6), rtol=1e-4, atol=1e-4)


def test_pixels_are_scaled_about_127() -> None:
    network = build(tensors(0))
    with torch.inference_mode():
        grey = network(torch.full((1, 32, 32, 3), 127, dtype=torch.uint8))
        stem = network.top(network.blocks(network.stem(torch.zeros(1, 3, 32, 32)))).mean(dim=(2, 3))
    torch.testing.assert_close(grey, stem)


def test_the_published_names(tmp_path: Path) -> None:
    ours = made_up_efficientnet(0)
    theirs: dict[str, torch.Tensor] = {}
    norms = {"stem": "_bn0", "top": "_bn1", "expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    convs = {"stem": "_conv_stem", "top": "_conv_head"}
    fields = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
    for name, array in ours.items():
        *place, unit, field = name.split(".")
        prefix = f"_blocks.{place[1]}." if place else ""
        if unit == "head":
            theirs[f"_fc.{field}"] = torch.from_numpy(array)
        elif field == "weight":
            theirs[f"{prefix}{convs.get(unit, f'_{unit}_conv')}.weight"] = torch.from_numpy(array)
        else:
            theirs[f"{prefix}{norms[unit]}.{fields[field]}"] = torch.from_numpy(array)
    torch.save(theirs, tmp_path / "x.pth")
    got = convert(tmp_path / "x.pth")
    assert sorted(got) == sorted(ours)
    assert all(np.array_equal(got[name], array) for name, array in ours.items())
    del theirs["_blocks.3._bn1.running_var"]
    torch.save(theirs, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"_blocks\.3\._bn1\.running_var"):
        convert(tmp_path / "x.pth")


def test_missing_weights_are_named() -> None:
    state = tensors(0)
    del state["top.gamma"]
    with pytest.raises(WeightsError, match=r"top\.gamma"):
        efficientnet_lite.build(state)
