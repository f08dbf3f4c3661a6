"""The types everything speaks. Standard library and NumPy alone."""

from recue.core.bank import FeatureBank
from recue.core.errors import RecueError
from recue.core.features import FeatureSequence
from recue.core.frames import Frame, FrameSampling
from recue.core.moment import Moment, Query, ScoredSegment, SearchResult, SimilarityCurve
from recue.core.record import VideoRecord
from recue.core.registry import Registry
from recue.core.segment import Segment

__all__ = [
    "FeatureBank",
    "FeatureSequence",
    "Frame",
    "FrameSampling",
    "Moment",
    "Query",
    "RecueError",
    "Registry",
    "ScoredSegment",
    "SearchResult",
    "Segment",
    "SimilarityCurve",
    "VideoRecord",
]
