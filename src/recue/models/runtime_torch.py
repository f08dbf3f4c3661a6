"""The network as torch runs it: the reference that the other runtimes are checked against."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recue.models.runtime import Compiled, Precision, Shapes


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

    def run(inputs: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            results = module(*(torch.from_numpy(np.ascontiguousarray(each)) for each in inputs))
        return [each.numpy() for each in (results if isinstance(results, tuple) else (results,))]

    return run


def example_inputs(shapes: Shapes) -> tuple[Tensor, ...]:
    """Zeros of the right shapes and types."""
    return tuple(
        torch.zeros(shape, dtype=torch.uint8 if index == 0 else torch.float32) for index, shape in enumerate(shapes)
    )


def trace_network(make: Callable[[], nn.Module], shapes: Shapes) -> torch.jit.ScriptModule:
    """Record the network at work, for engines that read such a record."""
    with warnings.catch_warnings(), torch.inference_mode():
        # Sizes become constants of the record: that is wanted, and what the warnings are about.
        warnings.simplefilter("ignore")
        traced: torch.jit.ScriptModule = torch.jit.trace(make(), example_inputs(shapes), check_trace=False)  # type: ignore[no-untyped-call]
    return traced
