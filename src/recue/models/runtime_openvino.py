"""The network as OpenVINO runs it: the fastest of the three on the processors we measured.

Converting a module takes seconds, so the converted form is kept in the cache. It depends on the network, the weights
and the shapes, not on the precision, the threads or the processor.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import WeightsError
from recue.models.runtime import Compiled, Precision, Shapes, cache_name
from recue.models.weights import cache_dir

if TYPE_CHECKING:
    from torch import nn


def compile_openvino(
    make: "Callable[[], nn.Module]", shapes: Shapes, *, key: str, precision: Precision, threads: int
) -> Compiled:
    """Compile for this processor, one stream of `threads` threads, from the cached form if there is one.

    Raises:
        WeightsError: the cache cannot be written, or what is in it is damaged.
    """
    import openvino

    version = openvino.__version__.split("-")[0]
    folder = cache_dir() / "openvino" / f"{cache_name(key, shapes)}-ov{version}"
    if not (folder / "model.xml").is_file():
        _convert(make, shapes, folder)
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    try:
        compiled: Any = _core().compile_model(folder / "model.xml", "CPU", options)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise WeightsError(f"the network in {folder} cannot be used; delete that folder ({reason})") from error
    request = compiled.create_infer_request()

    def run(inputs: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        request.infer([np.ascontiguousarray(each) for each in inputs], share_inputs=True)
        # Copies: the next call overwrites the request's own outputs.
        return [np.array(request.get_output_tensor(index).data) for index in range(len(compiled.outputs))]

    return run


@functools.cache
def _core() -> Any:
    """The process's one core, never freed.

    Each core gives the thread that compiles a signal stack of its own. Freeing two in the order they were made, or one
    in another thread, leaves a thread with a stack that is gone: the next signal, Ctrl-C among them, kills the process
    (OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()


def _convert(make: "Callable[[], nn.Module]", shapes: Shapes, folder: Path) -> None:
    import openvino

    from recue.models.runtime_torch import trace_network

    kinds = [openvino.Type.u8] + [openvino.Type.f32] * (len(shapes) - 1)
    inputs = [(list(shape), kind) for shape, kind in zip(shapes, kinds, strict=True)]
    model = openvino.convert_model(trace_network(make, shapes), input=inputs)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as made:
            openvino.save_model(model, Path(made) / "model.xml", compress_to_fp16=False)
            os.chmod(made, 0o755)
            _publish(Path(made), folder)
    except OSError as error:
        raise WeightsError(f"cannot keep the converted network in {folder.parent}: {error}") from error


def _publish(made: Path, folder: Path) -> None:
    """Give the folder its name, whole; another process that was faster made the same thing."""
    if not (folder / "model.xml").is_file():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(made, folder)
    except OSError:
        if not (folder / "model.xml").is_file():
            raise
        return
    made.mkdir()  # so that the temporary folder has something to clean away
