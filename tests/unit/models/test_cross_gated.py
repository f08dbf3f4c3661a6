import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from recue.core.errors import ConfigError, ShapeError
from recue.models.cross_gated import CrossGated, CrossGatedOptions, soft_labels
from recue.models.pairs import PairBatch, PairTargets, build_model, pair_batch
from support.padded import dirty_batch, made_pairs
from support.plain_matching import triple_loop

VARIANTS = [(False, False), (True, False), (False, True), (True, True)]
DIM = 6
N_QUERY, N_REFERENCE = (4, 1, 3), (5, 9, 2)


def made_model(**options: object) -> CrossGated:
    torch.manual_seed(0)
    return CrossGated(DIM, CrossGatedOptions(n_hidden=8, rank=3, **options)).eval()  # type: ignore[arg-type]


def made_targets() -> PairTargets:
    return PairTargets(torch.tensor([1, 3, 0]), torch.tensor([4, 4, 2]))


def rows_of(batch: PairBatch, targets: PairTargets) -> list[tuple[PairBatch, PairTargets]]:
    """Each pair by itself, without padding."""
    return [
        (
            pair_batch([batch.query[i, : batch.n_query[i]]], [batch.reference[i, : batch.n_reference[i]]]),
            PairTargets(targets.first[i : i + 1], targets.stop[i : i + 1]),
        )
        for i in range(len(batch.n_query))
    ]


@pytest.mark.parametrize("average", ["steps", "pairs"])
@pytest.mark.parametrize(("gate", "bilinear"), VARIANTS)
def test_a_padded_batch_equals_its_pairs_one_by_one(gate: bool, bilinear: bool, average: str) -> None:
    model = made_model(gate=gate, bilinear=bilinear, average=average)
    batch = dirty_batch(*made_pairs(np.random.default_rng(0), N_QUERY, N_REFERENCE, DIM))
    targets = made_targets()
    shares = {"steps": [n / sum(N_REFERENCE) for n in N_REFERENCE], "pairs": [1 / 3] * 3}[average]

    output = model(batch)
    loss = model.loss(output, batch, targets)
    loss.backward()
    together = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    total = 0.0
    decoded = []
    for i, (one, truth) in enumerate(rows_of(batch, targets)):
        alone = model(one)
        torch.testing.assert_close(output[i, : N_REFERENCE[i]], alone[0], atol=1e-5, rtol=0)
        part = shares[i] * model.loss(alone, one, truth)
        part.backward()
        total += part.item()
        decoded += model.decode(alone, one.n_reference, n=3)
    assert loss.item() == pytest.approx(total, abs=1e-5)
    apart = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(apart) == len(together) == len(list(model.parameters()))
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    for ours, theirs in zip(model.decode(output, batch.n_reference, n=3), decoded, strict=True):
        assert [one[:2] for one in ours] == [one[:2] for one in theirs]


def test_each_switch_has_its_parameters() -> None:
    n = {key: sum(p.numel() for p in made_model(gate=key[0], bilinear=key[1]).parameters()) for key in VARIANTS}
    hidden, rank = 8, 3
    a_gate = 2 * (hidden * hidden + hidden)
    assert n[True, False] - n[False, False] == n[True, True] - n[False, True] == a_gate
    # A bilinear factor instead of a second input to both LSTMs.
    factor = rank * hidden * (hidden + 1)
    assert n[False, True] - n[False, False] == factor - 2 * 4 * hidden * hidden
    untied = sum(p.numel() for p in made_model(tied=False).parameters())
    assert untied - n[True, True] == factor


def test_the_loss_is_the_papers() -> None:
    """Equations 9 to 11 by hand: three steps, truth on the first two, the third is padding."""
    model = made_model(boundary_weight=10.0)
    p = torch.tensor([[0.4, 0.1, 0.3, 0.2], [0.1, 0.5, 0.2, 0.2], [0.1, 0.1, 0.1, 0.7], [0.25, 0.25, 0.25, 0.25]])
    batch = PairBatch(torch.zeros(1, 1, DIM), torch.tensor([1]), torch.zeros(1, 4, DIM), torch.tensor([3]))
    loss = model.loss(p.log()[None], batch, PairTargets(torch.tensor([0]), torch.tensor([2])))
    boundary = -(math.log(0.4) + math.log(0.3)) / 2 - (math.log(0.5) + math.log(0.2)) / 2
    assert loss.item() == pytest.approx((10 * boundary - math.log(0.7)) / 3)


def test_a_truth_of_one_step_shares_its_label_in_three() -> None:
    labels = soft_labels(PairTargets(torch.tensor([1, 0]), torch.tensor([2, 3])), 3)
    assert labels[0].tolist() == [[0, 0, 0, 1], pytest.approx([1 / 3, 1 / 3, 1 / 3, 0]), [0, 0, 0, 1]]
    assert labels[1].tolist() == [[0.5, 0, 0.5, 0], [0, 0, 1, 0], [0, 0.5, 0.5, 0]]


