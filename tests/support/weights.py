"""Made-up weights in the place of the real ones: right names and shapes, random numbers, no network."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.models import weights


def write_made_up_weights(cache: Path, *, variants: tuple[int, ...] = (0,)) -> None:
    """Put an I3D and some EfficientNet-Lite of random numbers where `prepare` would put the real ones.

    Call it with `RECUE_CACHE` set to `cache`.
    """
    from safetensors.numpy import save_file

    (cache / "weights").mkdir(parents=True)
    save_file(made_up_i3d(), weights.weight_path("i3d-kinetics400"))
    for variant in variants:
        save_file(made_up_efficientnet(variant), weights.weight_path(f"efficientnet-lite{variant}-imagenet"))


def made_up_i3d() -> dict[str, NDArray[Any]]:
    from recue.models.i3d import I3D, ConvUnit

    rng = np.random.default_rng(3)
    state: dict[str, NDArray[Any]] = {}
    for name, module in I3D().named_modules():
        if isinstance(module, ConvUnit):
            shape = tuple(module.conv.weight.shape)
            state[f"{name}.weight"] = _kernel(rng, shape)
            state[f"{name}.bias"] = _small(rng, shape[0])
            state[f"{name}.mean"] = _small(rng, shape[0])
            state[f"{name}.var"] = rng.uniform(0.5, 1.5, shape[0]).astype(np.float32)
    return state | _head(rng, 400, 1024)


def made_up_efficientnet(variant: int) -> dict[str, NDArray[Any]]:
    from recue.models.efficientnet_lite import ConvUnit, EfficientNetLite

    rng = np.random.default_rng(5)
    state: dict[str, NDArray[Any]] = {}
    for name, module in EfficientNetLite(variant=variant).named_modules():
        if isinstance(module, ConvUnit):
            shape = tuple(module.conv.weight.shape)
            state[f"{name}.weight"] = _kernel(rng, shape)
            state[f"{name}.beta"] = _small(rng, shape[0])
            state[f"{name}.mean"] = _small(rng, shape[0])
            for statistic in ("gamma", "var"):
                state[f"{name}.{statistic}"] = rng.uniform(0.5, 1.5, shape[0]).astype(np.float32)
    return state | _head(rng, 1000, 1280)


def _kernel(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    spread = np.sqrt(2.0 / np.prod(shape[1:]))  # keeps the size of what goes through about the same
    return (rng.standard_normal(shape, dtype=np.float32) * spread).astype(np.float32)


def _small(rng: np.random.Generator, length: int) -> NDArray[np.float32]:
    return (0.1 * rng.standard_normal(length, dtype=np.float32)).astype(np.float32)


def _head(rng: np.random.Generator, n_classes: int, dim: int) -> dict[str, NDArray[Any]]:
    return {"head.weight": _kernel(rng, (n_classes, dim)), "head.bias": _small(rng, n_classes)}
