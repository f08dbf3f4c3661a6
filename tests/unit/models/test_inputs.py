import numpy as np
import pytest
import torch

from recue.core.errors import ConfigError, ShapeError
from recue.models.inputs import InputOptions, Inputs
from recue.models.pairs import pair_batch


def made(normalise: str = "none", pca: int = 0, *, dim: int = 5, n: int = 400) -> tuple[Inputs, np.ndarray]:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((n, dim)) * np.array([1, 10, 0.1, 3, 3])[:dim] + np.arange(dim)
    samples[:, 3] = 0.5 * samples[:, 1] + 0.1 * samples[:, 3]
    inputs = Inputs(dim, InputOptions(normalise, pca))  # type: ignore[arg-type]
    inputs.fit(samples)
    return inputs, samples


def test_standard_channels_have_mean_0_and_deviation_1() -> None:
    inputs, samples = made("standard")
    out = inputs(torch.from_numpy(samples).float()).numpy()
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=1e-4)


def test_a_channel_that_never_varies_is_not_blown_up() -> None:
    inputs = Inputs(2, InputOptions("standard"))
    inputs.fit(np.ones((9, 2)))
    assert inputs(torch.ones(3, 2)).abs().max() < 1e-3


def test_unit_vectors_have_length_1_and_zero_stays_zero() -> None:
    inputs, samples = made("unit")
    out = inputs(torch.from_numpy(samples).float())
    torch.testing.assert_close(out.norm(dim=1), torch.ones(len(out)))
    assert (inputs(torch.zeros(2, 5)) == 0).all()


@pytest.mark.parametrize("normalise", ["none", "unit", "standard"])
def test_components_are_those_of_a_singular_value_decomposition(normalise: str) -> None:
    inputs, samples = made(normalise, 3)
    before, _ = made(normalise)
    values = before(torch.from_numpy(samples).float()).double().numpy()
    _, _, rows = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    expected = (values - values.mean(axis=0)) @ rows[:3].T
    got = inputs(torch.from_numpy(samples).float()).numpy()
    assert got.shape == (len(samples), 3)
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=2e-4 * np.abs(expected).max())
    assert (inputs.components.gather(0, inputs.components.abs().argmax(0)[None]) > 0).all()


def test_nothing_asked_changes_nothing() -> None:
    inputs = Inputs(3)
    batch = pair_batch([np.ones((2, 3))], [np.ones((4, 3))])
    assert inputs.batch(batch) is batch
    assert inputs.out_dim == 3
    assert list(inputs.state_dict()) == []


def test_both_sides_are_mapped() -> None:
    inputs, _ = made("standard", 2)
    batch = pair_batch([np.ones((2, 5))], [np.ones((4, 5))])
    mapped = inputs.batch(batch)
    assert (mapped.query.shape, mapped.reference.shape) == ((1, 2, 2), (1, 4, 2))
    torch.testing.assert_close(mapped.reference[0, 0], inputs(torch.ones(5)))


def test_nothing_of_it_is_trained() -> None:
    assert list(made("standard", 2)[0].parameters()) == []


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="normalised by none, unit, standard, not 'whiten'"):
        InputOptions("whiten")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="got -1"):
        InputOptions(pca=-1)
    with pytest.raises(ConfigError, match="vectors of 3 values have no 4"):
        Inputs(3, InputOptions(pca=4))
    with pytest.raises(ShapeError, match=r"n of 3 or more, got \(2, 4\)"):
        Inputs(4, InputOptions(pca=3)).fit(np.ones((2, 4)))
    with pytest.raises(ShapeError, match=r"got \(9, 5\)"):
        Inputs(4, InputOptions("standard")).fit(np.ones((9, 5)))
