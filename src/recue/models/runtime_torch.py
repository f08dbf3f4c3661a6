"""The network as torch runs it: the reference that the other runtimes are checked against."""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recue.models.runtime import Compiled, Precision

#: Length of the free axis while tracing. Padding depends on whether lengths are divisible, so a network is only run
#: on multiples of 8 along an axis of time.
_TRACED_LENGTH = 16


def compile_torch(make: Callable[[], nn.Module], *, precision: Precision, threads: int) -> Compiled:
    """Run the module as it is, channels last; bf16 converts its weights.

    torch has one thread count a process: it is set here, and the last network that was made decides it.
    """
    torch.set_num_threads(threads)
    module = make()
    if precision == "bf16":
        module = module.to(torch.bfloat16)
    layouts = {5: torch.channels_last_3d, 4: torch.channels_last}
    for parameter in module.parameters():
        if parameter.ndim in layouts:
            parameter.data = parameter.data.contiguous(memory_format=layouts[parameter.ndim])

    def run(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            result: NDArray[np.float32] = module(torch.from_numpy(np.ascontiguousarray(frames))).float().numpy()
        return result

    return run


def short_shape(shape: tuple[int, ...], free_axis: int) -> list[int]:
    """The input's shape with a short free axis."""
    return [_TRACED_LENGTH if axis == free_axis else length for axis, length in enumerate(shape)]


def trace_network(make: Callable[[], nn.Module], shape: tuple[int, ...], free_axis: int) -> torch.jit.ScriptModule:
    """Record the network on a short input, for engines that read such a record."""
    example = torch.zeros(short_shape(shape, free_axis), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.inference_mode():
        # Sizes become constants of the record: that is wanted, and what the warnings are about.
        warnings.simplefilter("ignore")
        traced: torch.jit.ScriptModule = torch.jit.trace(make(), example, check_trace=False)  # type: ignore[no-untyped-call]
    return traced
