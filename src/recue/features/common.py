"""What several backbones share: fingerprints, checks of frames, a linear class layer."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ShapeError
from recue.core.frames import Frame, FrameSampling
from recue.models import weights as catalogue


def fingerprint_of(
    name: str,
    version: int | str,
    config: Any,
    *,
    weights: tuple[str, ...],
    leave_out: tuple[str, ...] = (),
    later: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """Sixteen hexadecimal digits that are equal only if features may be compared.

    Args:
        name: Registry name.
        version: Of what the backbone computes.
        config: Its options, a dataclass.
        weights: Catalogue names; the sha256 of each counts.
        leave_out: Options that do not change the features.
        later: Options that came after the first galleries were made, with the value at which all is as it was before;
            left out at that value, so that an option more makes no gallery useless.
    """
    given = {field.name: getattr(config, field.name) for field in fields(config)}
    options = {
        option: str(value)
        for option, value in given.items()
        if option not in leave_out and not (option in later and value == later[option])
    }
    identity = {
        "name": name,
        "version": version,
        "options": options,
        "weights": [catalogue.entry(each).sha256 for each in weights],
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def images_of(frames: Iterable[Frame], sampling: FrameSampling, name: str) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a stream, each checked.

    Raises:
        ShapeError: one has another size than was asked for.
    """
    for frame in frames:
        require_image(frame.image, sampling, name)
        yield frame.image


def require_image(image: NDArray[np.uint8], sampling: FrameSampling, name: str) -> None:
    """Refuse a picture that is not what the backbone asked for.

    Raises:
        ShapeError: names both.
    """
    wanted = (sampling.height, sampling.width, 3)
    if image.shape != wanted or image.dtype != np.uint8:
        raise ShapeError(f"'{name}' takes uint8 pictures {wanted}, got {image.dtype} {image.shape}")


def softmax_head(
    values: NDArray[np.floating], weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Class probabilities `[time, classes]` of vectors `[time, dim]` under a linear layer.

    Raises:
        ShapeError: the vectors are of another length.
    """
    if values.ndim != 2 or values.shape[1] != weight.shape[1]:
        raise ShapeError(f"posteriors take vectors [time, {weight.shape[1]}], got {values.shape}")
    logits = values.astype(np.float32) @ weight.T + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    posteriors: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return posteriors
