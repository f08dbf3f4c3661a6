from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recue.core import Segment
from recue.core.errors import ConfigError
from recue.models.pairs import PairTargets, build_model, pair_batch
from recue.models.sst import Sst, SstOptions
from support.padded import dirty_batch, made_pairs, sigmoid

DIM, LENGTHS = 5, ((3, 1, 6), (9, 4, 17))
TRUTHS = ((2, 6), (0, 3), (5, 16))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def made_model(**options: float) -> Sst:
    model = build_model("sst", dim=DIM, options={"n_hidden": 7, "n_anchors": 6, **options})
    assert isinstance(model, Sst)
    return model


def made_targets() -> PairTargets:
    return PairTargets(*torch.tensor(TRUTHS).unbind(1))


def plain_confidences(model: Sst, reference: NDArray[np.floating]) -> dict[tuple[int, int], float]:
    """The confidence of every proposal inside the reference, from a GRU gate by gate."""
    w = {name: p.detach().numpy().astype(np.float64) for name, p in model.named_parameters()}
    hidden = np.zeros(model.options.n_hidden)
    found = {}
    for t, x in enumerate(reference):
        from_input = np.split(w["gru.weight_ih_l0"] @ x + w["gru.bias_ih_l0"], 3)
        from_hidden = np.split(w["gru.weight_hh_l0"] @ hidden + w["gru.bias_hh_l0"], 3)
        reset, update = (sigmoid(from_input[i] + from_hidden[i]) for i in (0, 1))
        candidate = np.tanh(from_input[2] + reset * from_hidden[2])
        hidden = (1 - update) * candidate + update * hidden
        confidence = sigmoid(w["head.weight"] @ hidden + w["head.bias"])
        found.update({(t - k, t + 1): float(c) for k, c in enumerate(confidence) if t - k >= 0})
    return found


def test_every_proposal_inside_the_reference_has_the_confidence_of_a_plain_gru() -> None:
    model = made_model(max_tiou=1.0).eval()
    queries, references = made_pairs(np.random.default_rng(0), *LENGTHS, DIM)
    batch = dirty_batch(queries, references)
    for found, reference in zip(model.decode(model(batch), batch.n_reference, n=1000), references, strict=True):
        expected = plain_confidences(model, reference)
        assert {(s.first, s.stop): s.score for s in found} == pytest.approx(expected, abs=1e-5)
        assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)


@pytest.mark.parametrize("n", [1, 5])
def test_a_padded_batch_equals_its_pairs_one_by_one(n: int) -> None:
    model = made_model().eval()
    queries, references = made_pairs(np.random.default_rng(1), *LENGTHS, DIM)
    batch = dirty_batch(queries, references)
    with torch.no_grad():
        output = model(batch)
        for i, found in enumerate(model.decode(output, batch.n_reference, n=n)):
            one = pair_batch(queries[i : i + 1], references[i : i + 1])
            alone = model(one)
            torch.testing.assert_close(output[i, : len(references[i])], alone[0], atol=1e-5, rtol=0)
            (expected,) = model.decode(alone, one.n_reference, n=n)
            assert [s[:2] for s in found] == [s[:2] for s in expected]


def test_the_answers_are_the_most_confident_without_overlap() -> None:
    model = made_model(max_tiou=0.3).eval()
    (query,), (reference,) = made_pairs(np.random.default_rng(2), (4,), (15,), DIM)
    batch = pair_batch([query], [reference])
    (found,) = model.decode(model(batch), batch.n_reference, n=4)
    left = plain_confidences(model, reference)
    for one in found:
        best = max(left, key=lambda bounds: left[bounds])
        assert (one.first, one.stop) == best
        left = {b: s for b, s in left.items() if Segment(*b).tiou(Segment(*best)) <= 0.3}
    assert len(found) == 4


def test_the_query_is_not_looked_at() -> None:
    model = made_model().eval()
    rng = np.random.default_rng(3)
    queries, references = made_pairs(rng, *LENGTHS, DIM)
    others, _ = made_pairs(rng, (8, 8, 8), LENGTHS[1], DIM)
    torch.testing.assert_close(model(pair_batch(queries, references)), model(pair_batch(others, references)))


def plain_loss(model: Sst, references: list[NDArray[np.floating]], shares: list[float]) -> float:
    losses = []
    for reference, truth in zip(references, TRUTHS, strict=True):
        for bounds, confidence in plain_confidences(model, reference).items():
            share = shares[bounds[1] - bounds[0] - 1]
            if Segment(*bounds).tiou(Segment(*truth)) > 0.5:
                losses.append(-(1 - share) * np.log(confidence))
            else:
                losses.append(-share * np.log(1 - confidence))
    return float(np.mean(losses))


