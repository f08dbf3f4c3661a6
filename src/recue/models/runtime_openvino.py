"""The network as OpenVINO runs it: the fastest of the three on the processors we measured.

Converting a module takes seconds, so the converted form is kept in the cache. It depends on the network, the
weights and the size of the frames; not on how many go in at once, the precision, the threads or the processor.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import WeightsError
from recue.models.runtime import Compiled, Precision
from recue.models.weights import cache_dir

if TYPE_CHECKING:
    from torch import nn


def compile_openvino(
    make: "Callable[[], nn.Module]",
    shape: tuple[int, ...],
    *,
    free_axis: int,
    key: str,
    precision: Precision,
    threads: int,
) -> Compiled:
    """Compile for this processor, one stream of `threads` threads, from the cached form if there is one.

    Raises:
        WeightsError: the cache cannot be written.
    """
    import openvino

    size = "x".join("n" if axis == free_axis else str(length) for axis, length in enumerate(shape))
    folder = cache_dir() / "openvino" / f"{key}-{size}-ov{openvino.__version__.split('-')[0]}"
    if not (folder / "model.xml").is_file():
        _convert(make, shape, free_axis, folder)
    core = openvino.Core()
    model = core.read_model(folder / "model.xml")
    model.reshape(list(shape))
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    compiled: Any = core.compile_model(model, "CPU", options)
    request = compiled.create_infer_request()

    def run(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        request.infer([np.ascontiguousarray(frames)], share_inputs=True)
        # A copy: the next call overwrites the request's own output.
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)

    return run


def _convert(make: "Callable[[], nn.Module]", shape: tuple[int, ...], free_axis: int, folder: Path) -> None:
    import openvino

    from recue.models.runtime_torch import trace_network

    traced = trace_network(make, shape, free_axis)
    free = [-1 if axis == free_axis else length for axis, length in enumerate(shape)]
    model = openvino.convert_model(traced, input=[(free, openvino.Type.u8)])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as made:
            openvino.save_model(model, Path(made) / "model.xml", compress_to_fp16=False)
            shutil.rmtree(folder, ignore_errors=True)
            os.chmod(made, 0o755)
            _rename(Path(made), folder)
    except OSError as error:
        raise WeightsError(f"cannot keep the converted network in {folder.parent}: {error}") from error


def _rename(made: Path, folder: Path) -> None:
    """Publish the folder whole; another process that was faster made the same thing."""
    try:
        os.rename(made, folder)
    except OSError:
        if not (folder / "model.xml").is_file():
            raise
        return
    made.mkdir()  # so that the temporary folder has something to clean away
