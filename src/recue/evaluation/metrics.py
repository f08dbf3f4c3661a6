"""Every metric under one name: pure functions over arrays, one module an idea.

`docs/metrics.md` defines each of them, with its strictness and its source.
"""

from recue.evaluation.bootstrap import Interval, bootstrap_interval
from recue.evaluation.boxes import box_iou_matrix, frame_map, match_boxes
from recue.evaluation.proposals import Pooling, area_under_recall, average_recall
from recue.evaluation.rejection import Rejection, rejection
from recue.evaluation.retrieval import CUTOFFS, Denominator, hit_rate, map_at, precision_at, ranked_relevance
from recue.evaluation.segments import (
    THRESHOLDS,
    average_precision,
    map_at_1,
    match,
    mean_average_precision,
    recall_at,
    share_above,
    tiou_matrix,
    top_tiou,
)

__all__ = [
    "CUTOFFS",
    "THRESHOLDS",
    "Denominator",
    "Interval",
    "Pooling",
    "Rejection",
    "area_under_recall",
    "average_precision",
    "average_recall",
    "bootstrap_interval",
    "box_iou_matrix",
    "frame_map",
    "hit_rate",
    "map_at",
    "map_at_1",
    "match",
    "match_boxes",
    "mean_average_precision",
    "precision_at",
    "ranked_relevance",
    "recall_at",
    "rejection",
    "share_above",
    "tiou_matrix",
    "top_tiou",
]
