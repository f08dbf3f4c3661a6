"""Confidence: in bounds, rising, and right about how often chance alone does as well."""

import math

import numpy as np
import pytest

from recue.localize.space import STRETCH_STEPS
from recue.search.calibrate import DEFAULT_MIN_CONFIDENCE, MIDPOINT, Null, confidence_of


def test_evidence_counts_what_chance_would_give():
    # Scores of a Gumbel law with the deviation the module states: in n stretches, as many lie above the score of
    # evidence e as exp(-e) says.
    rng = np.random.default_rng(0)
    scale = 0.45 * math.sqrt(6) / math.pi
    scores = 3.0 * rng.gumbel(1 - 0.5772156649 * scale, scale, size=200_000)
    null = Null.fit(scores[:50_000], n_query=4, n_steps=1000 * STRETCH_STEPS)
    for expected in (20.0, 5.0, 1.0):
        above = (null.evidence(scores) >= -math.log(expected)).mean() * 1000
        assert above == pytest.approx(expected, rel=0.15)


def test_confidence_rises_and_stays_in_bounds():
    null = Null.fit(np.array([1.0, 1.2, 0.8]), n_query=4, n_steps=5000)
    confidences = confidence_of(null.evidence(np.array([-1e9, 0.0, 1.0, 2.0, 5.0, 1e9])))
    assert (np.diff(confidences) >= 0).all()
    assert confidences[0] >= 0
    assert confidences[-1] <= 1
    assert confidences[-1] > 0.999


def test_the_threshold_is_the_midpoint():
    null = Null.fit(np.array([1.0, 1.2, 0.8]), n_query=4, n_steps=5000)
    scores = np.linspace(0, 5, 5001)
    crossing = scores[np.argmax(confidence_of(null.evidence(scores)) >= DEFAULT_MIN_CONFIDENCE)]
    assert null.evidence(crossing) == pytest.approx(MIDPOINT, abs=0.02)


def test_the_same_score_means_less_in_a_larger_gallery_and_for_a_louder_query():
    scores = np.array([1.0, 1.2, 0.8])
    small, large = Null.fit(scores, n_query=4, n_steps=500), Null.fit(scores, n_query=4, n_steps=500_000)
    assert small.evidence(3.0) > large.evidence(3.0)
    assert Null.fit(2 * scores, n_query=4, n_steps=500).evidence(3.0) < small.evidence(3.0)
    assert Null.fit(2 * scores, n_query=4, n_steps=500).evidence(6.0) == pytest.approx(float(small.evidence(3.0)))


def test_the_level_is_mostly_the_usual_one():
    mirrored = np.full(50, 3.2)
    whole = Null.fit(mirrored, np.full(50, 3.2), n_query=4, n_steps=500, usual_level=0.4)
    assert whole.level == pytest.approx(3.2**0.15 * (0.4 * 4**0.5) ** 0.85)
    assert Null.fit(mirrored, n_query=4, n_steps=500).level == pytest.approx(3.2)


def test_real_stretches_count_by_their_median_alone():
    mirrored = np.ones(50)
    calm = Null.fit(mirrored, np.ones(50), n_query=4, n_steps=500)
    spoilt = Null.fit(mirrored, np.r_[np.ones(40), np.full(10, 99.0)], n_query=4, n_steps=500)
    busy = Null.fit(mirrored, np.full(50, 4.0), n_query=4, n_steps=500)
    assert spoilt.level == pytest.approx(calm.level)
    assert busy.level == pytest.approx(calm.level * 2)


def test_a_law_of_any_place_and_width_counts_what_chance_would_give():
    rng = np.random.default_rng(0)
    plain = rng.gumbel(0.0, 1.0, size=200_000)
    for place, width in [(0.0, 1.0), (-30.0, 0.1), (5.0, 40.0)]:
        scores = place + width * plain
        null = Null.fit_any(scores[:50_000], np.array([]), n_steps=1000 * STRETCH_STEPS)
        for expected in (20.0, 5.0, 1.0):
            above = (null.evidence(scores) >= -math.log(expected)).mean() * 1000
            assert above == pytest.approx(expected, rel=0.15)


def test_videos_that_are_loud_raise_what_is_ordinary_and_a_few_matches_do_not():
    rng = np.random.default_rng(0)
    mirrored, real = rng.normal(-5.0, 0.1, 50), rng.normal(-3.0, 0.5, 200)
    quiet = Null.fit_any(mirrored, real[:7], n_steps=500)
    loud = Null.fit_any(mirrored, real, n_steps=500)
    spoilt = Null.fit_any(mirrored, np.r_[real, np.full(10, 50.0)], n_steps=500)
    assert quiet.evidence(-3.0) > 20
    assert loud.evidence(-3.0) < 0
    assert spoilt.evidence(0.0) == pytest.approx(float(loud.evidence(0.0)), rel=0.2)
    assert loud.evidence(0.0) > 2


def test_scores_that_never_change_and_no_scores_are_never_sure():
    for mirrored in (np.ones(32), np.array([])):
        null = Null.fit_any(mirrored, np.ones(12), n_steps=500)
        assert confidence_of(null.evidence(np.array([1.0])))[0] < DEFAULT_MIN_CONFIDENCE
