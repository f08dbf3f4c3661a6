import math

import numpy as np
import pytest

from recue.core import ScoredSegment, Segment
from recue.core.errors import ConfigError
from recue.localize.suppress import best_first, hard_nms, merge, soft_nms


def scored(start_s: float, end_s: float, score: float) -> ScoredSegment:
    return ScoredSegment(Segment(start_s, end_s), score)


def random_segments(rng: np.random.Generator, n: int, low: float) -> list[ScoredSegment]:
    starts = rng.integers(0, 20, n)
    return [scored(float(s), float(s + rng.integers(0, 6)), float(np.round(rng.uniform(low, 1), 1))) for s in starts]


def soft_nms_reference(segments: list[ScoredSegment], sigma: float, floor: float) -> list[float]:
    """The definition, one segment at a time, by Segment.tiou."""
    rest = [[s.segment, s.score] for s in best_first(segments)]
    out = []
    while rest:
        k = max(range(len(rest)), key=lambda i: (rest[i][1], -i))
        segment, score = rest.pop(k)
        out.append(score)
        for item in rest:
            item[1] = floor + (item[1] - floor) * math.exp(-(segment.tiou(item[0]) ** 2) / sigma)
    return sorted(out, reverse=True)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_soft_nms_agrees_with_the_definition(low: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        segments = random_segments(rng, 12, low)
        floor = min(0.0, min(s.score for s in segments))
        got = [s.score for s in soft_nms(segments, sigma=0.3)]
        assert got == pytest.approx(soft_nms_reference(segments, 0.3, floor))


def test_soft_nms_never_raises_a_score_even_a_negative_one() -> None:
    got = soft_nms([scored(0, 4, -0.1), scored(0, 4, -0.2), scored(9, 10, -0.9)])
    assert [s.segment.start_s for s in got] == [0, 0, 9]
    assert got[1].score < -0.2
    assert got[1].score > -0.9


def test_soft_nms_keeps_what_was_asked_for() -> None:
    segments = [scored(0, 4, 0.9), scored(0, 4, 0.8), scored(6, 8, 0.4)]
    assert [s.score for s in soft_nms(segments, n=2)] == [0.9, 0.4]
    assert [s.score for s in soft_nms(segments, min_score=0.5)] == [0.9]
    assert soft_nms([]) == []
    assert soft_nms(segments, n=0) == []


def test_soft_nms_leaves_touching_and_zero_length_segments_alone() -> None:
    segments = [scored(0, 4, 0.9), scored(4, 8, 0.8), scored(2, 2, 0.7)]
    assert soft_nms(segments) == segments


def test_hard_nms_drops_what_overlaps_a_better_one() -> None:
    segments = [scored(0, 4, 0.5), scored(1, 5, 0.9), scored(4, 8, 0.1), scored(20, 21, 0.2)]
    assert [s.score for s in hard_nms(segments, max_tiou=0.5)] == [0.9, 0.2, 0.1]
    assert [s.score for s in hard_nms(segments, max_tiou=0.0)] == [0.9, 0.2]
    assert [s.score for s in hard_nms(segments, max_tiou=1.0, n=3)] == [0.9, 0.5, 0.2]
    assert hard_nms([]) == []


def test_merge_joins_overlapping_touching_and_near() -> None:
    segments = [scored(5, 6, 0.3), scored(0, 2, 0.1), scored(2, 3, 0.9), scored(0.5, 1, 0.2)]
    assert merge(segments) == [scored(0, 3, 0.9), scored(5, 6, 0.3)]
    assert merge(segments, gap_s=2.0) == [scored(0, 6, 0.9)]
    assert merge([]) == []


def test_merge_carries_the_query_segment_of_the_best_part() -> None:
    part = ScoredSegment(Segment(1, 4), 0.8, Segment(0, 3))
    assert merge([scored(0, 2, 0.5), part])[0].query_segment == Segment(0, 3)


def test_ties_go_to_the_earlier_start() -> None:
    assert [s.segment.start_s for s in best_first([scored(5, 6, 1), scored(1, 2, 1), scored(3, 4, 2)])] == [3, 1, 5]


def test_inputs_are_not_modified_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    segments = random_segments(rng, 30, -1.0)
    before = list(segments)
    shuffled = [segments[i] for i in rng.permutation(30)]
    for act in (soft_nms, hard_nms, merge):
        assert act(segments) == act(shuffled)
    assert segments == before


def test_settings_that_make_no_sense_are_refused() -> None:
    one = [scored(0, 1, 0.2)]
    with pytest.raises(ConfigError, match="sigma"):
        soft_nms(one, sigma=0.0)
    with pytest.raises(ConfigError, match="floor"):
        soft_nms(one, floor=0.5)
    with pytest.raises(ConfigError, match="n=-1"):
        soft_nms(one, n=-1)
    with pytest.raises(ConfigError, match="tIoU"):
        hard_nms(one, max_tiou=1.5)
    with pytest.raises(ConfigError, match="gap"):
        merge(one, gap_s=-1.0)
