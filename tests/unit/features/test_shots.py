"""Shots are told apart where a cut or a short dissolve is, and one shot's pictures stay out of the next one's."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from recue.features.shots import ShotContext, marked_shots

Images = NDArray[np.uint8]


def _scene(seed: int, n: int, *, size: tuple[int, int] = (64, 96), speed: float = 1.0) -> Images:
    """A cloudy ground that pans, `[n, height, width, 3]`."""
    rng = np.random.default_rng(seed)
    rows, columns = np.linspace(0, 3, size[0]), np.linspace(0, 9, 3 * size[1])
    knots = rng.uniform(0, 255, (4, 10, 3))
    upper, left = np.minimum(rows.astype(int), 2), np.minimum(columns.astype(int), 8)
    y, x = (rows - upper)[:, None, None], (columns - left)[:, None]
    above = knots[upper][:, left] * (1 - x) + knots[upper][:, left + 1] * x
    below = knots[upper + 1][:, left] * (1 - x) + knots[upper + 1][:, left + 1] * x
    ground = (above * (1 - y) + below * y).astype(np.uint8)
    return np.stack([ground[:, round(k * speed) : round(k * speed) + size[1]] for k in range(n)])


def _dissolve(a: Images, b: Images, n: int) -> Images:
    """The end of `a` over the start of `b`, `n` pictures long."""
    share = ((np.arange(n) + 1) / (n + 1))[:, None, None, None]
    mixed = a[len(a) - n :] * (1 - share) + b[:n] * share
    return np.concatenate([a[: len(a) - n], mixed.astype(np.uint8), b[n:]])


def _cuts(images: Sequence[NDArray[np.uint8]] | Images, rate: float = 20.0) -> list[int]:
    numbers = [number for _, number in marked_shots(iter(images), rate_fps=rate)]
    assert len(numbers) == len(images)
    return [k for k in range(1, len(numbers)) if numbers[k] != numbers[k - 1]]


@pytest.mark.parametrize("rate", [12.5, 20.0, 25.0, 60.0])
def test_cuts_are_found_to_the_frame(rate: float) -> None:
    images = np.concatenate([_scene(1, 40), _scene(2, 33), _scene(3, 50)])
    assert _cuts(images, rate) == [40, 73]


def test_a_dissolve_is_one_join_in_its_middle() -> None:
    images = _dissolve(_scene(1, 40), _scene(2, 40), 6)
    (join,) = _cuts(images)
    assert abs(join - 37) <= 1


@pytest.mark.parametrize("speed", [0.0, 1.0, 3.0])
def test_a_pan_is_no_cut(speed: float) -> None:
    assert _cuts(_scene(1, 45, speed=speed)) == []


def test_a_change_of_light_is_no_cut() -> None:
    images = _scene(1, 40, speed=0.0).astype(np.float64)
    images[20:] *= 0.7
    assert _cuts(images.astype(np.uint8)) == []


def test_repeated_frames_of_a_slower_source_do_not_hide_a_cut() -> None:
    images = np.concatenate([_scene(1, 20), _scene(2, 20)]).repeat(2, axis=0)
    assert _cuts(images) == [40]


def test_a_picture_of_one_colour_is_a_shot_of_its_own() -> None:
    black = np.zeros((20, 64, 96, 3), dtype=np.uint8)
    assert _cuts(np.concatenate([_scene(1, 30), black, _scene(2, 30)])) == [30, 50]
    assert _cuts(black) == []


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_short_streams_come_through_whole(n: int) -> None:
    images = _scene(1, 9)[:n]
    given = list(marked_shots(iter(images), rate_fps=20.0))
    assert [number for _, number in given] == [0] * n
    for (picture, _), image in zip(given, images, strict=True):
        np.testing.assert_array_equal(picture, image)


def _apart(images: Images, *, stride: int = 4, repeats: int = 8) -> tuple[list[Images], ShotContext]:
    context = ShotContext(stride=stride, rate_fps=20.0, repeats=repeats)
    return list(context.apart(iter(images))), context


def test_a_stream_without_cuts_is_not_touched() -> None:
    images = _scene(1, 43)
    out, context = _apart(images)
    np.testing.assert_array_equal(np.stack(out), images)
    assert context.steps == list(range(11))


def test_edge_pictures_are_repeated_between_shots() -> None:
    a, b = _scene(1, 40), _scene(2, 24)
    out, context = _apart(np.concatenate([a, b]))
    wanted = np.concatenate([a, a[-1:].repeat(8, axis=0), b[:1].repeat(8, axis=0), b])
    np.testing.assert_array_equal(np.stack(out), wanted)
    assert context.steps == [*range(10), *range(14, 20)]


@pytest.mark.parametrize(("n_before", "bound"), [(41, 40), (42, 40), (43, 44)])
def test_a_cut_inside_a_step_moves_to_its_nearer_end(n_before: int, bound: int) -> None:
    # 41 and 42 pictures: the step of pictures 40 to 43 is the later shot's (even goes to the later); 43: the earlier's.
    a, b = _scene(1, n_before), _scene(2, 30)
    out, context = _apart(np.concatenate([a, b]))
    is_a = [any(np.array_equal(picture, other) for other in a) for picture in out]
    assert is_a == [True] * (bound + 8) + [False] * (len(out) - bound - 8)
    assert context.steps[bound // 4 - 1 : bound // 4 + 1] == [bound // 4 - 1, bound // 4 + 4]
    assert len(context.steps) == -(-(n_before + 30) // 4)


def test_repeats_that_break_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of the stride 8, got 2"):
        ShotContext(stride=8, rate_fps=20.0, repeats=2)
