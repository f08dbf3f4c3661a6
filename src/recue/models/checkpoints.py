"""Read other people's checkpoints without running what they may hold.

A pickle is a program. The two readers here run none: one admits the three names that a pickle of plain NumPy arrays
needs, the other is torch's own weights-only reader.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import WeightsError

#: What a pickle of plain NumPy arrays names, and where NumPy keeps it today.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        # `numpy.core` is the old name of a private module; asking NumPy by the public way avoids its warning.
        if name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        return getattr(np, name)


def read_array_tree(path: Path) -> dict[str, NDArray[Any]]:
    """A pickled nest of dictionaries of arrays, with the keys joined by `|`.

    Raises:
        WeightsError: it names anything but NumPy arrays, holds anything else, or is not a pickle.
    """
    try:
        tree = _ArraysOnly(io.BytesIO(path.read_bytes())).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ValueError, IndexError, TypeError, KeyError) as error:
        raise WeightsError(f"{path.name} is refused: not a plain pickle of NumPy arrays ({error})") from error
    flat: dict[str, NDArray[Any]] = {}
    _flatten(tree, "", flat, path)
    return flat


def _flatten(node: Any, prefix: str, flat: dict[str, NDArray[Any]], path: Path) -> None:
    if isinstance(node, np.ndarray) and node.dtype != object:
        flat[prefix] = node
    elif isinstance(node, dict) and all(isinstance(key, str) for key in node):
        for key, child in node.items():
            _flatten(child, f"{prefix}|{key}" if prefix else key, flat, path)
    else:
        raise WeightsError(f"{path.name} is refused: '{prefix}' holds a {type(node).__name__}, not an array")


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """A torch state dict, as arrays.

    Raises:
        WeightsError: it holds anything but tensors, or is not a checkpoint.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise WeightsError(f"{path.name} is refused: not a plain dictionary of tensors ({error})") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path.name} is refused: it holds something else than a dictionary of tensors")
    return {str(key): value.numpy() for key, value in state.items()}
