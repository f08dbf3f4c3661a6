"""I3D: a two-dimensional Inception inflated to video, RGB stream, Kinetics-400.

Source: Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset", CVPR 2017;
the layer table is the paper's figure 3. The published checkpoint fixes what the paper leaves open: TensorFlow's
"SAME" padding (at an even size it pads one cell more at the end), batch normalisation with epsilon 1e-3 and no
scale, 400 logits from the average of the last feature map.

Axes: batch, time, height, width; torch keeps channels second. `I3D` is fully convolutional: any number of frames goes
in, one feature vector for every `stride` frames comes out. `StreamingI3D` computes the same over a video that comes
in chunks: each layer that looks back in time keeps the last cells of its input, so nothing is computed twice, and
where the chunks are cut makes no difference.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recue.core.errors import WeightsError
from recue.models.checkpoints import read_array_tree
from recue.models.i3d_layout import FEATURE_DIM, MIXED, N_CLASSES

#: What to know before trusting the numbers.
CARD = {
    "weights": "i3d-kinetics400",
    "licence": "MIT",
    "input": "RGB frames at 25 a second, 224 by 224, in [-1, 1]",
    "output": "1024-d average of Mixed_5c, 400 logits",
}

Triple = tuple[int, int, int]


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's "SAME": the output has ceil(size / stride) cells, and the odd cell of padding goes to the end.

    >>> same_padding(224, 7, 2), same_padding(7, 3, 1)
    ((2, 3), (1, 1))
    """
    covered = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1
    total = max(covered - size, 0)
    return total // 2, total - total // 2


def _padding(x: Tensor, kernel: Triple, stride: Triple, dilation: Triple, *, in_time: bool) -> list[tuple[int, int]]:
    """Cells before and after along time, height and width."""
    pairs = [
        same_padding(int(size), k, s, d) for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
    ]
    return pairs if in_time else [(0, 0), *pairs[1:]]


def _padded(x: Tensor, padding: list[tuple[int, int]]) -> Tensor:
    if not any(before or after for before, after in padding):
        return x
    time, height, width = padding
    return functional.pad(x, (*width, *height, *time))


