"""The rules of the published lists, on videos that can be worked out by hand.

A video of 160 s and 1600 frames has 10 frames a second, so a step is 1.6 s and there are 100 steps.
"""

from collections import Counter

import pytest

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets.annotated import AnnotatedVideo, LabelledSegment
from recue.datasets.list_builder import BuildRules, Built, Grid, build_items, merge_segments
from recue.datasets.list_comparison import compare_lists, comparison_notes, comparison_problems
from recue.datasets.task import Clip, Item

GRID = Grid(1600, 100, 160.0)


def build(
    *segments: tuple[float, float, str], grid: Grid = GRID, rules: BuildRules | None = None, seed: int = 0
) -> Built:
    video = AnnotatedVideo("v", grid.duration_s, tuple(LabelledSegment(Segment(s, e), name) for s, e, name in segments))
    return build_items([video], {"v": grid}, rules=rules, seed=seed)


def found(built: Built) -> list[tuple[int, int, str, tuple[int, int]]]:
    return [(i.moment.first, i.moment.stop, i.moment.label, i.location) for i in built.items]


def test_a_segment_covers_the_step_its_end_falls_in() -> None:
    # 16 s is step 10.0 and 24 s step 15.0: both fall into the step that starts there.
    assert found(build((16.0, 24.0, "a"))) == [(10, 16, "a", (0, 100))]
    assert found(build((15.9, 23.9, "a"))) == [(9, 15, "a", (0, 100))]
    # 2.4 frames inside one step
    assert found(build((16.1, 16.2, "a"))) == [(10, 11, "a", (0, 100))]


def test_ends_stop_at_the_last_step() -> None:
    built = build((150.0, 160.0, "a"))
    assert found(built) == [(93, 100, "a", (0, 100))]
    assert built.causes["clipped"] == 1
    # features may be a step short of the frames, and an end may lie after the video by a rounding
    assert found(build((150.0, 160.02, "a"), grid=Grid(1600, 98, 160.0))) == [(93, 98, "a", (0, 98))]


def test_a_segment_after_the_last_step_is_empty_and_gives_no_item() -> None:
    built = build((159.0, 160.0, "a"), grid=Grid(1600, 98, 160.0))
    assert found(built) == []
    assert built.causes["empty"] == 1


def test_the_reference_runs_between_the_neighbours_of_the_class() -> None:
    built = build((16.0, 24.0, "a"), (48.0, 56.0, "a"), (80.0, 88.0, "a"), (32.0, 40.0, "b"))
    # It holds the step that the previous one ends in (15), and the step that the next one starts in (30).
    assert found(built) == [
        (10, 16, "a", (0, 31)),
        (20, 26, "b", (0, 100)),
        (30, 36, "a", (15, 51)),
        (50, 56, "a", (35, 100)),
    ]
    assert all(item.others == () for item in built.items)


def test_overlapping_and_touching_segments_of_one_class_are_one() -> None:
    built = build((20.0, 24.0, "a"), (16.0, 21.0, "a"), (24.0, 25.6, "a"), (27.0, 28.0, "a"))
    assert found(built) == [(10, 17, "a", (0, 17)), (16, 18, "a", (16, 100))]
    assert built.causes["merged"] == 2


def test_segments_that_share_a_step_but_not_an_instant_stay_two() -> None:
    # 24.1 s and 24.2 s are both in step 15
    assert found(build((16.0, 24.1, "a"), (24.2, 32.0, "a"))) == [(10, 16, "a", (0, 16)), (15, 21, "a", (15, 100))]


def test_a_segment_within_another_does_not_shorten_it() -> None:
    assert found(build((16.0, 32.0, "a"), (17.0, 18.0, "a"))) == [(10, 21, "a", (0, 100))]


def test_a_video_with_overlapping_classes_is_left_out() -> None:
    assert build((16.0, 24.0, "a"), (23.9, 30.0, "b"), (80.0, 90.0, "a")).items == ()
    assert build((16.0, 24.0, "a"), (23.9, 30.0, "b")).causes["overlapping classes"] == 1
    assert len(build((16.0, 24.0, "a"), (24.0, 30.0, "b")).items) == 2  # to touch is not to overlap
    kept = build((16.0, 24.0, "a"), (23.9, 30.0, "b"), rules=BuildRules(drop_overlapping=False))
    assert len(kept.items) == 2


def test_a_long_segment_gives_no_item_and_still_bounds_its_neighbours() -> None:
    # 32 steps are 10 to 41: the end is in step 41, at 65.6 s or later; 67.2 s is step 42.
    built = build((16.0, 67.0, "a"), (80.0, 88.0, "a"))
    assert found(built) == [(10, 42, "a", (0, 51)), (50, 56, "a", (41, 100))]
    built = build((16.0, 67.3, "a"), (80.0, 88.0, "a"))
    assert found(built) == [(50, 56, "a", (42, 100))]
    assert built.causes["too long"] == 1


