"""Run a network for inference, by one of several engines, behind one small call.

A compiled network takes arrays of fixed shapes and gives float32 arrays. Compiled forms that take seconds to make
are kept in the cache under a key that names everything they depend on, so that a process that finds one there need
not even import torch.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError, suggest

if TYPE_CHECKING:
    from torch import nn

#: The engines.
Runtime = Literal["torch", "openvino", "onnx"]

#: Arithmetic inside the network; what goes in and comes out does not change.
Precision = Literal["fp32", "bf16"]

#: Arrays in, float32 arrays out. What comes out stays valid after the next call.
Compiled = Callable[[Sequence[NDArray[Any]]], list[NDArray[np.float32]]]

#: Shapes of the inputs. The first is uint8, the others are float32.
Shapes = Sequence[tuple[int, ...]]


def compile_network(
    make: "Callable[[], nn.Module]",
    shapes: Shapes,
    *,
    key: str,
    runtime: Runtime,
    precision: Precision,
    threads: int,
) -> Compiled:
    """Make a network ready to run.

    Args:
        make: Builds the torch module, weights in place; called only if no compiled form is in the cache.
        shapes: Of the inputs: uint8 pictures first, then float32 state, if the network keeps any.
        key: Names the network, its weights and its options; with the shape of the pictures and the runtime, the name
            of the cached form.
        runtime: What runs it.
        precision: Of its arithmetic. On a processor without bfloat16 instructions OpenVINO computes in float32.
        threads: Processor cores to use.

    Raises:
        ConfigError: the runtime is unknown, or does not know the precision.
        MissingExtraError: the runtime is not installed.
        WeightsError: the weights are not on this machine.
    """
    if precision not in get_args(Precision):
        raise ConfigError(f"no precision is called '{precision}'; {suggest(precision, get_args(Precision))}")
    if threads < 1:
        raise ConfigError(f"inference needs at least 1 thread, got {threads}")
    if runtime == "torch":
        from recue.models.runtime_torch import compile_torch

        return compile_torch(make, precision=precision, threads=threads)
    if runtime == "openvino":
        from recue.models.runtime_openvino import compile_openvino

        return compile_openvino(make, shapes, key=key, precision=precision, threads=threads)
    if runtime == "onnx":
        from recue.models.runtime_onnx import compile_onnx

        return compile_onnx(make, shapes, key=key, precision=precision, threads=threads)
    raise ConfigError(f"no runtime is called '{runtime}'; {suggest(runtime, get_args(Runtime))}")


def cache_name(key: str, shapes: Shapes) -> str:
    """The name of a cached form."""
    return f"{key}-{'x'.join(map(str, shapes[0]))}"
