"""What every registered localizer must do."""

import numpy as np
import pytest

from recue.core import FeatureSequence
from recue.core.errors import FingerprintError
from recue.core.protocols import BankLocalizer, Localizer
from recue.localize import LOCALIZERS
from support.sequences import noise, planted, sequence


@pytest.fixture(params=LOCALIZERS.names())
def localizer(request: pytest.FixtureRequest) -> Localizer:
    made: Localizer = LOCALIZERS.load(request.param)()
    assert made.name == request.param
    return made


def test_the_registered_ones_are_all_tried() -> None:
    assert {"align", "chance", "constant-window", "frame-level"} <= set(LOCALIZERS.names())


def test_is_a_localizer(localizer: Localizer) -> None:
    assert isinstance(localizer, Localizer)


@pytest.mark.parametrize(("n_query", "n_reference"), [(8, 60), (1, 30), (8, 1), (1, 1), (30, 12)])
def test_best_first_and_inside_the_reference(localizer: Localizer, n_query: int, n_reference: int) -> None:
    rng = np.random.default_rng(n_query * 100 + n_reference)
    query = sequence(noise(rng, n_query))
    reference = sequence(noise(rng, n_reference), start_s=-7.25)
    if n_reference > n_query:
        reference.values[3 : 3 + n_query] = query.values
    found = localizer.localize(query, reference)
    scores = [s.score for s in found]
    assert scores == sorted(scores, reverse=True)
    assert np.isfinite(scores).all()
    for one in found:
        assert reference.span.start_s <= one.segment.start_s < one.segment.end_s <= reference.span.end_s
        if one.query_segment is not None:
            part = one.query_segment
            assert query.span.start_s <= part.start_s < part.end_s <= query.span.end_s


def test_another_fingerprint_is_refused(localizer: Localizer) -> None:
    rng = np.random.default_rng(0)
    query = sequence(noise(rng, 4), fingerprint="one")
    reference = sequence(noise(rng, 20), fingerprint="other")
    with pytest.raises(FingerprintError, match=r"one.*other"):
        localizer.localize(query, reference)


def test_same_call_same_answer_and_inputs_untouched(localizer: Localizer) -> None:
    query, reference, _ = planted(np.random.default_rng(1))
    copies = [a.copy() for a in (query.values, query.times_s, reference.values, reference.times_s)]
    first = localizer.localize(query, reference)
    assert localizer.localize(query, reference) == first
    again: Localizer = LOCALIZERS.load(localizer.name)()
    assert again.localize(query, reference) == first
    for array, copy in zip((query.values, query.times_s, reference.values, reference.times_s), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_read_only_arrays_will_do(localizer: Localizer) -> None:
    query, reference, _ = planted(np.random.default_rng(1))
    expected = localizer.localize(query, reference)
    for array in (query.values, query.times_s, reference.values, reference.times_s):
        array.flags.writeable = False
    assert localizer.localize(query, reference) == expected


def test_float16_is_taken_and_float32_makes_little_difference(localizer: Localizer) -> None:
    query, reference, _ = planted(np.random.default_rng(2))

    def as_half(s: FeatureSequence) -> FeatureSequence:
        return FeatureSequence(s.values.astype(np.float16), s.times_s, s.backbone, s.fingerprint)

    half = localizer.localize(as_half(query), as_half(reference))
    assert bool(half) == bool(localizer.localize(query, reference))
    assert np.isfinite([s.score for s in half]).all()
    if localizer.name not in {"chance", "constant-window"}:
        assert half[0].segment == localizer.localize(query, reference)[0].segment


def test_identical_and_zero_vectors_do_no_harm(localizer: Localizer) -> None:
    for values in (np.ones((20, 6), np.float32), np.zeros((20, 6), np.float32)):
        found = localizer.localize(sequence(values[:5]), sequence(values))
        assert np.isfinite([s.score for s in found]).all()


def test_a_long_reference(localizer: Localizer) -> None:
    query, reference, truths = planted(np.random.default_rng(3), n_reference=20_000, at=(12_345,), dim=8)
    found = localizer.localize(query, reference)
    if localizer.name not in {"chance", "constant-window"}:
        assert found[0].segment.tiou(truths[0]) > 0.7
        assert len(found) < 5_000


def test_a_planted_moment_is_found_unless_content_is_ignored(localizer: Localizer) -> None:
    if localizer.name in {"chance", "constant-window"}:
        pytest.skip("ignores the content, by design")
    for seed in range(5):
        query, reference, truths = planted(np.random.default_rng(seed), at=(20,), start_s=3.0)
        found = localizer.localize(query, reference)
        assert found[0].segment.tiou(truths[0]) > 0.7


def test_a_whole_bank_gives_what_one_by_one_gives(localizer: Localizer) -> None:
    if not isinstance(localizer, BankLocalizer):
        pytest.skip("takes one reference at a time")
    from recue.core import FeatureBank

    rng = np.random.default_rng(4)
    query, first, _ = planted(rng, n_reference=40)
    references = [first, sequence(noise(rng, 7), start_s=5.0), sequence(noise(rng, 1))]
    bank = FeatureBank(
        np.concatenate([r.values for r in references]),
        np.concatenate([np.stack([r.times_s[:-1], r.times_s[1:]], axis=1) for r in references]),
        np.cumsum([0, *(len(r) for r in references)]),
        ("a", "b", "c"),
        query.fingerprint,
    )
    for got, reference in zip(localizer.localize_bank(query, bank), references, strict=True):
        expected = localizer.localize(query, reference)
        assert [s.segment for s in got] == [s.segment for s in expected]
        assert [s.score for s in got] == pytest.approx([s.score for s in expected], abs=1e-4)