def test_a_long_location_becomes_a_window_around_the_moment() -> None:
    grid = Grid(16000, 1000, 1600.0)
    drawn = Counter()
    for seed in range(300):
        built = build((800.0, 808.0, "a"), grid=grid, seed=seed, rules=BuildRules(8, 10))
        ((first, stop, _, location),) = found(built)
        assert (first, stop) == (500, 506)
        assert location[1] - location[0] == 10
        assert location[0] <= first
        assert stop <= location[1]
        assert built.outer == {Clip("v", 500, 506, "a"): (0, 1000)}
        drawn[location[0]] += 1
    assert sorted(drawn) == [496, 497, 498, 499, 500]  # every place, and no other
    assert min(drawn.values()) > 30  # 60 expected
    assert found(build((800.0, 808.0, "a"), grid=grid, seed=7)) == found(build((800.0, 808.0, "a"), grid=grid, seed=7))


@pytest.mark.parametrize(("start_s", "expected"), [(0.0, (0, 10)), (1592.1, (990, 1000))])
def test_a_window_stays_within_the_video(start_s: float, expected: tuple[int, int]) -> None:
    grid = Grid(16000, 1000, 1600.0)
    (item,) = build((start_s, start_s + 7.9, "a"), grid=grid, rules=BuildRules(5, 5)).items
    assert item.location[1] - item.location[0] == 5
    assert expected[0] <= item.location[0]
    assert item.location[1] <= expected[1]


def test_a_location_of_just_the_longest_is_not_cut() -> None:
    built = build((16.0, 24.0, "a"), rules=BuildRules(max_location_steps=100))
    assert found(built) == [(10, 16, "a", (0, 100))]
    assert built.outer == {}
    assert len(build((16.0, 24.0, "a"), rules=BuildRules(max_location_steps=99)).outer) == 1


def test_a_whole_video_holds_every_moment_of_its_class() -> None:
    built = build((16.0, 24.0, "a"), (48.0, 150.0, "a"), (32.0, 40.0, "b"), rules=BuildRules(location="video"))
    first, second = built.items
    assert first.location == (0, 100)
    assert first.truths == ((10, 16), (30, 94))  # too long to be asked with, and still true
    assert second.truths == ((20, 26),)


def test_a_video_without_segments_needs_no_grid_and_one_with_some_does() -> None:
    assert build_items([AnnotatedVideo("w", 1.0, ())], {}).items == ()
    with pytest.raises(ConfigError, match="frames and steps 'w' has"):
        build_items([AnnotatedVideo("w", 1.0, (LabelledSegment(Segment(0, 1), "a"),))], {})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_moment_steps": 0}, "max_moment_steps of 1"),
        ({"max_location_steps": -1}, "0 or more"),
        ({"location": "all"}, "'between' or 'video'"),
        ({"max_moment_steps": 30, "max_location_steps": 20}, "cannot hold"),
    ],
)
def test_rules_that_make_no_sense_are_refused(options: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        BuildRules(**options)


def test_merging_sorts_and_keeps_the_longest_end() -> None:
    assert merge_segments([]) == ()
    assert merge_segments([Segment(5, 9), Segment(0, 2), Segment(6, 7), Segment(9, 9)]) == (
        Segment(0, 2),
        Segment(5, 9),
    )


def test_a_comparison_names_every_difference() -> None:
    built = build((16.0, 24.0, "a"), (48.0, 56.0, "a"))
    same = compare_lists(built, built.items, {"v"})
    assert same.equal
    assert (same.n_videos, same.n_equal_videos, same.n_equal_locations, same.n_windows) == (1, 1, 2, 0)
    published = [
        Item(Clip("v", 10, 16, "a"), (0, 30)),  # another location
        Item(Clip("v", 30, 37, "a"), (15, 100)),  # another end
        Item(Clip("w", 3, 4, "a"), (0, 9)),  # a video that is not annotated
    ]
    found = compare_lists(built, published, {"v"})
    assert not found.equal
    assert found.other_location == ("v 10:16 a in 0:30, derived 0:31",)
    assert found.only_derived == ("v 30:36 a",)
    assert found.only_published == ("v 30:37 a",)
    assert (found.not_annotated, found.n_not_annotated_items, found.n_equal_videos) == (("w",), 1, 0)
    assert len(comparison_problems(found)) == 3
    assert "1 published videos (1 items) are absent" in comparison_notes(found, built.causes)[-1]
    assert comparison_problems(same) == ()


def test_windows_are_the_same_when_all_but_their_place_is() -> None:
    built = build((16.0, 24.0, "a"), rules=BuildRules(max_location_steps=50))
    moment = built.items[0].moment
    for location, n_windows in (((0, 50), 1), ((10, 60), 1), ((0, 49), 0)):
        comparison = compare_lists(built, [Item(moment, location)], {"v"})
        assert (comparison.n_windows, comparison.equal) == (n_windows, bool(n_windows))
    bounded = build((16.0, 24.0, "a"), (112.0, 160.0, "a"), rules=BuildRules(max_location_steps=65))
    both = compare_lists(bounded, [Item(moment, (5, 70)), Item(moment, (8, 73))], {"v"})
    assert both.n_windows == 1
    assert both.other_location[0].startswith("v 10:16 a in 8:73")  # the next one starts in step 70


def test_a_window_stays_between_the_neighbours() -> None:
    # The first ends in step 10, so the second's location is 10 to 100; a window of 70 must start at 10 to 30.
    starts = {
        build((8.0, 16.0, "a"), (32.0, 40.0, "a"), rules=BuildRules(32, 70), seed=seed).items[1].location[0]
        for seed in range(60)
    }
    assert min(starts) == 10
    assert max(starts) == 20  # the moment starts in step 20
