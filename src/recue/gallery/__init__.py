"""What is kept: the catalogue, the features of every step, the retrieval vectors.

`open_gallery` is the way in, `Gallery` the protocol that every engine fulfils.
"""

from recue.gallery.adopt import adopt_gallery, adoption_pending
from recue.gallery.location import GalleryLocation, home_dir, list_galleries, resolve_location
from recue.gallery.manifest import is_gallery
from recue.gallery.opening import mismatch, open_gallery, reset_gallery
from recue.gallery.protocol import (
    BankDtype,
    Gallery,
    GalleryInfo,
    GalleryStats,
    Problem,
    ProblemKind,
    SourceInfo,
)
from recue.gallery.where import parse_condition

__all__ = [
    "BankDtype",
    "Gallery",
    "GalleryInfo",
    "GalleryLocation",
    "GalleryStats",
    "Problem",
    "ProblemKind",
    "SourceInfo",
    "adopt_gallery",
    "adoption_pending",
    "home_dir",
    "is_gallery",
    "list_galleries",
    "mismatch",
    "open_gallery",
    "parse_condition",
    "reset_gallery",
    "resolve_location",
]
