import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recue.core import FeatureSequence
from recue.core.errors import ConfigError, FingerprintError, UnknownNameError, WeightsError
from recue.core.protocols import Localizer
from recue.localize.align import Align
from recue.localize.learned import LearnedLocalizer, find_steps, load_localizer, merge_windows, windows
from recue.models.inputs import Inputs
from recue.models.pairs import FoundSteps, build_model
from recue.models.saved import CheckpointConfig, TrainedModel, build_trained, load_trained, write_config, write_weights
from support.pairs import Stepwise
from support.sequences import noise, planted, sequence


def saved(directory: Path, model: str = "cross-gated", *, dim: int = 24, window: int = 128, **options: Any) -> Path:
    torch.manual_seed(0)
    config = CheckpointConfig(
        model, options, dim, {"name": "made", "fingerprint": "made"}, {"normalise": "unit"}, window, window // 2
    )
    directory.mkdir(parents=True, exist_ok=True)
    write_config(directory, config)
    write_weights(directory, build_trained(config), {"step": 3, "figures": {"map@1": 0.5}})
    return directory


def near(trained: TrainedModel) -> TrainedModel:
    """Makes `Stepwise` answer the runs of steps that point the way of the mean query step."""
    with torch.no_grad():
        trained.model.project.weight.copy_(torch.eye(*trained.model.project.weight.shape))  # type: ignore[union-attr, operator]
        trained.model.project.bias.zero_()  # type: ignore[union-attr, operator]
        trained.model.scale.weight.fill_(1.0)  # type: ignore[union-attr, operator]
        trained.model.scale.bias.fill_(-0.5)  # type: ignore[union-attr, operator]
    return trained.eval()


def stepwise(dim: int = 16) -> TrainedModel:
    return near(TrainedModel(Inputs(dim), Stepwise(dim, Stepwise.Options(n_hidden=dim))))


def scene(seed: int, *, n_reference: int, moments: list[tuple[int, int]], dim: int = 16) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    direction = np.ones(dim, np.float32)
    reference = -direction + 0.5 * noise(rng, n_reference, dim)
    for first, stop in moments:
        reference[first:stop] = direction + 0.3 * noise(rng, stop - first, dim)
    return direction[None].repeat(5, axis=0), reference.astype(np.float32)


@pytest.mark.parametrize("model", ["cross-gated", "video-level", "sst"])
def test_a_checkpoint_is_a_localizer(tmp_path: Path, model: str) -> None:
    made = load_localizer(saved(tmp_path / "net", model, n_hidden=8))
    assert isinstance(made, Localizer)
    assert made.name == model
    query, reference, _ = planted(np.random.default_rng(0), start_s=-7.25)
    found = made.localize(query, reference)
    assert found
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    for one in found:
        assert reference.span.start_s <= one.segment.start_s < one.segment.end_s <= reference.span.end_s
        assert one.query_segment == query.span
    for one, other in pairwise(found):
        assert one.segment.tiou(other.segment) == 0
    assert made.localize(query, reference) == found


def test_names_go_first_then_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "align", n_hidden=8)
    saved(tmp_path / "net", n_hidden=8)
    assert isinstance(load_localizer("align"), Align)
    assert isinstance(load_localizer("./align"), LearnedLocalizer)
    assert isinstance(load_localizer("net"), LearnedLocalizer)
    assert isinstance(load_localizer(Path("net")), LearnedLocalizer)


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'align'"):
        load_localizer("aling")
    with pytest.raises(ConfigError, match="there is no checkpoint directory"):
        load_localizer("runs/absent")
    with pytest.raises(ConfigError, match=r"is no checkpoint: it has no config\.json"):
        load_localizer(tmp_path)


