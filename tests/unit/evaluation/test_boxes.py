"""Frame-level box mAP against plain loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recue.core.errors import ConfigError, ShapeError
from recue.evaluation import metrics
from support.segments import plain_area

Boxes = NDArray[np.float64]
Frames = tuple[list[Boxes], list[NDArray[np.float64]], list[Boxes], list[frozenset[int]]]
NONE, ONE = np.zeros((0, 4)), np.array([[0.0, 0.0, 2.0, 2.0]])


def made_boxes(rng: np.random.Generator, n: int) -> Boxes:
    """On a coarse grid: touching, equal and empty boxes come up."""
    corner = rng.integers(0, 2, (n, 2))
    return np.concatenate([corner, corner + rng.integers(0, 4, (n, 2))], axis=1).astype(np.float64)


def made_frames(seed: int, n_frames: int = 30) -> Frames:
    rng = np.random.default_rng(seed)
    boxes, scores, truths, labels = [], [], [], []
    for i in range(n_frames):
        n = int(rng.integers(0, 5))
        scores.append(np.sort(rng.integers(-3, 4, n) / 2.0)[::-1])
        labels.append(frozenset(({1, 9}, {1}, {2, 3, 9}, {7})[i % 4]))
        truths.append(NONE if 7 in labels[-1] else made_boxes(rng, int(rng.integers(0, 4))))
        some = np.concatenate([made_boxes(rng, 3), truths[-1]])
        boxes.append(some[rng.integers(0, len(some), n)])
    return boxes, scores, truths, labels


def iou(a: Boxes, b: Boxes) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def plain_frame_map(frames: Frames, threshold: float, top: int | None, strict: bool) -> float:
    values = []
    for label in set(frames[3]):
        pool, n_truths = [], 0
        for boxes, scores, truths, own in zip(*frames, strict=True):
            if own != label:
                continue
            n_truths += len(truths)
            taken: set[int] = set()
            for box, score in list(zip(boxes, scores.tolist(), strict=True))[:top]:
                overlaps = [iou(box, t) for t in truths]
                best = int(np.argmax(overlaps)) if overlaps else None
                enough = best is not None and (overlaps[best] > threshold if strict else overlaps[best] >= threshold)
                pool.append((score, enough and best not in taken))
                if enough and best is not None:
                    taken.add(best)
        if n_truths:
            values.append(plain_area(pool, n_truths))
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(4))
def test_box_iou(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = made_boxes(rng, 8), made_boxes(rng, 6)
    np.testing.assert_allclose(metrics.box_iou_matrix(a, b), [[iou(x, y) for y in b] for x in a])
    assert metrics.box_iou_matrix(a[:0], b).shape == (0, 6)


@pytest.mark.parametrize(
    ("seed", "top", "strict", "threshold"),
    list(itertools.product(range(4), (1, 2, None), (True, False), (0.25, 0.5))),
)
def test_frame_map(seed: int, top: int | None, strict: bool, threshold: float) -> None:
    frames = made_frames(seed)
    got = metrics.frame_map(*frames, threshold=threshold, top=top, strict=strict)
    assert got == pytest.approx(plain_frame_map(frames, threshold, top, strict))
    assert 0.02 < got < 0.9


def test_frame_map_by_hand() -> None:
    # Two persons and one box a frame: precision 1 up to recall 1/2. The other label: a false alarm first, then a hit.
    boxes = [ONE, ONE, ONE]
    scores = [np.array([0.5]), np.array([0.9]), np.array([0.2])]
    truths = [np.concatenate([ONE, ONE + 5]), ONE + 5, ONE]
    assert metrics.frame_map(boxes, scores, truths, ["a", "b", "b"]) == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_one_box_of_a_frame_counts_unless_asked_otherwise() -> None:
    frame = [np.concatenate([ONE + 5, ONE])], [np.array([0.9, 0.8])], [ONE], ["a"]
    assert metrics.frame_map(*frame) == 0.0
    assert metrics.frame_map(*frame, top=None) == 0.5


def test_a_box_stands_for_its_best_person_even_when_that_one_is_taken() -> None:
    truths = np.array([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0]])
    boxes = np.array([[0.0, 0.0, 4.0, 4.0], [0.5, 0.0, 4.5, 4.0], [2.0, 0.0, 6.0, 4.0]])
    assert metrics.match_boxes(boxes, truths, threshold=0.4).tolist() == [True, False, True]
    assert metrics.match_boxes(boxes, NONE).tolist() == [False, False, False]
    half = np.array([[0.0, 0.0, 2.0, 4.0]])
    assert metrics.match_boxes(half, truths).tolist() == [True]
    assert metrics.match_boxes(half, truths, strict=True).tolist() == [False]


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_order_of_frames_and_the_scale_of_scores_do_not_matter(seed: int, other: int) -> None:
    frames = made_frames(seed)
    moved = np.random.default_rng(other).permutation(len(frames[0]))
    boxes, scores, truths, labels = ([column[i] for i in moved] for column in frames)
    again = metrics.frame_map(boxes, [2 * s - 50 for s in scores], truths, labels)
    assert again == pytest.approx(metrics.frame_map(*frames))


@given(st.integers(0, 10_000))
def test_box_iou_is_symmetric_and_bounded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = made_boxes(rng, 5), made_boxes(rng, 4)
    got = metrics.box_iou_matrix(a, b)
    assert ((got >= 0) & (got <= 1)).all()
    np.testing.assert_array_equal(got, metrics.box_iou_matrix(b, a).T)
    has_area = (a[:, 2:] > a[:, :2]).all(axis=1)
    np.testing.assert_array_equal(np.diag(metrics.box_iou_matrix(a, a)), has_area.astype(float))


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(4), np.array([[2.0, 0, 1, 1]]), np.full((1, 4), np.nan)])
def test_what_is_no_box_is_refused(bad: Boxes) -> None:
    with pytest.raises(ShapeError, match="boxes"):
        metrics.box_iou_matrix(bad, ONE)


def test_frame_map_refuses_what_makes_no_sense() -> None:
    score = np.ones(1)
    with pytest.raises(ShapeError, match="one class"):
        metrics.frame_map([ONE], [score], [NONE], ["a"])
    with pytest.raises(ShapeError, match="2 and 1"):
        metrics.frame_map([ONE], [score], [ONE], ["a", "b"])
    with pytest.raises(ShapeError, match="best first"):
        metrics.frame_map([np.concatenate([ONE, ONE])], [np.array([0.1, 0.2])], [ONE], ["a"])
    with pytest.raises(ConfigError, match="None counts all"):
        metrics.frame_map([ONE], [score], [ONE], ["a"], top=0)
    assert metrics.frame_map([NONE], [np.zeros(0)], [ONE], ["a"]) == 0.0