def plain_counts() -> tuple[list[int], list[int]]:
    """For each length, the proposals inside the references, and the positives among them."""
    seen, positive = [0] * 6, [0] * 6
    for n_steps, truth in zip(LENGTHS[1], TRUTHS, strict=True):
        for length in range(1, 7):
            for first in range(n_steps - length + 1):
                seen[length - 1] += 1
                positive[length - 1] += Segment(first, first + length).tiou(Segment(*truth)) > 0.5
    return seen, positive


def test_the_loss_weighs_each_length_by_how_rare_its_positives_are() -> None:
    model = made_model(min_share=0.02)
    queries, references = made_pairs(np.random.default_rng(4), *LENGTHS, DIM)
    batch = dirty_batch(queries, references)
    seen, positive = plain_counts()
    shares = [max(0.02, p / n) for p, n in zip(positive, seen, strict=True)]
    assert min(positive) == 0  # The floor is used.
    loss = model.loss(model(batch), batch, made_targets()).item()
    assert loss == pytest.approx(plain_loss(model, references, shares), abs=1e-6)
    assert model.n_seen.tolist() == seen
    assert model.n_positive.tolist() == positive


def test_shares_are_counted_in_training_alone_and_travel_with_the_weights() -> None:
    model = made_model()
    batch = pair_batch(*made_pairs(np.random.default_rng(5), *LENGTHS, DIM))
    model.eval().loss(model(batch), batch, made_targets())
    assert float(model.n_seen.sum()) == 0
    model.train()
    for _ in range(2):
        model.loss(model(batch), batch, made_targets())
    seen, positive = plain_counts()
    assert model.n_seen.tolist() == [2 * n for n in seen]
    other = made_model()
    other.load_state_dict(model.state_dict())
    assert other.n_positive.tolist() == [2 * n for n in positive]
    torch.testing.assert_close(other.positive_share(), model.positive_share())


def test_mixed_precision_trains_and_answers() -> None:
    model = made_model()
    batch = pair_batch(*made_pairs(np.random.default_rng(9), *LENGTHS, DIM))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss(model(batch), batch, made_targets())
        assert loss.dtype == torch.float32
        loss.backward()
        found = model.decode(model(batch), batch.n_reference, n=3)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    for mixed, full in zip(found, model.decode(model(batch), batch.n_reference, n=3), strict=True):
        assert mixed[0].score == pytest.approx(full[0].score, abs=0.02)


def test_lengths_never_seen_in_training_are_no_answer() -> None:
    model = made_model(max_tiou=1.0)
    queries, references = made_pairs(np.random.default_rng(8), (3, 3), (4, 2), DIM)
    batch = pair_batch(queries, references)
    model.loss(model(batch), batch, PairTargets(torch.tensor([0, 0]), torch.tensor([2, 1])))
    longer = pair_batch(queries[:1], [np.ones((9, DIM))])
    (found,) = model.eval().decode(model(longer), longer.n_reference, n=1000)
    assert {s.stop - s.first for s in found} == {1, 2, 3, 4}


def test_gradients_reach_every_weight() -> None:
    model = made_model(n_layers=2, dropout=0.2)
    batch = dirty_batch(*made_pairs(np.random.default_rng(6), *LENGTHS, DIM))
    model.loss(model(batch), batch, made_targets()).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert float(weight.grad.abs().max()) > 0, name


def test_it_learns_where_something_happens() -> None:
    rng = np.random.default_rng(7)

    def pairs(n: int) -> tuple[list, PairTargets]:
        references, bounds = [], []
        for _ in range(n):
            values = rng.standard_normal((16, DIM)) * 0.3
            length = int(rng.integers(2, 6))
            first = int(rng.integers(0, 16 - length))
            values[first : first + length] += 1.5
            references.append(values)
            bounds.append((first, first + length))
        return references, PairTargets(*torch.tensor(bounds).unbind(1))

    def mean_tiou(references: list, targets: PairTargets) -> float:
        batch = pair_batch(references, references)
        found = model.decode(model(batch), batch.n_reference)
        truths = zip(targets.first.tolist(), targets.stop.tolist(), strict=True)
        return float(np.mean([Segment(*f[0][:2]).tiou(Segment(*t)) for f, t in zip(found, truths, strict=True)]))

    model = made_model(n_hidden=16)
    held_out = pairs(60)
    before = mean_tiou(*held_out)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(120):
        references, targets = pairs(16)
        batch = pair_batch(references, references)
        optimizer.zero_grad()
        model.loss(model(batch), batch, targets).backward()
        optimizer.step()
    assert mean_tiou(*held_out) > max(0.6, before + 0.2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n_hidden", 0),
        ("n_layers", 0),
        ("n_anchors", 0),
        ("dropout", 1.0),
        ("positive_tiou", -0.1),
        ("max_tiou", 1.1),
        ("min_share", 0.0),
        ("min_share", 0.6),
    ],
)
def test_options_that_make_no_sense_are_refused(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=option):
        SstOptions(**{option: value})  # type: ignore[arg-type]
