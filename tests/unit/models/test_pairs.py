import subprocess
import sys

import numpy as np
import pytest
import torch

from recue.core.errors import ConfigError, ShapeError, UnknownNameError
from recue.models import MODELS
from recue.models.pairs import PairModel, PairTargets, build_model, pad, pair_batch, valid_steps


def test_listing_models_loads_no_torch() -> None:
    code = "import sys, recue.models as m; assert len(m.MODELS.names()) >= 3; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", MODELS.names())
def test_every_model_follows_the_protocol(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, dim=5).eval()
    assert isinstance(model, PairModel)
    assert model.dim == 5
    assert model.options == model.Options()
    rng = np.random.default_rng(0)
    batch = pair_batch([rng.standard_normal((n, 5)) for n in (3, 4)], [rng.standard_normal((n, 5)) for n in (12, 9)])
    output = model(batch)
    loss = model.loss(output, batch, PairTargets(torch.tensor([2, 1]), torch.tensor([6, 5])))
    assert loss.shape == ()
    assert loss.requires_grad
    found = model.decode(output, batch.n_reference, n=2)
    for answers, n in zip(found, (12, 9), strict=True):
        assert 1 <= len(answers) <= 2
        assert all(0 <= one.first < one.stop <= n for one in answers)
        assert [one.score for one in answers] == sorted((one.score for one in answers), reverse=True)


def test_an_unknown_option_names_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'bilinear'"):
        build_model("cross-gated", dim=4, options={"bilinaer": False})
    with pytest.raises(UnknownNameError, match="did you mean 'cross-gated'"):
        build_model("cross-gate", dim=4)


def test_pad_takes_read_only_half_precision_and_tensors() -> None:
    half = np.ones((2, 3), np.float16)
    half.flags.writeable = False
    padded, n_steps = pad([half, torch.full((1, 3), 2.0)])
    assert padded.dtype == torch.float32
    assert padded[1].tolist() == [[2.0] * 3, [0.0] * 3]
    assert valid_steps(n_steps, 2).tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("sequences", [[], [np.ones((0, 2))], [np.ones((1, 2)), np.ones((1, 3))], [np.ones(3)]])
def test_pad_refuses_what_is_no_batch(sequences: list[np.ndarray]) -> None:
    with pytest.raises(ShapeError, match="sequences"):
        pad(sequences)


def test_a_batch_has_as_many_queries_as_references_of_one_dim() -> None:
    one = np.ones((2, 3))
    with pytest.raises(ShapeError, match="2 queries and 1 references"):
        pair_batch([one, one], [one])
    with pytest.raises(ShapeError, match="3 values and reference vectors 4"):
        pair_batch([one], [np.ones((2, 4))])
