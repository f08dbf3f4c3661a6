"""The whole search over a real gallery of made features with planted moments."""

from dataclasses import replace

import numpy as np
import pytest

from recue.core import FeatureSequence, Query, Segment
from recue.core.errors import ConfigError, FingerprintError, GalleryError, UnknownNameError
from recue.features import load_source
from recue.gallery import SourceInfo, open_gallery
from recue.search.engine import find_moments
from recue.search.spaces import gallery_space
from support.galleries import make_record

DIM = 32
SPEC = f"precomputed:step_s=0.5,dim={DIM}"
LIKE = Query(kind="clip", source="query.mp4", segment=Segment(0.0, 5.0))


def source_info():
    return SourceInfo(SPEC, load_source(SPEC).fingerprint, DIM, 0.5)


def scene(rng, n_steps):
    """Scenes of some seconds that drift, with noise."""
    values = np.repeat(rng.normal(size=(-(-n_steps // 8), DIM)), 8, axis=0)[:n_steps]
    return (values + 0.7 * rng.normal(size=(n_steps, DIM)) + 3.0).astype(np.float32)


def sequence(values):
    info = source_info()
    return FeatureSequence(values, np.arange(len(values) + 1) * 0.5, info.name, info.fingerprint)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A gallery of twelve videos; the moment lies in 2 at 20 s, and twice in 5, at 10 s and 40 s."""
    rng = np.random.default_rng(0)
    moment = (rng.normal(size=(10, DIM)) * 1.2 + 3.0).astype(np.float32)
    gallery = open_gallery(tmp_path_factory.mktemp("engine") / "g", create=True, source=source_info())
    for number in range(12):
        values = scene(rng, 120)
        for first in {2: [40], 5: [20, 80]}.get(number, []):
            values[first : first + 10] = moment + 0.3 * rng.normal(size=moment.shape).astype(np.float32)
        record = replace(make_record(number, metadata={"number": number}), duration_s=60.0)
        gallery.add(record, sequence(values))
    return gallery, sequence(moment + 0.3 * rng.normal(size=moment.shape).astype(np.float32))


def places(moments):
    return sorted((m.metadata["number"], round(m.start_s), round(m.end_s)) for m in moments)


def test_every_planted_moment_is_found_and_nothing_else(planted):
    gallery, query = planted
    result = find_moments(LIKE, query, gallery)
    assert places(result.moments) == [(2, 20, 25), (5, 10, 15), (5, 40, 45)]
    assert not result.no_match
    assert [m.score for m in result.moments] == sorted((m.score for m in result.moments), reverse=True)
    assert all(m.confidence >= result.min_confidence for m in result.moments)
    assert (result.n_videos, result.searched_s, result.localizer) == (12, 720.0, "align")
    assert result.near_misses == ()


def test_what_is_not_there_gets_no_match(planted):
    gallery, _ = planted
    refused = 0
    for seed in range(20):
        stranger = sequence((np.random.default_rng(seed + 100).normal(size=(10, DIM)) * 1.2 + 3.0).astype(np.float32))
        refused += find_moments(LIKE, stranger, gallery).no_match
    assert refused >= 18


def test_near_misses_are_given_when_asked_for(planted):
    gallery, query = planted
    result = find_moments(LIKE, query, gallery, near_misses=True, top=4)
    assert 0 < len(result.near_misses) <= 4
    assert all(m.confidence < result.min_confidence for m in result.near_misses)


def test_no_near_miss_repeats_a_moment(planted):
    gallery, query = planted
    result = find_moments(LIKE, query, gallery, near_misses=True, top=200)
    shown = [*result.moments, *result.near_misses]
    for miss in result.near_misses:
        others = [one for one in shown if one is not miss and one.video_id == miss.video_id]
        assert all(miss.segment.intersection_s(one.segment) == 0 for one in others)


def test_a_picture_finds_its_whole_scene_once_and_knows_its_own_place(tmp_path):
    rng = np.random.default_rng(3)
    gallery = open_gallery(tmp_path / "g", create=True, source=source_info())
    for number in range(8):
        values = scene(rng, 120)
        if number == 2:
            values[40:60] = 3.0 + 2.0 * rng.normal(size=DIM) + 0.05 * rng.normal(size=(20, DIM))
            picture = sequence(values[50:51])
        gallery.add(replace(make_record(number, metadata={"number": number}), duration_s=60.0), sequence(values))
    own = Query(kind="image", source="video-2.mp4", segment=Segment(25.0, 25.04), video_id=make_record(2).id)
    best = find_moments(own, picture, gallery).moments
    assert [place for place in places(best) if place[0] == 2] == [(2, 20, 30)]
    assert best[0].is_query
    assert find_moments(replace(own, video_id=None), picture, gallery).moments[0].is_query is False


def test_chosen_videos_alone_are_searched(planted):
    gallery, query = planted
    result = find_moments(LIKE, query, gallery, videos=[make_record(2).id, make_record(3).id])
    assert places(result.moments) == [(2, 20, 25)]
    assert result.n_videos == 2


def test_caps_and_thresholds(planted):
    gallery, query = planted
    assert len(find_moments(LIKE, query, gallery, top=1).moments) == 1
    assert places(find_moments(LIKE, query, gallery, per_video=1).moments)[0][0] == 2
    assert len(find_moments(LIKE, query, gallery, per_video=1).moments) == 2
    assert find_moments(LIKE, query, gallery, min_confidence=1.0).no_match
    assert len(find_moments(LIKE, query, gallery, min_confidence=0.0, top=50).moments) > 3


def test_the_place_of_the_query_is_told_or_left_out(planted):
    gallery, query = planted
    own = Query(kind="range", source="video-2.mp4", segment=Segment(20.0, 25.0), video_id=make_record(2).id)
    told = find_moments(own, query, gallery).moments
    assert [m.metadata["number"] for m in told if m.is_query] == [2]
    left = find_moments(own, query, gallery, exclude_self=True).moments
    assert places(left) == [(5, 10, 15), (5, 40, 45)]


def test_the_curve_is_high_where_the_moment_is(planted):
    gallery, query = planted
    found = find_moments(LIKE, query, gallery, curve=True, top=1).moments[0]
    assert found.curve is not None
    times_s, values = np.array(found.curve.times_s), np.array(found.curve.values)
    inside = (times_s > found.start_s) & (times_s < found.end_s)
    assert len(times_s) == 120
    assert values[inside].min() > np.median(values[~inside])


@pytest.mark.parametrize("localizer", ["frame-level", "constant-window", "chance"])
def test_every_localizer_can_serve(planted, localizer):
    gallery, query = planted
    result = find_moments(LIKE, query, gallery, localizer=localizer, min_confidence=0.0, top=5)
    assert result.localizer == localizer
    assert result.moments
    if localizer == "constant-window":
        assert all(m.confidence < 0.5 for m in result.moments), "a score that ignores the content is never sure"


def test_a_checkpoint_can_serve(planted, tmp_path):
    import torch

    from recue.models.saved import CheckpointConfig, build_trained, write_config, write_weights

    def save(fingerprint):
        config = CheckpointConfig("cross-gated", {"n_hidden": 8}, DIM, {"name": SPEC, "fingerprint": fingerprint})
        torch.manual_seed(0)
        write_config(tmp_path, config)
        write_weights(tmp_path, build_trained(config), {})

    gallery, query = planted
    save(query.fingerprint)
    result = find_moments(LIKE, query, gallery, localizer=str(tmp_path), min_confidence=0.0, top=5)
    assert result.localizer == str(tmp_path)
    assert result.moments
    assert all(0 <= m.start_s < m.end_s <= 60 for m in result.moments)
    assert result == replace(
        find_moments(LIKE, query, gallery, localizer=str(tmp_path), min_confidence=0.0, top=5),
        elapsed_s=result.elapsed_s,
    )
    save("another")
    with pytest.raises(FingerprintError, match="was trained on features of"):
        find_moments(LIKE, query, gallery, localizer=str(tmp_path))


def test_a_video_added_later_is_found_at_once(tmp_path, planted):
    _, query = planted
    rng = np.random.default_rng(9)
    gallery = open_gallery(tmp_path / "g", create=True, source=source_info())
    gallery.add(replace(make_record(0), duration_s=60.0), sequence(scene(rng, 120)))
    assert find_moments(LIKE, query, gallery).no_match
    before = gallery_space(gallery).fingerprint
    values = scene(rng, 120)
    values[60:70] = query.values
    gallery.add(replace(make_record(1), duration_s=60.0), sequence(values))
    result = find_moments(LIKE, query, gallery)
    assert [(m.video_id, m.start_s, m.end_s) for m in result.moments] == [(make_record(1).id, 30.0, 35.0)]
    assert gallery_space(gallery).fingerprint != before, "a gallery that doubled is fitted anew"


def test_bad_requests_are_refused(planted, tmp_path):
    gallery, query = planted
    for options in ({"top": 0}, {"per_video": 0}, {"min_confidence": 1.5}, {"min_confidence": -0.1}):
        with pytest.raises(ConfigError):
            find_moments(LIKE, query, gallery, **options)
    with pytest.raises(UnknownNameError, match="did you mean 'align'"):
        find_moments(LIKE, query, gallery, localizer="aling")
    with pytest.raises(GalleryError, match="no video to search"):
        find_moments(LIKE, query, gallery, videos=["nothing"])
    other = FeatureSequence(query.values, query.times_s, "other", "f-other")
    with pytest.raises(FingerprintError, match="--rebuild"):
        find_moments(LIKE, other, gallery)
    empty = open_gallery(tmp_path / "empty", create=True, source=source_info())
    with pytest.raises(GalleryError, match="no video to search"):
        find_moments(LIKE, query, empty)
