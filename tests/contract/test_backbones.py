"""What every registered backbone must do, with made-up weights, so that it is tried everywhere."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from recue.core.errors import ShapeError, WeightsError
from recue.core.protocols import Backbone, FileSource
from recue.features import BACKBONES, encode_image, load_backbone, load_source
from support.frames import frames_of, moving_images

torch = pytest.importorskip("torch")
from support.weights import write_made_up_weights  # noqa: E402  (needs torch)

#: The cheapest settings of each; a registered name without a line here is tried as it is.
SMALL = {
    "i3d": "i3d:size=32,runtime=torch",
    "efficientnet-lite": "efficientnet-lite:size=32,runtime=torch,per_step=3",
    "i3d+efficientnet-lite": "i3d+efficientnet-lite:size=32,runtime=torch,per_step=2",
    "precomputed": "precomputed:step_s=0.5",
}
NAMES = BACKBONES.names()
ENCODERS = [name for name in NAMES if name != "precomputed"]


@pytest.fixture(scope="module", autouse=True)
def _made_up_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    cache = tmp_path_factory.mktemp("cache") / "recue"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECUE_CACHE", str(cache))
        write_made_up_weights(cache)
        yield


@pytest.fixture(scope="module")
def backbones() -> dict[str, Backbone]:
    return {name: load_backbone(SMALL.get(name, name)) for name in ENCODERS}


@pytest.fixture(params=ENCODERS)
def backbone(request: pytest.FixtureRequest, backbones: dict[str, Backbone]) -> Backbone:
    return backbones[request.param]


def frames_per_step(backbone: Backbone) -> int:
    rate = backbone.sampling.rate_fps
    assert rate is not None
    n = Fraction(backbone.step_s).limit_denominator(10_000) * rate
    assert n.denominator == 1
    return int(n)


def pictures(backbone: Backbone, n_frames: int, *, seed: int = 0) -> np.ndarray:
    return moving_images(n_frames, backbone.sampling.height, seed=seed)


def test_the_registered_ones_are_all_tried() -> None:
    assert {"i3d", "efficientnet-lite", "i3d+efficientnet-lite", "precomputed"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_is_one_thing_and_can_be_asked_for_again(name: str) -> None:
    source = load_source(SMALL.get(name, name))
    assert isinstance(source, Backbone) != isinstance(source, FileSource)
    again = load_source(source.name)
    assert (again.name, again.fingerprint, again.dim, again.step_s) == (
        source.name,
        source.fingerprint,
        source.dim,
        source.step_s,
    )


def test_one_step_for_every_few_frames(backbone: Backbone) -> None:
    per_step = frames_per_step(backbone)
    for n_frames in (1, per_step, 2 * per_step + 1):
        frames = frames_of(pictures(backbone, n_frames), backbone.sampling, start_s=2.5)
        features = backbone.encode(iter(frames))
        n_steps = -(-n_frames // per_step)
        assert features.values.shape == (n_steps, backbone.dim)
        assert features.values.dtype == np.float32
        expected = [frames[k * per_step].due_s for k in range(n_steps)] + [frames[-1].until_s]
        assert features.times_s.tolist() == expected
        assert (features.backbone, features.fingerprint) == (backbone.name, backbone.fingerprint)


def test_the_same_twice_and_another_for_other_content(backbone: Backbone) -> None:
    one = frames_of(pictures(backbone, 20), backbone.sampling)
    other = frames_of(pictures(backbone, 20, seed=3), backbone.sampling)
    first = backbone.encode(one).values
    np.testing.assert_array_equal(backbone.encode(one).values, first)
    assert not np.allclose(backbone.encode(other).values, first, rtol=1e-2)


def test_the_same_content_in_a_clip_and_in_a_long_video(backbone: Backbone) -> None:
    per_step = frames_per_step(backbone)
    images = pictures(backbone, 20 * per_step)
    long = backbone.encode(frames_of(images, backbone.sampling)).values[3:18]
    clip = backbone.encode(frames_of(images[3 * per_step : 18 * per_step], backbone.sampling)).values
    cosine = (clip * long).sum(axis=1) / np.linalg.norm(clip, axis=1) / np.linalg.norm(long, axis=1)
    # At the edges a backbone with context sees the edge frame stand still, instead of what came before.
    assert cosine.min() > 0.9
    # Seven steps in, it sees inside the clip all that it sees in the video.
    np.testing.assert_allclose(clip[7:-7], long[7:-7], rtol=1e-3, atol=1e-4)


def test_posteriors(backbone: Backbone) -> None:
    values = backbone.encode(frames_of(pictures(backbone, 20), backbone.sampling)).values
    posteriors = backbone.posteriors(values)
    assert posteriors.shape == (len(values), len(backbone.classes))
    assert len(set(backbone.classes)) == len(backbone.classes)
    if backbone.classes:
        np.testing.assert_allclose(posteriors.sum(axis=1), 1, rtol=1e-4)
        assert posteriors.min() >= 0
        np.testing.assert_allclose(backbone.posteriors(values.astype(np.float16)), posteriors, atol=0.05)
        with pytest.raises(ShapeError, match="posteriors take vectors"):
            backbone.posteriors(values[:, :-1])


def test_a_still_picture(backbone: Backbone) -> None:
    image = pictures(backbone, 1)[0]
    still = encode_image(backbone, image)
    assert still.values.shape == (1, backbone.dim)
    assert still.times_s.tolist() == pytest.approx([0, backbone.step_s])
    as_video = backbone.encode(frames_of(np.stack([image] * frames_per_step(backbone)), backbone.sampling))
    np.testing.assert_allclose(still.values, as_video.values, rtol=1e-5)


def test_an_empty_stream(backbone: Backbone) -> None:
    with pytest.raises(ShapeError, match="empty"):
        backbone.encode([])


def test_pictures_of_another_size(backbone: Backbone) -> None:
    frames = frames_of(moving_images(2, backbone.sampling.height + 1), backbone.sampling)
    with pytest.raises(ShapeError, match="takes uint8 pictures"):
        backbone.encode(frames)


def test_what_does_not_change_the_features_does_not_change_the_fingerprint(backbone: Backbone) -> None:
    other = load_backbone(backbone.name.replace("runtime=torch", "runtime=openvino"), threads=2)
    assert other.name != backbone.name
    assert other.fingerprint == backbone.fingerprint


@pytest.mark.parametrize("option", ["rate=7", "precision=bf16", "fit=squash", "skip=nonref"])
def test_what_changes_the_features_changes_the_fingerprint(backbone: Backbone, option: str) -> None:
    name = backbone.name
    changed = load_backbone(f"{name}{',' if ':' in name else ':'}{option}")
    assert changed.fingerprint != backbone.fingerprint


@pytest.mark.parametrize("name", ENCODERS)
def test_without_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECUE_CACHE", str(tmp_path))
    backbone = load_backbone(SMALL.get(name, name))
    assert len(backbone.fingerprint) >= 8
    if BACKBONES.load(name)().weights_needed():
        with pytest.raises(WeightsError, match="recue prepare"):
            backbone.encode(frames_of(pictures(backbone, 2), backbone.sampling))
