"""Two halves of an annotated collection: one gives queries, the other references of one, two and three sources.

A reference is a list of pieces, stretches of source videos laid end to end, and of instances with their places on the
new clock. Nothing is cut within an instance, and nothing is inserted into one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from recue.core.errors import ConfigError
from recue.core.segment import Segment
from recue.datasets.annotated import AnnotatedVideo, LabelledSegment

#: Most stretches that are taken from one video to be inserted in another.
MAX_INSERTED = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one source video, on its own clock."""

    video: str
    segment: Segment


@dataclass(frozen=True, slots=True)
class PlacedInstance:
    """An action in a reference.

    Attributes:
        label: Its class.
        segment: Where, on the reference's clock.
        piece: Number of the piece that holds it.
        origin: Where, on the source video's clock.
    """

    label: str
    segment: Segment
    piece: int
    origin: Segment


@dataclass(frozen=True, slots=True)
class SplicedVideo:
    """One reference.

    Attributes:
        name: Unique; the source's own where there is one alone.
        pieces: In order; their lengths add up to the reference's.
        instances: In order of their starts.
    """

    name: str
    pieces: tuple[Piece, ...]
    instances: tuple[PlacedInstance, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return sum(piece.segment.duration_s for piece in self.pieces)

    @property
    def sources(self) -> tuple[str, ...]:
        """The videos it is made of, sorted."""
        return tuple(sorted({piece.video for piece in self.pieces}))


@dataclass(frozen=True, slots=True)
class Reorganised:
    """The new benchmark.

    Attributes:
        query_videos: The half whose actions are queries.
        references: Made of the other half: a third each of one, two and three sources.
        n_left_out: Videos without a single action.
    """

    query_videos: tuple[AnnotatedVideo, ...]
    references: tuple[SplicedVideo, ...]
    n_left_out: int = field(default=0)


def reorganise(videos: Sequence[AnnotatedVideo], *, seed: int = 0) -> Reorganised:
    """Part a collection in two halves and make references of the second.

    A third of the references are videos of the second half as they are. The bases of the others are the rest of that
    half, each once; what is inserted in them is drawn from the rest too, as often as it comes, from videos that share
    no class with the base nor with each other. Actions are cut to their video; those that nothing is left of, and
    videos without any, are left out.

    Args:
        videos: Training and validation videos together; the order means nothing.
        seed: Of every draw.

    Raises:
        ConfigError: too few videos, or too few classes to insert one video in another.

    Source: Semantic video moments retrieval at scale, section 3.
    """
    usable = [video for video in map(_within, sorted(videos, key=lambda video: video.name)) if video.segments]
    if len(usable) < 12:
        raise ConfigError(f"two halves and thirds of one need 12 annotated videos or more, got {len(usable)}")
    Random(f"halves/{seed}").shuffle(usable)
    half = len(usable) // 2
    first, second = usable[:half], usable[half:]
    third = len(second) // 3
    kept, rest = second[:third], second[third:]
    references = [_as_is(video) for video in kept]
    for k, base in enumerate(rest):
        n_sources = 2 if k < (len(rest) + 1) // 2 else 3
        references.append(_spliced(base, rest, n_sources, Random(f"reference/{seed}/{k}"), f"spliced/{k:05d}"))
    return Reorganised(tuple(sorted(first, key=lambda video: video.name)), tuple(references), len(videos) - len(usable))


def part_classes(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The first eight tenths of the classes train, the next tenth validates, the last tests: 160/20/20 of 200.

    Raises:
        ConfigError: there are fewer than ten classes.
    """
    labels = sorted(labels)
    if len(labels) < 10:
        raise ConfigError(f"classes are parted in tenths, got {len(labels)} of them")
    tenth = len(labels) // 10
    return {
        "train": tuple(labels[: -2 * tenth]),
        "val": tuple(labels[-2 * tenth : -tenth]),
        "test": tuple(labels[-tenth:]),
    }


def _within(video: AnnotatedVideo) -> AnnotatedVideo:
    """The same with its actions cut to its length; the name keeps no empty one."""
    whole = Segment(0.0, video.duration_s)
    cut = (LabelledSegment(one.segment.clipped(whole), one.label) for one in video.segments)
    segments = tuple(
        sorted((one for one in cut if one.segment.duration_s > 0), key=lambda one: (one.segment, one.label))
    )
    return AnnotatedVideo(video.name, video.duration_s, segments, video.subset, video.rate)


def _as_is(video: AnnotatedVideo) -> SplicedVideo:
    return SplicedVideo(
        video.name,
        (Piece(video.name, Segment(0.0, video.duration_s)),),
        tuple(PlacedInstance(one.label, one.segment, 0, one.segment) for one in video.segments),
    )


def _spliced(
    base: AnnotatedVideo, others: Sequence[AnnotatedVideo], n_sources: int, rng: Random, name: str
) -> SplicedVideo:
    used = set(base.labels())
    inserted: list[tuple[float, Piece, AnnotatedVideo]] = []
    for _ in range(n_sources - 1):
        supplement = _draw_other(base, others, used, rng)
        used.update(supplement.labels())
        inserted += [(_background(base, rng), piece, supplement) for piece in _cuttings(supplement, rng)]
    inserted.sort(key=lambda one: (one[0], one[1].video, one[1].segment))

    pieces: list[tuple[Piece, AnnotatedVideo]] = []
    at_s = 0.0
    for instant_s, piece, supplement in inserted:
        if instant_s > at_s:
            pieces.append((Piece(base.name, Segment(at_s, instant_s)), base))
        pieces.append((piece, supplement))
        at_s = instant_s
    if at_s < base.duration_s:
        pieces.append((Piece(base.name, Segment(at_s, base.duration_s)), base))
    instances, start_s = [], 0.0
    for k, (piece, video) in enumerate(pieces):
        span = piece.segment
        instances += [
            PlacedInstance(one.label, one.segment.shifted(start_s - span.start_s), k, one.segment)
            for one in video.segments
            if span.start_s <= one.segment.start_s and one.segment.end_s <= span.end_s
        ]
        start_s += span.duration_s
    instances.sort(key=lambda one: (one.segment, one.label))
    return SplicedVideo(name, tuple(piece for piece, _ in pieces), tuple(instances))


def _draw_other(base: AnnotatedVideo, others: Sequence[AnnotatedVideo], used: set[str], rng: Random) -> AnnotatedVideo:
    """A video without a used class, so none that was taken before."""

    def able(video: AnnotatedVideo) -> bool:
        return not used.intersection(video.labels())

    for _ in range(100):
        if able(drawn := rng.choice(others)):
            return drawn
    left = [video for video in others if able(video)]
    if not left:
        raise ConfigError(f"no other video shares no class with '{base.name}'; there are too few classes or videos")
    return rng.choice(left)


def _cuttings(video: AnnotatedVideo, rng: Random) -> list[Piece]:
    """One to three stretches, each around an action (or several that overlap), with some of the background beside."""
    groups = _merged(video)
    chosen = sorted(rng.sample(range(len(groups)), rng.randint(1, min(MAX_INSERTED, len(groups)))))
    before = [0.0, *(0.5 * (one.end_s + other.start_s) for one, other in pairwise(groups))]
    after = [*before[1:], video.duration_s]
    pieces = []
    for k in chosen:
        group = groups[k]
        # At most as much beside the action as the action itself lasts, and no more than half way to the next.
        start_s = rng.uniform(max(before[k], group.start_s - group.duration_s), group.start_s)
        end_s = rng.uniform(group.end_s, min(after[k], group.end_s + group.duration_s))
        pieces.append(Piece(video.name, Segment(start_s, end_s)))
    return pieces


def _background(video: AnnotatedVideo, rng: Random) -> float:
    """An instant outside all actions, each as likely; one of the ends where there is none."""
    bounds = [0.0, *(bound for one in _merged(video) for bound in (one.start_s, one.end_s)), video.duration_s]
    gaps = list(zip(bounds[::2], bounds[1::2], strict=True))
    at = rng.random() * sum(end - start for start, end in gaps)
    if not any(end > start for start, end in gaps):
        return rng.choice((0.0, video.duration_s))
    for start, end in gaps:
        if at < end - start:
            return start + at
        at -= end - start
    return gaps[-1][1]


def _merged(video: AnnotatedVideo) -> list[Segment]:
    """Actions in order, those that overlap as one."""
    groups: list[Segment] = []
    for one in video.segments:
        if groups and one.segment.start_s < groups[-1].end_s:
            groups[-1] = Segment(groups[-1].start_s, max(groups[-1].end_s, one.segment.end_s))
        else:
            groups.append(one.segment)
    return groups


def collection(videos: Mapping[str, AnnotatedVideo]) -> list[AnnotatedVideo]:
    """Training and validation videos of an annotation file; all but the test videos where it has other names."""
    return [video for video in videos.values() if not video.subset.lower().startswith("test")]
