"""Scanning a bank gives the best score of each video that aligning it alone gives."""

import numpy as np
import pytest

from recue.core import FeatureBank, FeatureSequence
from recue.localize import scan
from recue.localize.align import Align
from recue.localize.space import Space


def bank_of(lengths, rng, dim=16):
    values = rng.normal(size=(sum(lengths), dim)).astype(np.float32)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    bounds_s = np.concatenate([np.stack([np.arange(n), np.arange(n) + 1.0], axis=1) for n in lengths])
    return FeatureBank(values, bounds_s, offsets, tuple(f"v{i}" for i in range(len(lengths))), "f0")


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("block_rows", [8, 50, 4096])
def test_equals_aligning_each_video(monkeypatch, threads, block_rows):
    monkeypatch.setattr(scan, "_BLOCK_ROWS", block_rows)
    rng = np.random.default_rng(0)
    plain = bank_of([3, 1, 70, 8, 8, 120, 2, 33], rng)
    space = Space.fit([plain.sequence(i, "fake") for i in range(len(plain))])
    bank = FeatureBank(space.apply(plain.values), plain.bounds_s, plain.offsets, plain.video_ids, plain.fingerprint)
    query = plain.sequence(5, "fake").with_steps(10, 17)
    aligner = Align(space=space)
    for videos in (None, np.array([7, 2, 3, 4], np.int64)):
        scores = aligner.best_scores(query, bank, videos, threads=threads)
        whole = aligner.localize_bank(query, bank, videos)
        assert len(scores) == len(whole)
        for score, segments in zip(scores, whole, strict=True):
            assert score == pytest.approx(segments[0].score if segments else 0.0, abs=1e-4)
    assert aligner.best_scores(query, bank).argmax() == 5


def test_searching_finds_what_aligning_everything_finds():
    rng = np.random.default_rng(3)
    plain = bank_of([400, 900, 30, 700], rng)
    for video, first in ((0, 100), (1, 50), (1, 800), (3, 333)):
        begin = int(plain.offsets[video]) + first
        plain.values[begin : begin + 12] = plain.values[5:17] + 0.2 * rng.normal(size=(12, 16))
    space = Space.fit([plain.sequence(i, "fake") for i in range(len(plain))])
    bank = FeatureBank(space.apply(plain.values), plain.bounds_s, plain.offsets, plain.video_ids, "f0")
    query = plain.sequence(0, "fake").with_steps(5, 17)
    aligner = Align(space=space)
    whole = aligner.localize_bank(query, bank)
    found = aligner.search_bank(query, bank, most=5)
    ranked = sorted(((s.score, i, s.segment) for i, segments in enumerate(whole) for s in segments), reverse=True)
    got = sorted(((s.score, i, s.segment) for i, segments in found.items() for s in segments), reverse=True)
    assert [g[1:] for g in got[:5]] == [w[1:] for w in ranked[:5]]
    assert [g[0] for g in got[:5]] == pytest.approx([w[0] for w in ranked[:5]], abs=1e-4)
    assert sorted(found) == [0, 1, 2, 3], "each video that matches at all gives its best"
    some = aligner.search_bank(query, bank, np.array([1, 2], np.int64), most=5)
    assert set(some) <= {1, 2}


def test_an_empty_choice_gives_an_empty_answer():
    bank = bank_of([5], np.random.default_rng(0))
    empty = scan.scan_bank(bank, bank.values[:2], np.zeros(2, np.float32), videos=np.zeros(0, np.int64))
    assert not empty.any()


def test_half_precision_banks_are_read(monkeypatch):
    rng = np.random.default_rng(1)
    bank = bank_of([40, 9], rng)
    half = FeatureBank(bank.values.astype(np.float16), bank.bounds_s, bank.offsets, bank.video_ids, bank.fingerprint)
    query, threshold = bank.values[3:8], np.full(5, 1.0, np.float32)
    np.testing.assert_allclose(
        scan.scan_bank(half, query, threshold), scan.scan_bank(bank, query, threshold), rtol=2e-3, atol=0.02
    )


def test_a_moment_is_found_with_its_place_in_the_query():
    rng = np.random.default_rng(2)
    reference = FeatureSequence(rng.normal(size=(80, 16)).astype(np.float32), np.linspace(5, 45, 81), "fake", "f0")
    query = FeatureSequence(reference.values[30:40], np.linspace(100, 105, 11), "fake", "f0")
    best = Align().localize(query, reference)[0]
    assert (best.segment.start_s, best.segment.end_s) == (20.0, 25.0)
    assert (best.query_segment.start_s, best.query_segment.end_s) == (100.0, 105.0)


def test_a_long_query_is_compared_with_stretches_that_could_hold_it():
    rng = np.random.default_rng(5)
    plain = bank_of([2000], rng)
    aligner = Align(space=Space.fit([plain.sequence(0, "fake")]))
    short, long = (plain.sequence(0, "fake").with_steps(0, n) for n in (10, 100))
    (of_short, _), (of_long, _) = aligner.null_scores(short), aligner.null_scores(long)
    n_stretches = len(aligner.space.stretches)
    assert len(of_short) == n_stretches
    assert len(of_long) == n_stretches // 5, "a match of 100 steps may be 200 long; a stretch has 48"
    beyond = plain.sequence(0, "fake").with_steps(0, 1990)
    assert len(aligner.null_scores(beyond)[0]) >= 1
