"""EfficientNet-Lite: image classification without squeeze-and-excitation and with ReLU6, ImageNet.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, table 1;
the Lite variants leave out squeeze-and-excitation, replace swish by ReLU6 and scale neither the stem nor the head.
The published weights fix the rest: TensorFlow's "SAME" padding, batch normalisation with epsilon 1e-3, pixels
scaled as (value - 127) / 128.
"""

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recue.core.errors import WeightsError
from recue.models.checkpoints import read_state_dict
from recue.models.i3d import same_padding

#: What to know before trusting the numbers.
CARD = {
    "weights": "efficientnet-lite{0,1,2}-imagenet",
    "licence": "Apache-2.0",
    "input": "RGB pictures, 224, 240 or 260 pixels square",
    "output": "1280-d average of the last feature map, 1000 logits",
}

FEATURE_DIM = 1280

#: Repeats, kernel, stride, expansion, output channels of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

#: Width and depth factors of each variant.
_SCALES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}


def scaled_width(channels: int, factor: float) -> int:
    """Channels times a factor, to the nearest multiple of 8 that loses no more than a tenth.

    >>> scaled_width(40, 1.1), scaled_width(112, 1.1)
    (48, 120)
    """
    wanted = channels * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class ConvUnit(nn.Module):
    """Convolution with the batch normalisation folded into it, then ReLU6 unless it projects."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, *, groups: int = 1, active: bool
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.active = kernel, stride, active
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, in, height, width]` to `[batch, out, ...]`."""
        rows, columns = (same_padding(int(size), self.kernel, self.stride) for size in x.shape[2:])
        if any((*rows, *columns)):
            x = functional.pad(x, (*columns, *rows))
        x = self.conv(x)
        return functional.relu6(x) if self.active else x


class Block(nn.Module):
    """Expand, filter each channel, project; a shortcut where nothing changes shape."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = ConvUnit(channels_in, wide, 1, active=True) if expansion > 1 else nn.Identity()
        self.depthwise = ConvUnit(wide, wide, kernel, stride, groups=wide, active=True)
        self.project = ConvUnit(wide, channels_out, 1, active=False)
        self.shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, in, height, width]` to `[batch, out, ...]`."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class EfficientNetLite(nn.Module):
    """Pictures in, one vector each out."""

    def __init__(self, *, variant: int = 0) -> None:
        super().__init__()
        width, depth = _SCALES[variant]
        self.stem = ConvUnit(3, 32, 3, 2, active=True)
        blocks: list[Block] = []
        channels = 32
        for index, (repeats, kernel, stride, expansion, channels_out) in enumerate(_STAGES):
            ends = index in (0, len(_STAGES) - 1)
            for repeat in range(repeats if ends else ceil(depth * repeats)):
                wide = scaled_width(channels_out, width)
                blocks.append(Block(channels, wide, kernel, stride if repeat == 0 else 1, expansion))
                channels = wide
        self.blocks = nn.Sequential(*blocks)
        self.top = ConvUnit(channels, FEATURE_DIM, 1, active=True)

    def forward(self, frames: Tensor) -> Tensor:
        """uint8 RGB `[batch, height, width, 3]` to features `[batch, 1280]`, averaged over space."""
        dtype = self.stem.conv.weight.dtype
        scaled = (frames.permute(0, 3, 1, 2).to(dtype) - 127.0) * (1.0 / 128.0)
        x: Tensor = self.top(self.blocks(self.stem(scaled)))
        return x.mean(dim=(2, 3)).float()


def build(state: dict[str, Tensor], *, variant: int = 0) -> EfficientNetLite:
    """The network with its batch normalisation folded into the convolutions, ready for inference.

    Raises:
        WeightsError: a tensor is missing.
    """
    with torch.device("meta"):
        network = EfficientNetLite(variant=variant)
    folded: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, ConvUnit):
            try:
                scale = state[f"{name}.gamma"] * torch.rsqrt(state[f"{name}.var"] + 1e-3)
                folded[f"{name}.conv.weight"] = state[f"{name}.weight"] * scale[:, None, None, None]
                folded[f"{name}.conv.bias"] = state[f"{name}.beta"] - state[f"{name}.mean"] * scale
            except KeyError as error:
                raise WeightsError(f"the EfficientNet weights lack {error}; run: recue prepare --force") from error
    network.load_state_dict(folded, assign=True)
    return network.requires_grad_(False).eval()


def convert(checkpoint: Path) -> dict[str, NDArray[Any]]:
    """The published state dict as named arrays: `UNIT.{weight,gamma,beta,mean,var}` and `head.{weight,bias}`.

    Raises:
        WeightsError: it is not such a state dict.
    """
    state = read_state_dict(checkpoint)
    units = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}
    n_blocks = 1 + max((int(key.split(".")[1]) for key in state if key.startswith("_blocks.")), default=-1)
    for index in range(n_blocks):
        ours, theirs = f"blocks.{index}", f"_blocks.{index}"
        if f"{theirs}._expand_conv.weight" in state:
            units[f"{ours}.expand"] = (f"{theirs}._expand_conv", f"{theirs}._bn0")
        units[f"{ours}.depthwise"] = (f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        units[f"{ours}.project"] = (f"{theirs}._project_conv", f"{theirs}._bn2")
    arrays: dict[str, NDArray[Any]] = {}
    try:
        for unit, (conv, norm) in units.items():
            arrays[f"{unit}.weight"] = state[f"{conv}.weight"]
            arrays[f"{unit}.gamma"] = state[f"{norm}.weight"]
            arrays[f"{unit}.beta"] = state[f"{norm}.bias"]
            arrays[f"{unit}.mean"] = state[f"{norm}.running_mean"]
            arrays[f"{unit}.var"] = state[f"{norm}.running_var"]
        arrays["head.weight"], arrays["head.bias"] = state["_fc.weight"], state["_fc.bias"]
    except KeyError as error:
        raise WeightsError(f"{checkpoint.name} is not an EfficientNet-Lite state dict: it lacks {error}") from error
    return {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}
