"""From all ranked segments to the answer: what says the same is said once, and no more than was asked for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from recue.core.segment import Segment
from recue.localize.suppress import merge
from recue.search.rank import Found

#: A segment and its confidence.
Ranked = tuple[Found, float]

#: Times closer than this are the same time: a table shows no more.
_SAME_S = 1e-3


def joined(ranked: Iterable[Ranked], *, gap_s: float = 0.0) -> list[Ranked]:
    """Best first, with segments of one video that overlap, touch, or lie at most `gap_s` apart made one.

    The whole has the score and the confidence of its best part, and is the query's own place if a part is.
    """
    by_position: dict[int, list[Ranked]] = {}
    for each in ranked:
        by_position.setdefault(each[0].position, []).append(each)
    wholes: list[Ranked] = []
    for parts in by_position.values():
        for scored in merge((one.scored for one, _ in parts), gap_s=gap_s + _SAME_S):
            within = [each for each in parts if _overlap(each[0].scored.segment, scored.segment)]
            best, confidence = max(within, key=lambda each: each[0].scored.score)
            is_query = any(one.is_query for one, _ in within)
            wholes.append((replace(best, scored=scored, is_query=is_query), confidence))
    return sorted(wholes, key=lambda each: (-each[0].scored.score, each[0].position, each[0].scored.segment.start_s))


def apart(missed: Iterable[Ranked], accepted: Iterable[Ranked]) -> list[Ranked]:
    """The near misses that overlap no accepted moment, and no better near miss, of the same video.

    Args:
        missed: Best first.
        accepted: What is sure.
    """
    taken: dict[int, list[Segment]] = {}
    for one, _ in accepted:
        taken.setdefault(one.position, []).append(one.scored.segment)
    clear: list[Ranked] = []
    for each in missed:
        segment, others = each[0].scored.segment, taken.setdefault(each[0].position, [])
        if not any(_overlap(segment, other) for other in others):
            others.append(segment)
            clear.append(each)
    return clear


def capped(
    accepted: Iterable[Ranked], missed: Iterable[Ranked], *, top: int, per_video: int | None
) -> tuple[list[Ranked], list[Ranked]]:
    """The first `top` of each list; of one video, no more than `per_video` in both together."""
    taken: Counter[int] = Counter()

    def first(ranked: Iterable[Ranked]) -> list[Ranked]:
        kept: list[Ranked] = []
        for each in ranked:
            position = each[0].position
            if len(kept) < top and (per_video is None or taken[position] < per_video):
                taken[position] += 1
                kept.append(each)
        return kept

    return first(accepted), first(missed)


def _overlap(one: Segment, other: Segment) -> bool:
    return one.intersection_s(other) > _SAME_S
