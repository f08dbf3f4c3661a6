"""Metrics of boxes within frames: frame-level mAP of the spatio-temporal task.

A *frame* is one key frame of one reference, asked one query. Its boxes are `[n, 4]` as (left, top, right, bottom) in
any one unit, best first; its truths `[m, 4]` are the persons with exactly the query's combined label, none where the
moment is elsewhere.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation.precision_recall import (
    area_under_precision,
    mean_over_labels,
    reaches,
    require_ranked_scores,
    require_same_length,
)


def box_iou_matrix(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every box of `a` with every one of `b`, in [0, 1].

    A box without area overlaps nothing, itself included; touching boxes do not overlap. Rounded to nine decimals, as
    `segments.tiou_matrix` and for the same reason.

    >>> box_iou_matrix(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])).round(3).tolist()
    [[0.333]]

    Raises:
        ShapeError: not `[n, 4]`, not finite, or a right or bottom edge before its left or top one.
    """
    a, b = _boxes(a), _boxes(b)
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    both = np.clip(sides, 0.0, None).prod(axis=2)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b))
    either = area_a[:, None] + area_b[None, :] - both
    iou: NDArray[np.float64] = np.divide(both, either, out=np.zeros_like(both), where=either > 0).round(9)
    return iou


def match_boxes(
    boxes: Float[np.ndarray, "n 4"], truths: Float[np.ndarray, "m 4"], *, threshold: float = 0.5, strict: bool = False
) -> Bool[np.ndarray, " n"]:
    """Which boxes of one frame hit a truth that none before them hit.

    Each box stands for the truth with which its IoU is largest, whether that is taken or not, as in PASCAL VOC and the
    AVA evaluation; `segments.match` looks among the free ones.

    >>> two = np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]])
    >>> match_boxes(two, two[:1]).tolist()
    [True, False]

    Raises:
        ConfigError: `threshold` is no share.
    """
    iou = box_iou_matrix(boxes, truths)
    enough = reaches(iou, threshold, strict=strict)
    hits = np.zeros(len(iou), dtype=bool)
    taken = np.zeros(iou.shape[1], dtype=bool)
    if not len(taken):
        return hits
    for i, j in enumerate(iou.argmax(axis=1)):
        hits[i] = enough[i, j] and not taken[j]
        taken[j] |= hits[i]
    return hits


def frame_map(
    boxes: Sequence[NDArray[np.floating]],
    scores: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    labels: Sequence[Hashable],
    *,
    threshold: float = 0.5,
    top: int | None = 1,
    strict: bool = False,
) -> float:
    """Frame-level mAP: average precision over all frames of a combined label, then the mean over labels.

    A frame without a truth adds only false alarms. With one box a frame, a label whose frames show several persons
    cannot be recalled in full, so the best mAP is below 1. A label without any truth does not take part.

    >>> box = np.array([[0.0, 0.0, 2.0, 2.0]])
    >>> frame_map([box, box], [np.array([0.9]), np.array([0.8])], [box, box + 9], ["sit", "sit"])
    0.5

    Args:
        boxes: Best first, one array a frame; may be empty.
        scores: One array a frame, not increasing; comparable within a label; may be negative.
        truths: One array a frame; may be empty.
        labels: Combined label of the query each frame was asked, any hashable: `frozenset({1, 9})`.
        threshold: IoU to reach.
        top: How many boxes of a frame count; None for all.
        strict: Strictly above the threshold; False, as in AVA, counts an IoU at it too.

    Raises:
        ShapeError: the lists do not fit each other, scores increase or are not numbers, or no frame has a truth.
        ConfigError: `top` is below 1, or the threshold is no share.

    Source: top-1 from the published text; the authors' earlier public code counts all boxes of a frame (`top=None`).
    """
    if top is not None and top < 1:
        raise ConfigError(f"the first boxes of a frame are 1 or more, got {top}; None counts all")
    for other in (boxes, scores, labels):
        require_same_length(other, truths)
    hits, kept = [], []
    for b, s, t in zip(boxes, scores, truths, strict=True):
        require_ranked_scores(len(b), s)
        hits.append(match_boxes(b[:top], t, threshold=threshold, strict=strict))
        kept.append(np.asarray(s[:top], dtype=np.float64))
    n_truths: dict[Hashable, int] = {}
    for label, t in zip(labels, truths, strict=True):
        n_truths[label] = n_truths.get(label, 0) + len(t)

    def of_label(label: Hashable) -> float:
        own = [i for i, other in enumerate(labels) if other == label]
        hit, score = (np.concatenate([values[i] for i in own]) for values in (hits, kept))
        return area_under_precision(hit, score, n_truths[label])

    return mean_over_labels([of_label(label) for label, n in n_truths.items() if n])


def _boxes(values: NDArray[np.floating]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ShapeError(f"boxes are [n, 4], left, top, right and bottom, got shape {array.shape}")
    if not np.isfinite(array).all() or (array[:, 2:] < array[:, :2]).any():
        raise ShapeError("boxes need finite edges, right at or after left and bottom at or after top")
    return array
