"""Ranking over the gallery: order, threshold, caps."""

import numpy as np

from recue.core import ScoredSegment, Segment
from recue.search.calibrate import Null, confidence_of
from recue.search.rank import Found, rank
from recue.search.select import capped

NULL = Null.fit(np.ones(10), n_query=4, n_steps=480)


def found(video, score, start_s=0.0):
    return Found(f"v{video}", video, ScoredSegment(Segment(start_s, start_s + 1), score))


def names(ranked):
    return [(one.video_id, one.scored.score) for one, _ in ranked]


def test_best_first_over_all_videos_and_split_at_the_threshold():
    accepted, missed = rank([found(0, 0.5), found(1, 9.0), found(0, 7.0), found(2, 0.1)], NULL, min_confidence=0.5)
    assert names(accepted) == [("v1", 9.0), ("v0", 7.0)]
    assert names(missed) == [("v0", 0.5), ("v2", 0.1)]
    confidences = [confidence for _, confidence in accepted + missed]
    assert confidences == sorted(confidences, reverse=True)


def test_both_lists_are_capped():
    ranked = rank([found(i, 9.0 - i) for i in range(4)] + [found(i, 0.1) for i in range(4)], NULL, min_confidence=0.5)
    accepted, missed = capped(*ranked, top=2, per_video=None)
    assert len(accepted) == 2
    assert len(missed) == 2


def test_a_video_gives_no_more_than_its_cap():
    ranked = rank([found(0, 9.0), found(0, 8.0, 5.0), found(1, 7.0)], NULL, min_confidence=0.5)
    accepted, _ = capped(*ranked, top=10, per_video=1)
    assert names(accepted) == [("v0", 9.0), ("v1", 7.0)]


def test_ties_go_to_the_earlier_video_then_the_earlier_start():
    accepted, _ = rank([found(1, 9.0), found(0, 9.0, 5.0), found(0, 9.0, 2.0)], NULL, min_confidence=0.0)
    assert [(one.position, one.scored.segment.start_s) for one, _ in accepted] == [(0, 2.0), (0, 5.0), (1, 0.0)]


def test_nothing_found_is_nothing_ranked():
    assert rank([], NULL, min_confidence=0.5) == ([], [])


def test_a_match_that_stands_alone_is_taken_for_less():
    lone = [found(i, 4.0 if i == 0 else 1.0) for i in range(5)]
    alone, _ = rank(lone, NULL, min_confidence=0.0)
    joined, _ = rank([found(i, 4.0) for i in range(5)], NULL, min_confidence=0.0)
    assert joined[0][1] > alone[0][1]
    one, rest = NULL.evidence(np.array([4.0]))[0], NULL.evidence(np.array([1.0]))[0]
    assert alone[0][1] == confidence_of(np.array([0.5 * one + 0.5 * (one + 4 * rest) / 5]))[0]


def test_nothing_is_surer_for_what_stands_beside_it():
    beside, _ = rank([found(0, 90.0), found(1, 1.0)], NULL, min_confidence=0.0)
    assert beside[1][1] == confidence_of(NULL.evidence(np.array([1.0])))[0]


def test_the_place_of_the_query_supports_nothing():
    others = [found(i, 4.0 if i == 1 else 1.0) for i in range(1, 5)]
    own = Found("v0", 0, ScoredSegment(Segment(0, 1), 30.0), is_query=True)
    with_own, _ = rank([own, *others], NULL, min_confidence=0.0)
    without, _ = rank(others, NULL, min_confidence=0.0)
    assert with_own[1][1] == without[0][1]
