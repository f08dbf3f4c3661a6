"""The I3D backbone: chunks do not show, steps sit where they should, and with real weights it names actions."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recue.features import i3d as i3d_backbone
from recue.features import load_backbone
from recue.features.i3d import I3DBackbone
from recue.media import sample
from support.frames import frames_of, moving_images

torch = pytest.importorskip("torch")
from support.weights import write_made_up_weights  # noqa: E402  (needs torch)

JHMDB = Path(__file__).resolve().parents[4] / "shared" / "data" / "jhmdb"


@pytest.fixture(scope="class")
def _made_up_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    cache = tmp_path_factory.mktemp("cache") / "recue"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECUE_CACHE", str(cache))
        write_made_up_weights(cache)
        yield


@pytest.mark.usefixtures("_made_up_weights")
class TestWithMadeUpWeights:
    @pytest.mark.parametrize("stride", [8, 4])
    def test_where_the_chunks_are_cut_does_not_show(self, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
        spec = f"i3d:size=32,runtime=torch,stride={stride}"
        frames = frames_of(moving_images(70, 32), load_backbone(spec).sampling)
        values = load_backbone(spec).encode(frames).values
        monkeypatch.setattr(i3d_backbone, "_CHUNK_FRAMES", 48)
        np.testing.assert_allclose(load_backbone(spec).encode(frames).values, values, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("stride", [8, 4])
    def test_a_step_sees_most_of_its_own_frames(self, stride: int) -> None:
        # A flash in one frame moves the features most in the step that holds the frame, or in its neighbour if the
        # frame lies at the step's edge.
        backbone = load_backbone(f"i3d:size=32,runtime=torch,stride={stride}")
        images = np.full((64, 32, 32, 3), 90, dtype=np.uint8)
        quiet = backbone.encode(frames_of(images, backbone.sampling)).values
        centres = []
        for place in (32, 33, 32 + stride // 2, 33 + stride // 2):
            flashed = images.copy()
            flashed[place] = 200
            moved = np.linalg.norm(backbone.encode(frames_of(flashed, backbone.sampling)).values - quiet, axis=1)
            middles = stride * (np.arange(len(moved)) + 0.5)
            centres.append((moved * middles).sum() / moved.sum() - (place + 0.5))
        assert abs(np.mean(centres)) < 0.7

    @pytest.mark.parametrize("stride", [8, 4])
    def test_a_shot_is_seen_without_its_neighbours(self, stride: int) -> None:
        # What comes before and after a shot changes its features less with each shot for itself; and the steps of the
        # video are as many, at the same times.
        rng = np.random.default_rng(5)
        shots = [rng.integers(0, 256, (1, 32, 32, 3)).astype(np.uint8) + moving_images(40, 32) // 8 for _ in range(3)]
        moved = {}
        for context in ("video", "shot"):
            backbone = load_backbone(f"i3d:size=32,runtime=torch,stride={stride},context={context}")
            alone = backbone.encode(frames_of(shots[1], backbone.sampling))
            inside = backbone.encode(frames_of(np.concatenate(shots), backbone.sampling))
            assert len(inside) == 120 // stride
            part = inside.values[40 // stride : 80 // stride]
            moved[context] = np.linalg.norm(part - alone.values, axis=1)
        # Weights at random look further than learned ones.
        assert moved["shot"].mean() < 0.6 * moved["video"].mean()

    def test_the_runtimes_agree(self) -> None:
        frames = frames_of(moving_images(40, 32), load_backbone("i3d:size=32,runtime=torch").sampling)
        reference = load_backbone("i3d:size=32,runtime=torch").encode(frames).values
        for options, least in (("precision=fp32", 0.99999), ("precision=bf16", 0.995)):
            values = load_backbone(f"i3d:size=32,runtime=openvino,{options}").encode(frames).values
            lengths = np.linalg.norm(values, axis=1) * np.linalg.norm(reference, axis=1)
            assert ((values * reference).sum(axis=1) / lengths).min() > least

    def test_the_head_gives_the_posteriors(self) -> None:
        backbone = load_backbone("i3d:size=32,runtime=torch")
        assert isinstance(backbone, I3DBackbone)
        weight, bias = backbone.head()
        values = np.random.default_rng(0).random((3, 1024)).astype(np.float32)
        logits = values @ weight.T + bias
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(backbone.posteriors(values), expected, rtol=1e-3)


def test_cost_and_step() -> None:
    assert load_backbone("i3d").step_s == pytest.approx(0.32)
    assert load_backbone("i3d:rate=25/2,stride=4").step_s == pytest.approx(0.32)
    assert len(load_backbone("i3d").classes) == 400


@pytest.mark.weights("i3d-kinetics400")
@pytest.mark.shared
def test_names_actions() -> None:
    # Clear cases; over all clips of a second's length about half are named first (docs/backbones.md).
    backbone = load_backbone("i3d:size=128,rate=25/2,precision=bf16")
    for label, action in (("shoot_bow", "archery"), ("swing_baseball", "hitting baseball"), ("push", "pushing c")):
        file = sorted((JHMDB / label).glob("*.avi"))[17]
        mean = backbone.encode(sample(file, backbone.sampling)).values.mean(axis=0, keepdims=True)
        assert action in backbone.classes[backbone.posteriors(mean)[0].argmax()]
