"""The network as ONNX Runtime runs it; needs the `onnx` extra.

In float32 only: its processor kernels know no bfloat16. The exported network is kept in the cache.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MissingExtraError, WeightsError
from recue.models.runtime import Compiled, Precision, Shapes, cache_name
from recue.models.weights import cache_dir

if TYPE_CHECKING:
    from torch import nn


def compile_onnx(
    make: "Callable[[], nn.Module]", shapes: Shapes, *, key: str, precision: Precision, threads: int
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
    path = cache_dir() / "onnx" / f"{cache_name(key, shapes)}.onnx"
    if not path.is_file():
        _export(make, shapes, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
        fed = {name: np.ascontiguousarray(each) for name, each in zip(names, inputs, strict=True)}
        results: list[NDArray[np.float32]] = session.run(None, fed)
        return results

    return run


def _export(make: "Callable[[], nn.Module]", shapes: Shapes, path: Path) -> None:
    try:
        import onnx  # noqa: F401  # the exporter of torch needs it
        import torch

        from recue.models.runtime_torch import example_inputs, trace_network
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", "runtime=onnx") from error
    traced = trace_network(make, shapes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-") as folder:
            made = Path(folder) / "network.onnx"
            with warnings.catch_warnings():
                # The exporter's own deprecations and its remarks on sizes that become constants.
                warnings.simplefilter("ignore")
                torch.onnx.export(traced, example_inputs(shapes), made, dynamo=False)
            os.replace(made, path)
    except OSError as error:
        raise WeightsError(f"cannot keep the exported network in {path.parent}: {error}") from error
