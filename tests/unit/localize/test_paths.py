"""Ends of matches: same footage at its own, half and double speed, in surroundings that are nearly the same."""

import numpy as np
import pytest

from recue.localize.paths import best_paths, fit_ends


def slow_video(rng, n_steps=60, dim=16, inertia=0.8):
    """Unit vectors that change slowly, as a quiet scene does."""
    values = np.zeros((n_steps, dim), np.float32)
    values[0] = rng.normal(size=dim)
    for t in range(1, n_steps):
        values[t] = inertia * values[t - 1] + (1 - inertia**2) ** 0.5 * rng.normal(size=dim)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def best_fit(query, reference, threshold=0.3):
    gain = np.ascontiguousarray(reference @ query.T - threshold, np.float32)
    path = best_paths(gain, most=1)[0]
    return path, fit_ends(gain, path, ceiling=1.0 - threshold)


@pytest.mark.parametrize("seed", range(6))
def test_same_footage_in_a_quiet_scene_is_cut_out_to_the_step(seed):
    video = slow_video(np.random.default_rng(seed))
    path, fitted = best_fit(video[20:30], video)
    assert (path.first, path.stop) != (20, 30), "the sum alone already finds the ends: the test tests nothing"
    assert (fitted.first, fitted.stop) == (20, 30)
    assert (fitted.query_first, fitted.query_stop) == (0, 10)
    assert fitted.score == path.score


@pytest.mark.parametrize("seed", range(6))
def test_half_speed_is_followed_whole(seed):
    video = slow_video(np.random.default_rng(seed))
    slowed = np.concatenate([video[:20], np.repeat(video[20:30], 2, axis=0), video[30:]])
    _, fitted = best_fit(video[20:30], slowed)
    assert (fitted.first, fitted.stop) == (20, 40)


@pytest.mark.parametrize("seed", range(6))
def test_double_speed_is_found(seed):
    video = slow_video(np.random.default_rng(seed))
    hurried = np.concatenate([video[:20], video[20:40:2], video[40:]])
    _, fitted = best_fit(video[20:40], hurried)
    overlap = min(fitted.stop, 30) - max(fitted.first, 20)
    assert overlap / (max(fitted.stop, 30) - min(fitted.first, 20)) > 0.6


def test_several_matches_come_best_first():
    rng = np.random.default_rng(0)
    query = slow_video(rng, 6, inertia=0.0)
    reference = slow_video(rng, 50, inertia=0.0)
    reference[10:16] = query
    reference[30:36] = query + 0.05 * rng.normal(size=query.shape).astype(np.float32)
    paths = best_paths(np.ascontiguousarray(reference @ query.T - 0.5, np.float32), most=2)
    assert [(p.first, p.stop) for p in paths] == [(10, 16), (30, 36)]
    assert paths[0].score > paths[1].score
    assert paths[0].mean_gain == pytest.approx(0.5, abs=1e-5)


def test_nothing_similar_gives_no_path():
    assert best_paths(np.full((9, 3), -1.0, np.float32), most=5) == []
