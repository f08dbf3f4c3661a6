"""Motion and appearance joined: the cosine is the weighted mean of both, and each part is what it is alone."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from recue.features import load_backbone
from recue.features.combined import CombinedBackbone
from support.frames import frames_of, moving_images

torch = pytest.importorskip("torch")
from support.weights import write_made_up_weights  # noqa: E402  (needs torch)


@pytest.fixture(scope="module", autouse=True)
def _made_up_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    cache = tmp_path_factory.mktemp("cache") / "recue"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECUE_CACHE", str(cache))
        write_made_up_weights(cache)
        yield


def cosine(values: NDArray[np.floating]) -> NDArray[np.floating]:
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit @ unit.T


def picked(n_frames: int, stride: int, per_step: int) -> list[list[int]]:
    """Frames of each step that appearance looks at: evenly spread, the last one there if none is reached."""
    steps = []
    for start in range(0, n_frames, stride):
        places = [start + int((index + 0.5) * stride / per_step) for index in range(per_step)]
        steps.append([place for place in places if place < n_frames] or [n_frames - 1])
    return steps


@pytest.mark.parametrize(("n_frames", "per_step"), [(26, 1), (26, 3), (8, 2), (1, 1), (29, 2)])
def test_the_parts_and_their_weight(n_frames: int, per_step: int) -> None:
    joined = load_backbone(f"i3d+efficientnet-lite:size=32,runtime=torch,per_step={per_step},weight=0.4")
    images = moving_images(n_frames, 32)
    frames = frames_of(images, joined.sampling)
    values = joined.encode(frames).values
    motion = load_backbone("i3d:size=32,runtime=torch").encode(frames).values
    pictures = load_backbone("efficientnet-lite:size=32,runtime=torch")
    each = pictures.encode(frames_of(images, pictures.sampling)).values
    appearance = np.stack([each[places].mean(axis=0) for places in picked(n_frames, 8, per_step)])
    assert values.shape == (len(motion), 1024 + 1280)
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(cosine(values), 0.6 * cosine(motion) + 0.4 * cosine(appearance), atol=1e-4)
    assert isinstance(joined, CombinedBackbone)
    for name, alone in (("motion", motion), ("appearance", appearance)):
        where, share = joined.parts[name]
        np.testing.assert_allclose(cosine(values[:, where]), cosine(alone), atol=1e-4)
        np.testing.assert_allclose((values[:, where] ** 2).sum(axis=1), share, rtol=1e-4)


def test_posteriors_keep_the_order_of_the_motion_part() -> None:
    joined, alone = (
        load_backbone("i3d+efficientnet-lite:size=32,runtime=torch"),
        load_backbone("i3d:size=32,runtime=torch"),
    )
    frames = frames_of(moving_images(24, 32), joined.sampling)
    motion = alone.encode(frames).values
    typical = motion / np.linalg.norm(motion, axis=1, keepdims=True) * 10.0
    np.testing.assert_allclose(
        joined.posteriors(joined.encode(frames).values), alone.posteriors(typical), rtol=1e-2, atol=1e-6
    )
    assert joined.classes == alone.classes


def test_all_weight_on_one_part() -> None:
    frames = frames_of(moving_images(9, 32), load_backbone("i3d:size=32,runtime=torch").sampling)
    for weight, empty in ((0, slice(1024, None)), (1, slice(0, 1024))):
        values = load_backbone(f"i3d+efficientnet-lite:size=32,runtime=torch,weight={weight}").encode(frames).values
        assert not values[:, empty].any()
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, rtol=1e-5)
