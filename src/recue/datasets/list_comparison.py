"""Do two lists hold the same items? Every difference by its cause, none left over."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from recue.datasets.list_builder import Built
from recue.datasets.task import Bounds, Clip, Item


@dataclass(frozen=True, slots=True)
class ListComparison:
    """How derived items compare with published ones.

    Attributes:
        n_videos: Videos of either list that the annotations hold: what could be compared.
        n_equal_videos: Those of them with the same moments, of the same classes.
        n_equal_locations: Items with the same location too.
        n_windows: Items whose location is a random window of the same place: both hold the moment, have the same
            length and lie in what the derived one was cut from. Where they start is chance and cannot be checked.
        not_annotated: Published videos that the annotations do not hold, sorted.
        n_not_annotated_items: Their items.
        only_derived: Items that were derived and not published, in words.
        only_published: Items that were published and not derived, in words, in videos that both hold.
        other_location: Items whose locations differ, in words.
    """

    n_videos: int
    n_equal_videos: int
    n_equal_locations: int
    n_windows: int
    not_annotated: tuple[str, ...]
    n_not_annotated_items: int
    only_derived: tuple[str, ...]
    only_published: tuple[str, ...]
    other_location: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs that could be compared."""
        return not (self.only_derived or self.only_published or self.other_location)


def compare_lists(built: Built, published: Iterable[Item], annotated: Collection[str]) -> ListComparison:
    """Compare derived with published items, video by video.

    Args:
        built: What the builder made.
        published: What was published.
        annotated: Videos that the annotations hold, those without any segment included.
    """
    derived_by_video, published_by_video = _by_video(built.items), _by_video(published)
    not_annotated = sorted(set(published_by_video) - set(annotated))
    comparable = sorted((set(published_by_video) | set(derived_by_video)) & set(annotated))
    only_derived: list[str] = []
    only_published: list[str] = []
    other_location: list[str] = []
    n_equal = n_locations = n_windows = 0
    for video in comparable:
        ours, theirs = derived_by_video.get(video, []), published_by_video.get(video, [])
        n_ours, n_theirs = Counter(i.moment for i in ours), Counter(i.moment for i in theirs)
        only_derived += map(_words, (n_ours - n_theirs).elements())
        only_published += map(_words, (n_theirs - n_ours).elements())
        n_equal += n_ours == n_theirs
        location_of = {item.moment: item.location for item in ours}
        for item in theirs:
            mine = location_of.get(item.moment)
            if mine == item.location and item.moment not in built.outer:
                n_locations += 1
            elif mine is not None and _is_window(item, mine, built.outer):
                n_windows += 1
            elif mine is not None:
                other_location.append(f"{_words(item.moment)} in {_range(item.location)}, derived {_range(mine)}")
    return ListComparison(
        len(comparable),
        n_equal,
        n_locations,
        n_windows,
        tuple(not_annotated),
        sum(len(published_by_video[video]) for video in not_annotated),
        tuple(only_derived),
        tuple(only_published),
        tuple(other_location),
    )


def comparison_notes(comparison: ListComparison, causes: Mapping[str, int]) -> tuple[str, ...]:
    """What a comparison found, in sentences for `DatasetReport.notes`."""
    used = ", ".join(f"{cause}: {n}" for cause, n in sorted(causes.items()) if n)
    notes = [
        f"derived lists hold the same moments in {comparison.n_equal_videos} of {comparison.n_videos} videos that "
        f"both hold; {comparison.n_equal_locations} locations are the same, {comparison.n_windows} are random windows "
        "of the same place (length, moment and surroundings fit; where they start is chance)",
        f"rules used on the way: {used or 'none'}",
    ]
    if comparison.not_annotated:
        notes.append(
            f"{len(comparison.not_annotated)} published videos ({comparison.n_not_annotated_items} items) are absent "
            "from the annotations and cannot be compared"
        )
    return tuple(notes)


def comparison_problems(comparison: ListComparison) -> tuple[str, ...]:
    """What differs, in sentences for `DatasetReport.problems`."""
    kinds = {
        "derived and not published": comparison.only_derived,
        "published and not derived": comparison.only_published,
        "in another location": comparison.other_location,
    }
    return tuple(
        f"{len(found)} items {kind}: {'; '.join(found[:3])}{'; ...' if len(found) > 3 else ''}"
        for kind, found in kinds.items()
        if found
    )


def _is_window(item: Item, mine: Bounds, outer: Mapping[Clip, Bounds]) -> bool:
    around = outer.get(item.moment)
    if around is None:
        return False
    first, stop = item.location
    return around[0] <= first and stop <= around[1] and stop - first == mine[1] - mine[0]


def _by_video(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.moment.video, []).append(item)
    return found


def _words(moment: Clip) -> str:
    return f"{moment.video} {moment.first}:{moment.stop} {moment.label}"


def _range(bounds: Bounds) -> str:
    return f"{bounds[0]}:{bounds[1]}"