class ConvUnit(nn.Module):
    """Convolution with the batch normalisation folded into it, then ReLU."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: Triple, stride: Triple = (1, 1, 1), dilation_t: int = 1
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.dilation: Triple = (dilation_t if kernel[0] > 1 else 1, 1, 1)
        self.conv = nn.Conv3d(channels_in, channels_out, kernel, stride, dilation=self.dilation)

    def forward(self, x: Tensor, *, pad_time: bool = True) -> Tensor:
        """`[batch, in, time, height, width]` to `[batch, out, ...]`; without padding in time, fewer cells come out."""
        padding = _padding(x, self.kernel, self.stride, self.dilation, in_time=pad_time)
        return functional.relu(self.conv(_padded(x, padding)))


class MaxPool(nn.Module):
    """Max pooling with "SAME" padding.

    TensorFlow pads with minus infinity. Every input here comes out of a ReLU and every window holds at least one
    real cell, so zeros give the same maxima and need no special case in low precision. Where all padding is at the
    ends, rounding the number of windows up does the same and costs no copy.
    """

    def __init__(self, kernel: Triple, stride: Triple, dilation_t: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.dilation: Triple = (dilation_t, 1, 1)

    def forward(self, x: Tensor, *, pad_time: bool = True) -> Tensor:
        """Same channels, ceil(size / stride) cells along each padded axis."""
        padding = _padding(x, self.kernel, self.stride, self.dilation, in_time=pad_time)
        at_ends = self.stride != (1, 1, 1) and not any(before for before, _ in padding)
        if not at_ends:
            x = _padded(x, padding)
        return functional.max_pool3d(x, self.kernel, self.stride, dilation=self.dilation, ceil_mode=at_ends)


class Mixed(nn.Module):
    """An Inception block: four branches over the same input, concatenated."""

    def __init__(self, channels_in: int, widths: tuple[int, int, int, int, int, int], *, dilation_t: int = 1) -> None:
        super().__init__()
        self.dilation_t = dilation_t
        one, reduce_a, wide_a, reduce_b, wide_b, pooled = widths
        self.branch_0 = ConvUnit(channels_in, one, (1, 1, 1))
        self.branch_1a = ConvUnit(channels_in, reduce_a, (1, 1, 1))
        self.branch_1b = ConvUnit(reduce_a, wide_a, (3, 3, 3), dilation_t=dilation_t)
        self.branch_2a = ConvUnit(channels_in, reduce_b, (1, 1, 1))
        self.branch_2b = ConvUnit(reduce_b, wide_b, (3, 3, 3), dilation_t=dilation_t)
        self.pool = MaxPool((3, 3, 3), (1, 1, 1), dilation_t=dilation_t)
        self.branch_3 = ConvUnit(channels_in, pooled, (1, 1, 1))

    def forward(self, x: Tensor, *, pad_time: bool = True) -> Tensor:
        """`[batch, in, time, height, width]` to the sum of four widths.

        Without padding in time, `dilation_t` cells are lost at either end.
        """
        lost = 0 if pad_time else self.dilation_t
        return torch.cat(
            (
                self.branch_0(x[:, :, lost : x.shape[2] - lost]),
                self.branch_1b(self.branch_1a(x), pad_time=pad_time),
                self.branch_2b(self.branch_2a(x), pad_time=pad_time),
                self.branch_3(self.pool(x, pad_time=pad_time)),
            ),
            dim=1,
        )


class I3D(nn.Module):
    """Frames in, one vector for every `stride` frames out.

    Args:
        stride: 8 is the network as published. 4 leaves out the last temporal stride and dilates what follows, which
            computes both phases of the published grid at once, interleaved.
    """

    def __init__(self, *, stride: int = 8) -> None:
        super().__init__()
        if stride not in (4, 8):
            raise ValueError(f"the temporal stride is 4 or 8, got {stride}")
        self.stride = stride
        dilation_t = 8 // stride
        self.Conv3d_1a_7x7 = ConvUnit(3, 64, (7, 7, 7), (2, 2, 2))
        self.pool_2a = MaxPool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = ConvUnit(64, 64, (1, 1, 1))
        self.Conv3d_2c_3x3 = ConvUnit(64, 192, (3, 3, 3))
        self.pool_3a = MaxPool((1, 3, 3), (1, 2, 2))
        self.pool_4a = MaxPool((3, 3, 3), (2, 2, 2))
        self.pool_5a = MaxPool((2, 2, 2), (2 // dilation_t, 2, 2))
        self.mixed = nn.ModuleDict(
            {
                name: Mixed(channels_in, widths, dilation_t=dilation_t if name.startswith("Mixed_5") else 1)
                for name, channels_in, widths in MIXED
            }
        )

    def feature_map(self, x: Tensor) -> Tensor:
        """Scaled frames `[batch, 3, time, height, width]` to Mixed_5c `[batch, 1024, steps, rows, columns]`."""
        x = self.pool_2a(self.Conv3d_1a_7x7(x))
        x = self.pool_3a(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)))
        pools = {"Mixed_4b": self.pool_4a, "Mixed_5b": self.pool_5a}
        for name, block in self.mixed.items():
            x = block(pools[name](x) if name in pools else x)
        return x

    def scaled(self, frames: Tensor) -> Tensor:
        """uint8 RGB `[batch, time, height, width, 3]` to `[batch, 3, time, height, width]` in [-1, 1]."""
        dtype = self.Conv3d_1a_7x7.conv.weight.dtype
        return frames.permute(0, 4, 1, 2, 3).to(dtype) * (2.0 / 255.0) - 1.0

    def forward(self, frames: Tensor) -> Tensor:
        """uint8 RGB `[batch, time, height, width, 3]` to features `[batch, steps, 1024]`, averaged over space."""
        return self.feature_map(self.scaled(frames)).mean(dim=(3, 4)).transpose(1, 2).float()


class StreamingI3D(nn.Module):
    """I3D over a video that comes in chunks of one length, a multiple of 16 frames.

    Each chunk gives `chunk / stride` steps, which lie in the past: step k of the stream, counted from its first
    chunk, is centred on frame `stride * k - DELAY_FRAMES[stride]`. A layer that spans several cells in time keeps
    the last ones of its input for the next chunk (`state_shapes`); zeros stand in before the first.

    Args:
        network: With stride 8, whichever stride is wanted.
        stride: 8 or 4. With 4 the last blocks run over the even and the odd cells side by side, as a batch of two:
            what dilation computes, in a form that inference engines are fast at.
    """

    def __init__(self, network: I3D, *, stride: int = 8) -> None:
        super().__init__()
        if network.stride != 8 or stride not in (4, 8):
            raise ValueError(
                f"a stream of stride 4 or 8 is made of a network of stride 8, got {stride}, {network.stride}"
            )
        self.network = network
        self.stride = stride
        self.pool_5a = MaxPool((2, 2, 2), (stride // 4, 2, 2))

    def forward(self, frames: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """One chunk uint8 `[1, chunk, height, width, 3]` and what was kept: features `[1, steps, 1024]`, new state."""
        network = self.network
        left, kept = list(states), []

        def with_past(x: Tensor) -> Tensor:
            past = left.pop(0).to(x.dtype)
            joined = torch.cat((past, x), dim=2)
            kept.append(joined[:, :, joined.shape[2] - past.shape[2] :].float())
            return joined

        x = network.Conv3d_1a_7x7(with_past(network.scaled(frames)), pad_time=False)
        x = network.Conv3d_2b_1x1(network.pool_2a(x))
        x = network.pool_3a(network.Conv3d_2c_3x3(with_past(x), pad_time=False))
        for name, block in network.mixed.items():
            if name == "Mixed_4b":
                x = network.pool_4a(with_past(x), pad_time=False)
            if name == "Mixed_5b" and self.stride == 8:
                x = self.pool_5a(x, pad_time=False)
            elif name == "Mixed_5b":
                x = self.pool_5a(with_past(x), pad_time=False)
                x = torch.cat((x[:, :, 0::2], x[:, :, 1::2]), dim=0)
            x = block(with_past(x), pad_time=False)
        steps = x.mean(dim=(3, 4)).permute(2, 0, 1)  # [time, phase, channels]
        return (steps.reshape(1, -1, steps.shape[2]).float(), *kept)


def build(state: dict[str, Tensor], *, stride: int = 8) -> I3D:
    """The network with its batch normalisation folded into the convolutions, ready for inference.

    Args:
        state: As `convert` names them.
        stride: See `I3D`.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """
    with torch.device("meta"):
        network = I3D(stride=stride)
    folded: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, ConvUnit):
            try:
                scale = torch.rsqrt(state[f"{name}.var"] + 1e-3)
                weight = state[f"{name}.weight"]
                bias = state[f"{name}.bias"] - state[f"{name}.mean"] * scale
            except KeyError as error:
                raise WeightsError(
                    f"the I3D weights lack {error}; get them again with: recue prepare --force"
                ) from error
            folded[f"{name}.conv.weight"] = weight * scale[:, None, None, None, None]
            folded[f"{name}.conv.bias"] = bias
    network.load_state_dict(folded, assign=True)
    return network.requires_grad_(False).eval()


#: Our branch names and the checkpoint's.
_BRANCHES = {
    "branch_0": "Branch_0/Conv3d_0a_1x1",
    "branch_1a": "Branch_1/Conv3d_0a_1x1",
    "branch_1b": "Branch_1/Conv3d_0b_3x3",
    "branch_2a": "Branch_2/Conv3d_0a_1x1",
    "branch_2b": "Branch_2/Conv3d_0b_3x3",
    "branch_3": "Branch_3/Conv3d_0b_1x1",
}


def _unit_names() -> dict[str, str]:
    """Our unit names to the checkpoint's."""
    names = {name: name for name in ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")}
    for block, _, _ in MIXED:
        names.update((f"mixed.{block}.{ours}", f"{block}|{theirs}") for ours, theirs in _BRANCHES.items())
    return names


def convert(checkpoint: Path) -> dict[str, NDArray[Any]]:
    """The published checkpoint as named arrays: `UNIT.{weight,mean,var,bias}` and `head.{weight,bias}`.

    Raises:
        WeightsError: it is not that checkpoint.
    """
    tree = read_array_tree(checkpoint)
    arrays: dict[str, NDArray[Any]] = {}
    try:
        for ours, theirs in _unit_names().items():
            # The checkpoint keeps kernels as [time, height, width, in, out].
            arrays[f"{ours}.weight"] = tree[f"params|{theirs}|Conv_0|kernel"].transpose(4, 3, 0, 1, 2)
            arrays[f"{ours}.bias"] = tree[f"params|{theirs}|BatchNorm_0|bias"]
            for statistic in ("mean", "var"):
                arrays[f"{ours}.{statistic}"] = tree[f"batch_stats|{theirs}|BatchNorm_0|{statistic}"].reshape(-1)
        head = "params|Logits/Conv3d_0c_1x1|Conv_0"
        arrays["head.weight"] = tree[f"{head}|kernel"].reshape(FEATURE_DIM, N_CLASSES).T
        arrays["head.bias"] = tree[f"{head}|bias"]
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{checkpoint.name} is not the I3D checkpoint that was expected: {error}") from error
    return {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}