def test_decode_is_the_triple_loop_with_the_cap() -> None:
    model = made_model(max_steps=3)
    batch = dirty_batch(*made_pairs(np.random.default_rng(1), N_QUERY, N_REFERENCE, DIM))
    output = model(batch) * 3.0
    found = model.decode(output, batch.n_reference, n=1)
    for i, n in enumerate(N_REFERENCE):
        first, stop, score = triple_loop(*(output[i, :n, k].tolist() for k in range(3)), 3)
        assert found[i][0][:2] == (first, stop)
        assert found[i][0].score == pytest.approx(math.exp(score))


def test_several_answers_do_not_overlap() -> None:
    model = made_model(max_steps=4)
    batch = pair_batch(*made_pairs(np.random.default_rng(2), (3,), (20,), DIM))
    found = model.decode(model(batch), batch.n_reference, n=5)[0]
    assert len(found) == 5
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    spans = sorted(s[:2] for s in found)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_attention_is_asked_for_by_direction() -> None:
    model = made_model()
    batch = dirty_batch(*made_pairs(np.random.default_rng(3), N_QUERY, N_REFERENCE, DIM))
    forward, backward = model.attention(batch), model.attention(batch, direction="backward")
    assert forward.shape == backward.shape == (3, 9, 4)
    for weights in (forward, backward):
        for i, (q, r) in enumerate(zip(N_QUERY, N_REFERENCE, strict=True)):
            torch.testing.assert_close(weights[i, :r, :q].sum(dim=1), torch.ones(r))
            assert (weights[i, r:] == 0).all()
            assert (weights[i, :, q:] == 0).all()
    assert not torch.allclose(forward, backward)


def test_dropout_is_for_training_alone() -> None:
    model = made_model(keep_features=0.5)
    batch = pair_batch(*made_pairs(np.random.default_rng(4), (3,), (6,), DIM))
    torch.testing.assert_close(model(batch), model(batch))
    model.train()
    assert not torch.allclose(model(batch), model(batch))


@pytest.mark.parametrize(("gate", "bilinear"), VARIANTS)
def test_half_precision_trains_and_answers_alike(gate: bool, bilinear: bool) -> None:
    model = made_model(gate=gate, bilinear=bilinear)
    batch = dirty_batch(*made_pairs(np.random.default_rng(6), N_QUERY, N_REFERENCE, DIM))
    batch = batch._replace(query=batch.query.clamp(-3, 3), reference=batch.reference.clamp(-3, 3))
    with torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
        loss = model.loss(output, batch, made_targets())
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert output.dtype == torch.float32
    exact = model(batch)
    for i, n in enumerate(N_REFERENCE):
        torch.testing.assert_close(output[i, :n], exact[i, :n], atol=0.03, rtol=0)


def test_it_learns_where_the_query_is() -> None:
    """A planted query in noise: after a few steps it is found where chance finds it rarely."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    model = CrossGated(DIM, CrossGatedOptions(n_hidden=24, rank=4, keep_features=1.0, keep_matching=1.0))
    kinds = 2.0 * rng.standard_normal((5, DIM))

    def drawn(n: int) -> tuple[PairBatch, PairTargets]:
        queries, references, firsts = [], [], []
        for kind in rng.integers(len(kinds), size=n):
            others = rng.choice([k for k in range(len(kinds)) if k != kind], size=16)
            at = int(rng.integers(12))
            others[at : at + 4] = kind
            references.append((kinds[others] + 0.3 * rng.standard_normal((16, DIM))).astype(np.float32))
            queries.append((kinds[[kind] * 4] + 0.3 * rng.standard_normal((4, DIM))).astype(np.float32))
            firsts.append(at)
        first = torch.tensor(firsts)
        return pair_batch(queries, references), PairTargets(first, first + 4)

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        batch, targets = drawn(32)
        optimizer.zero_grad()
        model.loss(model(batch), batch, targets).backward()
        optimizer.step()
    batch, targets = drawn(64)
    found = model.eval().decode(model(batch), batch.n_reference)
    hits = [one[0][:2] == (f, f + 4) for one, f in zip(found, targets.first.tolist(), strict=True)]
    assert np.mean(hits) > 0.8


@pytest.mark.parametrize(
    "options",
    [
        {"n_hidden": 0},
        {"rank": 0},
        {"max_steps": 0},
        {"keep_features": 0.0},
        {"keep_matching": 1.5},
        {"average": "step"},
        {"boundary_weight": -1.0},
        {"max_tiou": 2.0},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        build_model("cross-gated", dim=DIM, options=options)


def test_other_features_are_refused() -> None:
    batch = pair_batch(*made_pairs(np.random.default_rng(5), (3,), (6,), DIM + 1))
    with pytest.raises(ShapeError, match="6 values, the query has 7"):
        made_model()(batch)