def test_a_checkpoint_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    net = saved(tmp_path / "net", n_hidden=8)
    kept = (net / "model.safetensors").read_bytes()
    (net / "model.safetensors").write_bytes(kept[: len(kept) // 2])
    with pytest.raises(WeightsError, match="is damaged"):
        load_localizer(net)
    (net / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="the checkpoint is not whole"):
        load_localizer(net)
    saved(net, n_hidden=4)
    document = json.loads((net / "config.json").read_text())
    for change, error, said in [
        ({"options": {"n_hidden": 8}}, WeightsError, "weights of another model"),
        ({"schema": 2}, ConfigError, "schema 2, this version reads 1"),
        ({"kind": "other"}, ConfigError, "describes no checkpoint of recue"),
        ({"colour": 1}, ConfigError, "something unknown"),
        ({"features": {}}, ConfigError, "lacks something"),
        ({"model": "absent"}, UnknownNameError, "no model is called"),
    ]:
        (net / "config.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(error, match=said):
            load_localizer(net)
    (net / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="is not JSON"):
        load_localizer(net)


def test_features_of_another_make_are_refused_with_the_way_out(tmp_path: Path) -> None:
    made = load_localizer(saved(tmp_path / "net", n_hidden=8))
    rng = np.random.default_rng(0)
    with pytest.raises(FingerprintError, match=r"trained on features of 'made' \(made\).*index the videos with"):
        made.localize(sequence(noise(rng, 4), fingerprint="b"), sequence(noise(rng, 20), fingerprint="b"))
    with pytest.raises(FingerprintError, match="cannot be compared"):
        made.localize(sequence(noise(rng, 4)), sequence(noise(rng, 20), fingerprint="b"))


def test_many_pairs_at_once_are_as_one_by_one(tmp_path: Path) -> None:
    made = load_localizer(saved(tmp_path / "net", n_hidden=8, window=32))
    assert isinstance(made, LearnedLocalizer)
    rng = np.random.default_rng(0)
    pairs = [(sequence(noise(rng, n)), sequence(noise(rng, m))) for n, m in [(3, 9), (8, 100), (1, 1), (40, 31)]]
    for (query, reference), found in zip(pairs, made.localize_many(pairs), strict=True):
        alone = made.localize(query, reference)
        assert [one.segment for one in found] == [one.segment for one in alone]
        assert [one.score for one in found] == pytest.approx([one.score for one in alone], rel=1e-5)


def test_read_only_half_precision_will_do(tmp_path: Path) -> None:
    made = load_localizer(saved(tmp_path / "net", n_hidden=8))
    query, reference, _ = planted(np.random.default_rng(2))
    halves = []
    for each in (query, reference):
        values = each.values.astype(np.float16)
        values.flags.writeable = False
        halves.append(FeatureSequence(values, each.times_s, each.backbone, each.fingerprint))
    assert made.localize(*halves)


@pytest.mark.parametrize(("n", "window", "overlap"), [(1, 8, 4), (8, 8, 4), (9, 8, 4), (100, 8, 0), (1000, 64, 32)])
def test_windows_cover_all_and_overlap_enough(n: int, window: int, overlap: int) -> None:
    made = windows(n, window, overlap)
    assert made[0][0] == 0
    assert made[-1][1] == n
    assert all(stop - first == min(window, n) for first, stop in made)
    assert all(a[1] - b[0] >= overlap and b[0] > a[0] for a, b in pairwise(made))
    with pytest.raises(ConfigError, match="overlap by 0 to less than a window"):
        windows(n, window, window)


@pytest.mark.parametrize("length", [3, 10, 50])
def test_a_moment_on_a_seam_is_found_whole_and_once(length: int) -> None:
    """A network that sees one step at a time must answer by windows just what it answers on the whole."""
    trained = stepwise()
    for first in range(0, 400 - length, 7):
        query, reference = scene(first, n_reference=400, moments=[(first, first + length)])
        (whole,) = find_steps(trained, [(query, reference)], window_steps=400, overlap_steps=0)
        (parts,) = find_steps(trained, [(query, reference)], window_steps=128, overlap_steps=64)
        assert (whole[0].first, whole[0].stop) == (first, first + length)
        assert set(parts) == set(whole), first


def test_several_moments_in_a_long_reference(tmp_path: Path) -> None:
    moments = [(60, 72), (124, 150), (300, 310), (690, 700)]
    query, reference = scene(1, n_reference=700, moments=moments)
    net = LearnedLocalizer(
        stepwise(), CheckpointConfig("stepwise", {}, 16, {"name": "made", "fingerprint": "made"}, {}, 128, 64), "here"
    )
    found = net.localize(sequence(query), sequence(reference, step_s=1.0))
    assert sorted((one.segment.start_s, one.segment.end_s) for one in found) == moments


def test_what_touches_a_cut_gives_way_to_what_the_neighbour_saw_whole() -> None:
    half, whole = FoundSteps(90, 100, 9.0), FoundSteps(40, 60, 5.0)
    merged = merge_windows([((0, 100), [half]), ((50, 150), [whole])], 150)
    assert merged == [FoundSteps(90, 110, 5.0)]
    at_the_end = FoundSteps(90, 100, 1.0)
    assert merge_windows([((0, 100), []), ((50, 150), [at_the_end])], 150) == [FoundSteps(140, 150, 1.0)]


def test_longer_than_the_overlap_is_kept_even_at_a_cut() -> None:
    long = FoundSteps(30, 100, 1.0)
    assert merge_windows([((0, 100), [long]), ((50, 150), [])], 150) == [FoundSteps(30, 100, 1.0)]


def test_an_answer_has_one_segment_or_more() -> None:
    config = CheckpointConfig("stepwise", {}, 16, {"name": "made", "fingerprint": "made"})
    with pytest.raises(ConfigError, match="got n=0"):
        LearnedLocalizer(stepwise(), config, "here", 0)


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    net = saved(tmp_path / "net", n_hidden=8)
    loaded = load_trained(net)
    torch.manual_seed(0)
    fresh = build_model("cross-gated", dim=24, options={"n_hidden": 8}).state_dict()
    state: dict[str, Tensor] = loaded.model.state_dict()
    assert not loaded.training
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in state.items())
