"""The space against plain NumPy, and what it promises."""

import numpy as np
import pytest

from recue.core import FeatureSequence
from recue.core.errors import GalleryError, ShapeError
from recue.localize.space import STRETCH_STEPS, Space, SpaceOptions, _class_steps


def sequence(values, dtype=np.float32):
    values = np.asarray(values, dtype)
    return FeatureSequence(values, np.arange(len(values) + 1, dtype=np.float64), "fake", "f0")


def sample(rng, n=400, dim=24):
    """Features as networks make them: not centred, channels of different loudness, correlated."""
    mixing = rng.normal(size=(dim, dim)) / dim**0.5
    return (np.maximum(rng.normal(size=(n, dim)) @ mixing + 0.5, 0) * rng.uniform(1, 5, dim)).astype(np.float32)


def test_similarity_is_the_cosine_of_standardised_features():
    values = sample(np.random.default_rng(0))
    space = Space.fit([sequence(values[:250]), sequence(values[250:])])
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    standard = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    standard = standard - standard.mean(axis=0)
    mapped = space.apply(values)
    np.testing.assert_allclose(mapped @ mapped.T, standard @ standard.T, atol=2e-4)


def test_classes_stand_beside_the_features_with_their_weight():
    rng = np.random.default_rng(1)
    values = sample(rng, dim=6)
    weight, bias = rng.normal(size=(6, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    options = SpaceOptions(class_weight=3.0, temperature=2.0, steps_per_class=0)
    space = Space.fit([sequence(values)], head=(weight, bias), options=options)
    logits = (values @ weight + bias) / 2.0
    posteriors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    roots = np.sqrt(posteriors)

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    look = unit((values - values.mean(axis=0)) / values.std(axis=0))
    both = np.concatenate([look, 3.0**0.5 * unit(roots - roots.mean(axis=0))], axis=1)
    both = (both - both.mean(axis=0)) / 2.0  # the length of unit parts of weight 1 and 3
    mapped = space.apply(values)
    np.testing.assert_allclose(mapped @ mapped.T, both @ both.T, atol=3e-4)


def test_few_directions_keep_most_of_the_similarity():
    rng = np.random.default_rng(2)
    values = (rng.normal(size=(500, 6)) @ rng.normal(size=(6, 80))).astype(np.float32)
    whole = Space.fit([sequence(values)]).apply(values)
    few = Space.fit([sequence(values)], options=SpaceOptions(out_dim=8)).apply(values)
    assert few.shape == (500, 8)
    np.testing.assert_allclose(few @ few.T, whole @ whole.T, atol=0.02)


def test_fewer_steps_than_dimensions_lose_nothing_of_them():
    values = sample(np.random.default_rng(3), n=30, dim=200)
    space = Space.fit([sequence(values)], options=SpaceOptions(out_dim=64))
    standard = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 0.1 * values.std(axis=0).mean())
    standard = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    standard = standard - standard.mean(axis=0)
    mapped = space.apply(values)
    np.testing.assert_allclose(mapped @ mapped.T, standard @ standard.T, atol=1e-3)


def test_what_a_small_gallery_never_saw_still_has_directions():
    rng = np.random.default_rng(4)
    values = sample(rng, n=30, dim=200)
    space = Space.fit([sequence(values)], options=SpaceOptions(out_dim=64))
    stranger = sample(rng, n=5, dim=200)
    length = np.linalg.norm(space.apply(stranger), axis=1)
    assert (length > 0.2).all()
    assert (length <= 1.3).all()


def test_what_is_not_like_the_gallery_stays_small_in_it():
    rng = np.random.default_rng(8)
    basis = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    values = (rng.normal(size=(600, 8)) @ basis[:8]).astype(np.float32)
    stranger = (rng.normal(size=(50, 8)) @ basis[8:16]).astype(np.float32)
    space = Space.fit([sequence(values)], options=SpaceOptions(out_dim=8))
    inside, outside = (np.linalg.norm(space.apply(v), axis=1).mean() for v in (values, stranger))
    assert inside > 0.8
    assert outside < 0.5 * inside


def test_made_steps_are_of_the_class_they_stand_for():
    rng = np.random.default_rng(9)
    values = np.abs(rng.normal(size=(200, 40))).astype(np.float32)
    head = (rng.normal(size=(40, 10)).astype(np.float32), np.zeros(10, np.float32))
    made = _class_steps(values - 0.5, head, np.array([40]), 3)
    assert made.shape == (30, 40)
    assert (made @ head[0] + head[1]).argmax(axis=1).tolist() == list(range(10)) * 3
    assert (made < 0).any()
    assert (_class_steps(values, head, np.array([40]), 3) >= 0).all(), "features behind a ReLU are never negative"


def test_made_steps_join_the_sample_but_not_the_stretches():
    rng = np.random.default_rng(10)
    values = np.abs(rng.normal(size=(200, 12))).astype(np.float32)
    head = (rng.normal(size=(12, 5)).astype(np.float32), np.zeros(5, np.float32))
    alone = Space.fit([sequence(values)], head=head, options=SpaceOptions(steps_per_class=0))
    joined = Space.fit([sequence(values)], head=head, options=SpaceOptions(steps_per_class=6))
    np.testing.assert_allclose(alone.mean, values.mean(axis=0), atol=1e-5)
    everything = np.concatenate([values, _class_steps(values, head, np.array([12]), 6)])
    np.testing.assert_allclose(joined.mean, everything.mean(axis=0), atol=1e-4)
    assert len(joined.background) == len(everything)
    assert joined.stretches.shape == alone.stretches.shape
    assert joined.n_fitted == 200


@pytest.mark.parametrize("values", [np.ones((1, 4)), np.ones((9, 4)), np.zeros((3, 4))])
def test_a_sample_without_variety_gives_a_usable_space(values):
    mapped = Space.fit([sequence(values)]).apply(values.astype(np.float32))
    assert np.isfinite(mapped).all()


def test_mirrored_stretches_have_the_same_loudness_and_changes():
    space = Space.fit([sequence(sample(np.random.default_rng(5)))])
    assert space.stretches.shape[1] == STRETCH_STEPS
    for real, mirrored in zip(space.stretches, space.mirrored, strict=True):
        np.testing.assert_allclose(mirrored @ mirrored.T, real @ real.T, atol=1e-4)
        assert np.abs((real * mirrored).sum(axis=1)).mean() < 0.8


def test_a_saved_space_is_the_same(tmp_path):
    values = sample(np.random.default_rng(6))
    space = Space.fit([sequence(values)], n_total=12_345)
    space.save(tmp_path / "space.npz")
    again = Space.load(tmp_path / "space.npz")
    assert again.fingerprint == space.fingerprint
    assert again.n_fitted == 12_345
    np.testing.assert_array_equal(again.apply(values), space.apply(values))
    assert [path.name for path in tmp_path.iterdir()] == ["space.npz"]


def test_a_damaged_file_is_said_to_be_one(tmp_path):
    (tmp_path / "space.npz").write_bytes(b"not a space")
    with pytest.raises(GalleryError, match="damaged; delete it"):
        Space.load(tmp_path / "space.npz")


def test_no_sequence_is_refused():
    with pytest.raises(ShapeError, match="at least one"):
        Space.fit([])


def test_parts_keep_their_share_whatever_their_size():
    rng = np.random.default_rng(11)
    first, second = sample(rng, dim=4), sample(rng, dim=20)
    values = np.concatenate([100 * first, second], axis=1)
    parts = {"motion": (slice(0, 4), 0.7), "appearance": (slice(4, 24), 0.3)}
    mapped = Space.fit([sequence(values)], parts=parts).apply(values)

    def standard(part):
        part = (part - part.mean(axis=0)) / part.std(axis=0)
        return part / np.linalg.norm(part, axis=1, keepdims=True)

    both = np.concatenate([0.7**0.5 * standard(first), 0.3**0.5 * standard(second)], axis=1)
    both = both - both.mean(axis=0)
    np.testing.assert_allclose(mapped @ mapped.T, both @ both.T, atol=1e-3)


def test_a_picture_is_compared_by_its_appearance_alone():
    rng = np.random.default_rng(12)
    motion, look = sample(rng, dim=8), sample(rng, dim=20)
    values = np.concatenate([motion, look], axis=1)
    head = (np.concatenate([rng.normal(size=(8, 5)), np.zeros((20, 5))]).astype(np.float32), np.zeros(5, np.float32))
    parts = {"motion": (slice(0, 8), 0.7), "appearance": (slice(8, 28), 0.3)}
    space = Space.fit([sequence(values)], head=head, parts=parts, options=SpaceOptions(steps_per_class=0))
    picture = values[:5].copy()
    picture[:, :8] = 1e3 * rng.normal(size=(5, 8))
    standard = (look - look.mean(axis=0)) / look.std(axis=0)
    standard = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    expected = standard[:5] @ (standard - standard.mean(axis=0)).T
    np.testing.assert_allclose(space.apply_still(picture) @ space.apply(values).T, expected, atol=2e-3)


def test_features_of_one_piece_are_all_that_a_picture_tells():
    values = sample(np.random.default_rng(13))
    space = Space.fit([sequence(values)])
    np.testing.assert_array_equal(space.apply_still(values), space.apply(values))
