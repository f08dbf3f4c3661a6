"""Dataset protocols, and the composer that makes one from labelled clips."""

from recue.datasets.compose import ComposeSettings, compose
from recue.datasets.composition import (
    Composition,
    Instance,
    Pair,
    QueryClip,
    Reference,
    load_composition,
)

__all__ = [
    "ComposeSettings",
    "Composition",
    "Instance",
    "Pair",
    "QueryClip",
    "Reference",
    "compose",
    "load_composition",
]
