"""Frames in, feature sequences out: one file for each backbone, named in one table.

A backbone is asked for by a spec, `NAME:OPTION=VALUE,...`, or by the name of a profile. Importing this package
loads no torch and no weights; a backbone loads its network when the first frame arrives.
"""

from typing import Any

from recue.core.errors import ConfigError
from recue.core.protocols import Backbone, FileSource
from recue.core.registry import Registry
from recue.features.profiles import PROFILES, Profile
from recue.features.spec import build_config, split_spec
from recue.features.still import encode_image

#: Name to config class; a config has the fields of its spec, `build()` and `weights_needed()`.
BACKBONES = Registry(
    "backbone",
    {
        "efficientnet-lite": "recue.features.efficientnet_lite:Config",
        "i3d+efficientnet-lite": "recue.features.combined:Config",
        "precomputed": "recue.features.precomputed:Config",
        "i3d": "recue.features.i3d:Config",
    },
    group="recue.backbones",
)


def _config(spec: str) -> Any:
    """The config behind a spec or a profile's name."""
    if spec in PROFILES:
        spec = PROFILES[spec].spec
    name, options = split_spec(spec)
    return build_config(BACKBONES.load(name), name, options)


def load_source(spec: str, *, threads: int = 1) -> Backbone | FileSource:
    """What a spec or a profile's name stands for; loads no weights yet.

    Args:
        spec: `i3d`, `i3d:rate=16,size=160`, `precomputed:step_s=0.5`, `balanced`.
        threads: Processor cores for inference.

    Raises:
        UnknownNameError: no backbone has that name.
        ConfigError: an option is unknown or makes no sense.
    """
    source: Backbone | FileSource = _config(spec).build(threads=threads)
    return source


def load_backbone(spec: str, *, threads: int = 1) -> Backbone:
    """`load_source` for what must encode frames.

    Raises:
        ConfigError: as `load_source`, or the spec reads files that were made elsewhere.
    """
    source = load_source(spec, threads=threads)
    if not isinstance(source, Backbone):
        raise ConfigError(f"'{spec}' reads features that were made elsewhere and cannot encode video itself")
    return source


def weights_needed(spec: str) -> tuple[str, ...]:
    """Catalogue names of the weights that a spec or a profile needs, for `recue.models.weights.prepare`."""
    needed: tuple[str, ...] = _config(spec).weights_needed()
    return needed


__all__ = ["BACKBONES", "PROFILES", "Profile", "encode_image", "load_backbone", "load_source", "weights_needed"]
