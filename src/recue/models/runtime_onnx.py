"""The network as ONNX Runtime runs it; needs the `onnx` extra.

In float32 only: its processor kernels know no bfloat16. The exported network is kept in the cache.
"""

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MissingExtraError, WeightsError
from recue.models.runtime import Compiled, Precision
from recue.models.weights import cache_dir

if TYPE_CHECKING:
    from torch import nn


def compile_onnx(
    make: "Callable[[], nn.Module]",
    shape: tuple[int, ...],
    *,
    free_axis: int,
    key: str,
    precision: Precision,
    threads: int,
) -> Compiled:
    """Open the exported network, exporting it first if the cache has none.

    Raises:
        MissingExtraError: onnxruntime or onnx is not installed.
        ConfigError: another precision than fp32.
        WeightsError: the cache cannot be written.
    """
    if precision != "fp32":
        raise ConfigError(f"ONNX Runtime computes in fp32 here, got '{precision}'; use runtime=openvino for bf16")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx", "runtime=onnx") from error
    size = "x".join("n" if axis == free_axis else str(length) for axis, length in enumerate(shape))
    path = cache_dir() / "onnx" / f"{key}-{size}.onnx"
    if not path.is_file():
        _export(make, shape, free_axis, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = session.run(None, {"frames": np.ascontiguousarray(frames)})[0]
        return result

    return run


def _export(make: "Callable[[], nn.Module]", shape: tuple[int, ...], free_axis: int, path: Path) -> None:
    try:
        import onnx  # noqa: F401  # the exporter of torch needs it
        import torch

        from recue.models.runtime_torch import short_shape, trace_network
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", "runtime=onnx") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-") as folder:
            example = short_shape(shape, free_axis)
            made = Path(folder) / "network.onnx"
            with warnings.catch_warnings():
                # The exporter's own deprecations and its remarks on sizes that become constants.
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    trace_network(make, shape, free_axis),
                    (torch.zeros(example, dtype=torch.uint8),),
                    made,
                    input_names=["frames"],
                    output_names=["features"],
                    dynamic_axes={"frames": {free_axis: "n"}, "features": {free_axis: "steps"}},
                    dynamo=False,
                )
            os.replace(made, path)
    except OSError as error:
        raise WeightsError(f"cannot keep the exported network in {path.parent}: {error}") from error
