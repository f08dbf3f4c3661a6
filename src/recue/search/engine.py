"""The search itself: a query's features, a gallery, a localizer; moments with a confidence."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from recue.core.bank import FeatureBank
from recue.core.errors import ConfigError, FingerprintError, GalleryError
from recue.core.features import FeatureSequence
from recue.core.moment import Moment, Query, ScoredSegment, SearchResult, SimilarityCurve
from recue.core.protocols import Localizer
from recue.core.record import VideoRecord
from recue.core.segment import Segment
from recue.gallery import Gallery
from recue.localize.align import Align
from recue.localize.learned import LearnedLocalizer, load_localizer
from recue.search.calibrate import DEFAULT_MIN_CONFIDENCE, Null
from recue.search.rank import Found, rank
from recue.search.select import apart, capped, joined
from recue.search.spaces import gallery_space

#: Segments that are looked at after the scan, at least: suppression and caps leave out some of the best.
_MIN_WANTED = 64

#: Steps that a picture is held for.
_PICTURE_STEPS = 4

#: A result that shares this much with the place the query was taken from is that place.
_SELF_TIOU = 0.5


@dataclass(frozen=True, slots=True)
class _Searched:
    """What one pass over the gallery gave."""

    found: list[Found]
    null: Null
    bank: FeatureBank
    aligner: Align


def find_moments(
    query: Query,
    query_features: FeatureSequence,
    gallery: Gallery,
    *,
    localizer: str = "align",
    videos: Sequence[str] | None = None,
    top: int = 10,
    min_confidence: float | None = None,
    per_video: int | None = None,
    near_misses: bool = False,
    curve: bool = False,
    exclude_self: bool = False,
    started: float | None = None,
    warnings: Sequence[str] = (),
    threads: int | None = None,
) -> SearchResult:
    """Find every moment of a gallery that is like the query.

    Args:
        query: What is looked for, for the result.
        query_features: Made by the gallery's backbone.
        gallery: What is searched.
        localizer: Registry name, or directory of a checkpoint.
        videos: Ids to search; None for all.
        top: Most moments, and most near misses.
        min_confidence: The threshold, in [0, 1]; None for the calibrated one.
        per_video: Most moments of one video.
        near_misses: Return also the best below the threshold.
        curve: Return each moment's video's similarity over time.
        exclude_self: Leave out the place that the query was taken from.
        started: When the user asked, by `perf_counter`.
        warnings: To pass on.
        threads: For the scan; default: the cores.

    Raises:
        FingerprintError: something else made the query's features.
        UnknownNameError: no localizer has that name, and there is no such directory.
        WeightsError: the checkpoint is not whole.
        ConfigError: `top`, `per_video` or `min_confidence` makes no sense.
        GalleryError: there is nothing to search.
    """
    began = perf_counter() if started is None else started
    _check_options(top, min_confidence, per_video)
    if query_features.fingerprint != gallery.info.source.fingerprint:
        raise FingerprintError(
            f"the query was encoded by '{query_features.backbone}' ({query_features.fingerprint}), the gallery "
            f"'{gallery.info.name}' by '{gallery.info.source.name}' ({gallery.info.source.fingerprint}); encode the "
            f"query with the gallery's backbone, or make the gallery anew with `recue index --rebuild`"
        )
    records = {record.id: record for record in gallery.videos()}
    wanted = set(records) if videos is None else set(videos) & set(records)
    if not wanted:
        raise GalleryError(f"the gallery '{gallery.info.name}' holds no video to search")
    looked_for = _held(query_features) if query.kind == "image" else query_features
    searched = _pass(
        looked_for, gallery, load_localizer(localizer), wanted, still=query.kind == "image", top=top, threads=threads
    )
    found = [replace(one, is_query=_is_query(query, one)) for one in searched.found]
    if exclude_self:
        found = [one for one in found if not one.is_query]
    least = DEFAULT_MIN_CONFIDENCE if min_confidence is None else min_confidence
    accepted, missed = rank(found, searched.null, min_confidence=least)
    if query.kind == "image":  # its scene is one moment, whatever the pieces that a few steps fit into
        accepted = joined(accepted, gap_s=looked_for.span.duration_s)
    missed = apart(missed, accepted)
    accepted, missed = capped(accepted, missed, top=top, per_video=per_video)
    curves: dict[int, SimilarityCurve] = {}

    def moment(one: Found, confidence: float) -> Moment:
        if curve and one.position not in curves:
            curves[one.position] = _curve(looked_for, searched, one.position)
        record = records[one.video_id]
        return Moment(
            video=record.path,
            video_id=record.id,
            segment=one.scored.segment.clipped(_span(record)),
            score=one.scored.score,
            confidence=confidence,
            query_segment=None if query.kind == "image" else one.scored.query_segment,
            is_query=one.is_query,
            metadata=record.metadata,
            curve=curves.get(one.position),
        )

    return SearchResult(
        query=query,
        moments=tuple(moment(one, confidence) for one, confidence in accepted),
        near_misses=tuple(moment(one, confidence) for one, confidence in missed) if near_misses else (),
        min_confidence=least,
        n_videos=len(wanted),
        searched_s=sum(records[video_id].duration_s for video_id in wanted),
        elapsed_s=perf_counter() - began,
        localizer=localizer,
        backbone=gallery.info.source.name,
        warnings=tuple(warnings),
    )


def _pass(
    query: FeatureSequence,
    gallery: Gallery,
    localizer: Localizer,
    wanted: set[str],
    *,
    still: bool,
    top: int,
    threads: int | None,
) -> _Searched:
    space = gallery_space(gallery)
    bank = gallery.bank(space)
    positions = np.array([i for i, video_id in enumerate(bank.video_ids) if video_id in wanted], np.int64)
    aligner = replace(localizer if isinstance(localizer, Align) else Align(), space=space, still=still)
    if isinstance(localizer, Align):
        aligner = replace(aligner, n=max(localizer.n, 2 * top))
        n_threads = threads or os.cpu_count() or 1
        by_video = aligner.search_bank(query, bank, positions, most=max(_MIN_WANTED, 4 * top), threads=n_threads)
        candidates, per_video = np.array(list(by_video), np.int64), list(by_video.values())
        null = Null.fit(
            *aligner.null_scores(query),
            n_query=len(query),
            n_steps=bank.n_steps,
            usual_level=space.usual_level,
        )
        return _Searched(_flatten(bank, candidates, per_video), null, bank, aligner)
    plain = gallery.bank()
    where = {video_id: i for i, video_id in enumerate(plain.video_ids)}
    references = [plain.sequence(where[bank.video_ids[i]], query.backbone) for i in positions]
    per_video = _localize_all(localizer, query, references)
    mirrored = _mirrored(localizer, query, plain)
    if isinstance(localizer, LearnedLocalizer):
        null = Null.fit_any(_best(mirrored), _best(per_video), n_steps=bank.n_steps)
    else:
        scores = np.array([segments[0].score if segments else 0.0 for segments in mirrored])
        null = Null.fit(scores, n_query=len(query), n_steps=bank.n_steps)
    return _Searched(_flatten(bank, positions, per_video), null, bank, aligner)


def _localize_all(
    localizer: Localizer, query: FeatureSequence, references: Sequence[FeatureSequence]
) -> list[list[ScoredSegment]]:
    if isinstance(localizer, LearnedLocalizer):  # takes many at a time
        return localizer.localize_many([(query, reference) for reference in references])
    return [localizer.localize(query, reference) for reference in references]


def _flatten(bank: FeatureBank, positions: NDArray[np.int64], per_video: list[list[ScoredSegment]]) -> list[Found]:
    return [
        Found(bank.video_ids[position], int(position), scored)
        for position, segments in zip(positions, per_video, strict=True)
        for scored in segments
    ]


def _best(found: list[list[ScoredSegment]]) -> NDArray[np.float64]:
    return np.array([segments[0].score for segments in found if segments])


def _mirrored(localizer: Localizer, query: FeatureSequence, bank: FeatureBank) -> list[list[ScoredSegment]]:
    """What a localizer of any kind finds in stretches with random channels mirrored about their mean."""
    rng = np.random.default_rng(0)
    n = min(32, len(bank))
    mean = np.asarray(bank.values[:: max(1, bank.n_steps // 2048)], np.float32).mean(axis=0)
    stretches = []
    for position in np.linspace(0, len(bank) - 1, n).round().astype(int):
        reference = bank.sequence(int(position), query.backbone)
        reference = reference.with_steps(0, min(len(reference), 192))
        for _ in range(-(-32 // n)):
            signs = rng.choice(np.array([-1, 1], np.float32), size=reference.dim)
            values = mean + signs * (reference.values.astype(np.float32) - mean)
            stretches.append(FeatureSequence(values, reference.times_s, reference.backbone, reference.fingerprint))
    return _localize_all(localizer, query, stretches)


def _held(picture: FeatureSequence) -> FeatureSequence:
    """A picture as a scene of some steps: what looks like it for a while is surer than what does for an instant."""
    values = np.repeat(picture.values[:1], _PICTURE_STEPS, axis=0)
    times_s = float(picture.times_s[0]) + picture.mean_step_s * np.arange(_PICTURE_STEPS + 1, dtype=np.float64)
    return FeatureSequence(values, times_s, picture.backbone, picture.fingerprint)


def _curve(query: FeatureSequence, searched: _Searched, position: int) -> SimilarityCurve:
    """For each step the similarity to the query step that matches it best, less that step's threshold."""
    rows = searched.bank.rows(position)
    values = searched.aligner.similarity_curve(query, np.asarray(searched.bank.values[rows], np.float32))
    middle_s = searched.bank.bounds_s[rows].mean(axis=1)
    return SimilarityCurve(
        times_s=tuple(round(float(t), 4) for t in middle_s),
        values=tuple(round(float(v), 4) for v in values),
    )


def _is_query(query: Query, one: Found) -> bool:
    if query.video_id != one.video_id or query.segment is None:
        return False
    if query.kind == "image":
        return one.scored.segment.contains(query.segment.start_s)
    return one.scored.segment.tiou(query.segment) >= _SELF_TIOU


def _span(record: VideoRecord) -> Segment:
    return Segment(record.start_s, record.start_s + record.duration_s)


def _check_options(top: int, min_confidence: float | None, per_video: int | None) -> None:
    if top < 1:
        raise ConfigError(f"a search returns 1 moment or more, got top={top}")
    if per_video is not None and per_video < 1:
        raise ConfigError(f"a video may give 1 moment or more, got per_video={per_video}")
    if min_confidence is not None and not 0.0 <= min_confidence <= 1.0:
        raise ConfigError(f"a confidence lies in [0, 1], got min_confidence={min_confidence}")
