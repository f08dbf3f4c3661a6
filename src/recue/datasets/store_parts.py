"""What the feature stores share: names in patterns, checks, times, fingerprints."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError

#: Seconds of one step: the same for every video, by video, or from a function of the video's name.
StepSeconds = float | Mapping[str, float] | Callable[[str], float]


def split_pattern(key: str) -> tuple[str, str]:
    """What stands before and after the video's name.

    Raises:
        ConfigError: the name stands there not once.
    """
    if key.count("{video}") != 1:
        raise ConfigError(f"a key says once where the video's name stands, as in 'v_{{video}}/c3d', got '{key}'")
    prefix, _, suffix = key.partition("{video}")
    return prefix, suffix


def unwrap(names: Sequence[str], prefix: str, suffix: str) -> list[str]:
    """The videos' names of those that have the prefix and the suffix."""
    inside = [n for n in names if n.startswith(prefix) and n.endswith(suffix) and len(n) > len(prefix) + len(suffix)]
    return [name[len(prefix) : len(name) - len(suffix)] for name in inside]


def require_vectors(values: NDArray[Any], video: str) -> NDArray[np.floating]:
    """The values, if they are `[time, dim]`.

    Raises:
        ConfigError: they are not.
    """
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind != "f":
        raise ConfigError(
            f"features of '{video}' are [time, dim] numbers with a fraction, got {values.dtype} {values.shape}"
        )
    return values


def between(values: NDArray[np.floating], video: str, first: int, stop: int | None) -> NDArray[np.floating]:
    """Some steps, a view.

    Raises:
        ConfigError: it has not these steps.
    """
    stop = len(values) if stop is None else stop
    if not 0 <= first < stop <= len(values):
        raise ConfigError(f"steps {first}:{stop} of '{video}' were asked for, its features have {len(values)} steps")
    return values[first:stop]


def at_most_float32(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """A sequence takes float16 and float32."""
    return values.astype(np.float32) if values.dtype.itemsize > 4 else values


def uniform_times_s(step_s: StepSeconds, video: str, n_steps: int) -> NDArray[np.float64]:
    """`[n_steps + 1]` bounds of steps of one length.

    Raises:
        ConfigError: lengths are said by video, and not of this one.
    """
    if callable(step_s):
        step_s = step_s(video)
    elif isinstance(step_s, Mapping):
        if video not in step_s:
            raise ConfigError(f"how long a step of '{video}' takes was not said; give its seconds in step_s")
        step_s = step_s[video]
    return np.arange(n_steps + 1, dtype=np.float64) * step_s


def fingerprint_of_first(name: str, every: int, values: NDArray[np.floating]) -> str:
    """Identity of features by their name, thinning and first vectors."""
    digest = blake2b(f"{name}/{every}/{values.shape[1]}/".encode(), digest_size=8)
    digest.update(np.ascontiguousarray(values[:4], np.float32).tobytes())
    return f"features:{digest.hexdigest()}"


class StoreOfFiles(ABC):
    """What a store on disk does once it knows how to open one video."""

    def n_steps(self, video: str) -> int:
        """Steps of one video.

        Raises:
            ConfigError: it holds no such video.
        """
        return len(self._of(video))

    def read(self, video: str, first: int = 0, stop: int | None = None) -> NDArray[np.floating]:
        """`[stop - first, dim]`, a view of the memory map where the file allows it (float64 is read as float32).

        Raises:
            ConfigError: it holds no such video, or not these steps.
        """
        return at_most_float32(between(self._of(video), video, first, stop))

    @abstractmethod
    def _of(self, video: str) -> NDArray[np.floating]:
        """All of one video, `[time, dim]`, opened and not read where the format allows it.

        Raises:
            ConfigError: it holds no such video.
        """
