"""Two feature sequences in, ranked segments out: everything that finds a query inside a reference."""

from recue.core.registry import Registry

LOCALIZERS = Registry(
    "localizer",
    {
        "align": "recue.localize.align:Align",
        "chance": "recue.localize.trivial:Chance",
        "constant-window": "recue.localize.trivial:ConstantWindow",
        "frame-level": "recue.localize.frame_level:FrameLevel",
    },
    group="recue.localizers",
)

__all__ = ["LOCALIZERS"]
