"""What says the same is said once."""

from recue.core.moment import ScoredSegment
from recue.core.segment import Segment
from recue.search.rank import Found
from recue.search.select import Ranked, apart, capped, joined


def ranked(start_s: float, end_s: float, score: float, *, video: int = 0, is_query: bool = False) -> Ranked:
    return Found(f"v{video}", video, ScoredSegment(Segment(start_s, end_s), score), is_query), score / 10


def told(each: list[Ranked]) -> list[tuple[int, float, float, float, bool]]:
    return [
        (one.position, one.scored.segment.start_s, one.scored.segment.end_s, confidence, one.is_query)
        for one, confidence in each
    ]


class TestJoined:
    def test_what_touches_or_overlaps_is_one_with_the_best_confidence(self) -> None:
        parts = [ranked(4, 6, 9), ranked(2, 4, 8), ranked(5, 7, 7, is_query=True)]
        assert told(joined(parts)) == [(0, 2, 7, 0.9, True)]

    def test_what_lies_apart_or_in_another_video_stays(self) -> None:
        parts = [ranked(0, 2, 9), ranked(2, 3, 8, video=1), ranked(2.1, 4, 7)]
        assert told(joined(parts)) == [(0, 0, 2, 0.9, False), (1, 2, 3, 0.8, False), (0, 2.1, 4, 0.7, False)]

    def test_rounding_is_no_gap(self) -> None:
        assert told(joined([ranked(0, 0.1 + 0.2, 9), ranked(0.30000000000000010, 1, 8)])) == [(0, 0, 1, 0.9, False)]

    def test_a_gap_may_be_allowed(self) -> None:
        parts = [ranked(0, 2, 9), ranked(3, 4, 8), ranked(5.1, 6, 7)]
        assert told(joined(parts, gap_s=1.0)) == [(0, 0, 4, 0.9, False), (0, 5.1, 6, 0.7, False)]

    def test_nothing_stays_nothing(self) -> None:
        assert joined([]) == []


class TestApart:
    def test_a_miss_over_a_moment_is_left_out(self) -> None:
        accepted = [ranked(10, 20, 9)]
        missed = [ranked(19, 25, 3), ranked(20, 25, 2), ranked(12, 13, 1), ranked(12, 13, 1, video=1)]
        assert told(apart(missed, accepted)) == [(0, 20, 25, 0.2, False), (1, 12, 13, 0.1, False)]

    def test_of_two_misses_that_overlap_the_better_stays(self) -> None:
        assert told(apart([ranked(0, 5, 3), ranked(4, 9, 2), ranked(8, 9, 1)], [])) == [
            (0, 0, 5, 0.3, False),
            (0, 8, 9, 0.1, False),
        ]


def test_caps_hold_for_each_list_and_for_each_video() -> None:
    accepted = [ranked(0, 1, 9), ranked(2, 3, 8), ranked(0, 1, 7, video=1)]
    missed = [ranked(4, 5, 3), ranked(2, 3, 2, video=1), ranked(4, 5, 1, video=1)]
    assert capped(accepted, missed, top=2, per_video=None) == (accepted[:2], missed[:2])
    assert capped(accepted, missed, top=3, per_video=2) == (accepted, [missed[1]])
    assert capped(accepted, missed, top=3, per_video=1) == ([accepted[0], accepted[2]], [])
