import copy
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from recue.core import Segment
from recue.core.errors import ConfigError
from recue.models.pairs import PairTargets, build_model, pair_batch
from recue.models.video_level import VideoLevel, VideoLevelOptions
from support.padded import dirty_batch, made_pairs, sigmoid

DIM, LENGTHS = 5, ((3, 1, 6), (9, 4, 17))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def made_model(**options: float) -> VideoLevel:
    model = build_model("video-level", dim=DIM, options={"n_hidden": 7, "max_steps": 6, **options})
    assert isinstance(model, VideoLevel)
    return model


def plain_encoding(model: VideoLevel, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The last state of an LSTM over `[time, dim]`, unit length, gate by gate."""
    w = {name: p.detach().numpy().astype(np.float64) for name, p in model.lstm.named_parameters()}
    hidden = cell = np.zeros(model.options.n_hidden)
    for x in values:
        summed = w["weight_ih_l0"] @ x + w["bias_ih_l0"] + w["weight_hh_l0"] @ hidden + w["bias_hh_l0"]
        gate_in, forget, candidate, out = np.split(summed, 4)
        cell = sigmoid(forget) * cell + sigmoid(gate_in) * np.tanh(candidate)
        hidden = sigmoid(out) * np.tanh(cell)
    unit: NDArray[np.float64] = hidden / np.linalg.norm(hidden)
    return unit


def plain_scores(model: VideoLevel, query: NDArray[np.floating], reference: NDArray[np.floating]) -> dict:
    """Cosine of the query with every segment, each encoded by itself."""
    vector, cap = plain_encoding(model, query), model.options.max_steps
    return {
        (first, stop): float(vector @ plain_encoding(model, reference[first:stop]))
        for first in range(len(reference))
        for stop in range(first + 1, min(first + cap, len(reference)) + 1)
    }


def test_search_gives_what_encoding_each_segment_alone_gives() -> None:
    model = made_model().eval()
    queries, references = made_pairs(np.random.default_rng(0), *LENGTHS, DIM)
    batch = dirty_batch(queries, references)
    scores = model.search(model(batch), batch.n_reference).numpy()
    assert scores.shape == (3, 17, 6)
    for row, query, reference in zip(scores, queries, references, strict=True):
        expected = plain_scores(model, query, reference)
        got = {(s, s + k + 1): float(row[s, k]) for s, k in zip(*np.nonzero(row > -np.inf), strict=True)}
        assert got.keys() == expected.keys()
        assert got == pytest.approx(expected, abs=1e-5)


def test_search_gives_what_torchs_own_lstm_gives() -> None:
    model = made_model(max_steps=64).eval()
    (query,), (reference,) = made_pairs(np.random.default_rng(1), (4,), (12,), DIM)
    batch = pair_batch([query], [reference])
    scores = model.search(model(batch), batch.n_reference)[0]
    with torch.no_grad():
        for first in range(12):
            for stop in range(first + 1, 13):
                alone = model.encode(batch.reference[:, first:stop], torch.tensor([stop - first]))
                assert float(scores[first, stop - first - 1]) == pytest.approx(
                    float((alone * model(batch).query).sum()), abs=1e-5
                )


@pytest.mark.parametrize("n", [1, 5])
def test_a_padded_batch_equals_its_pairs_one_by_one(n: int) -> None:
    model = made_model().eval()
    queries, references = made_pairs(np.random.default_rng(2), *LENGTHS, DIM)
    batch = dirty_batch(queries, references)
    with torch.no_grad():
        together = model.decode(model(batch), batch.n_reference, n=n)
        for i, found in enumerate(together):
            one = pair_batch(queries[i : i + 1], references[i : i + 1])
            (alone,) = model.decode(model(one), one.n_reference, n=n)
            assert [s[:2] for s in found] == [s[:2] for s in alone]
            assert [s.score for s in found] == pytest.approx([s.score for s in alone], abs=1e-5)


def test_the_answers_are_the_best_of_all_segments_without_overlap() -> None:
    model = made_model(max_tiou=0.3).eval()
    (query,), (reference,) = made_pairs(np.random.default_rng(3), (4,), (15,), DIM)
    batch = pair_batch([query], [reference])
    (found,) = model.decode(model(batch), batch.n_reference, n=4)
    left = plain_scores(model, query, reference)
    for one in found:
        best = max(left, key=lambda bounds: left[bounds])
        assert (one.first, one.stop) == best
        assert one.score == pytest.approx(left[best], abs=1e-5)
        left = {b: s for b, s in left.items() if Segment(*b).tiou(Segment(*best)) <= 0.3}
    assert len(found) == 4


def test_the_loss_is_that_of_the_triplet() -> None:
    """With three steps and the first two as the truth there is one positive and one negative to draw."""
    model = made_model(margin=0.7, n_triplets=2)
    queries, references = made_pairs(np.random.default_rng(4), (3, 2), (3, 3), DIM)
    references[1] = references[0][::-1].copy()
    batch = dirty_batch(queries, references)
    targets = PairTargets(torch.tensor([0, 1]), torch.tensor([2, 3]))
    expected = []
    for query, reference, (truth, other) in zip(queries, references, (((0, 2), (2, 3)), ((1, 3), (0, 1))), strict=True):
        q, p, n = (plain_encoding(model, v) for v in (query, reference[slice(*truth)], reference[slice(*other)]))
        expected.append(max(0.0, float(((q - p) ** 2).sum() - ((q - n) ** 2).sum()) + 0.7))
    assert model.loss(model(batch), batch, targets).item() == pytest.approx(np.mean(expected), abs=1e-5)


class Watched(VideoLevel):
    """Keeps which steps were encoded; the first value of a step is its number."""

    def encode(self, values: Tensor, n_steps: Tensor) -> Tensor:
        first = values[:, 0, 0].round().int().tolist()
        self.seen = [(f, f + n) for f, n in zip(first, n_steps.tolist(), strict=True)]
        return super().encode(values, n_steps)


@pytest.mark.parametrize(("truth", "cap"), [((3, 8), 6), ((2, 11), 4)])
def test_positives_and_negatives_are_drawn_uniformly_among_those_that_qualify(truth: tuple[int, int], cap: int) -> None:
    n, n_drawn = 14, 4000
    model = Watched(2, VideoLevelOptions(n_hidden=2, n_triplets=n_drawn, max_steps=cap))
    reference = np.stack([np.arange(n), np.zeros(n)], axis=1)
    # A longer one beside it, so that the batch is padded.
    batch = pair_batch([reference[:2]] * 2, [reference, np.zeros((20, 2))])
    targets = PairTargets(torch.tensor([truth[0], 0]), torch.tensor([truth[1], 20]))
    model.loss(model(batch), batch, targets)
    longest = max(cap, 20)
    every = [(s, e) for s in range(n) for e in range(s + 1, min(n, s + longest) + 1)]
    for drawn, qualify in (
        (model.seen[:n_drawn], [b for b in every if Segment(*b).tiou(Segment(*truth)) > 0.8]),
        (model.seen[n_drawn : 2 * n_drawn], [b for b in every if Segment(*b).tiou(Segment(*truth)) < 0.2]),
    ):
        counts = Counter(drawn)
        assert set(counts) == set(qualify)
        expected = n_drawn / len(qualify)
        assert max(abs(counts[b] - expected) for b in qualify) < 5 * expected**0.5


def test_a_pair_without_a_negative_adds_nothing() -> None:
    model = made_model(margin=3.0)
    queries, references = made_pairs(np.random.default_rng(5), (2, 3), (3, 4), DIM)
    whole = PairTargets(torch.tensor([0, 0]), torch.tensor([3, 2]))
    batch = pair_batch(queries, references)
    one = pair_batch(queries[1:], references[1:])
    torch.manual_seed(1)
    both = model.loss(model(batch), batch, whole)
    torch.manual_seed(1)
    alone = model.loss(model(one), one, PairTargets(whole.first[1:], whole.stop[1:]))
    assert both.item() == pytest.approx(alone.item(), abs=1e-6)
    nothing = pair_batch(queries[:1], references[:1])
    loss = model.loss(model(nothing), nothing, PairTargets(whole.first[:1], whole.stop[:1]))
    loss.backward()
    assert loss.item() == 0.0
    assert all(float(p.grad.abs().max()) == 0.0 for p in model.parameters() if p.grad is not None)


def test_mixed_precision_trains_and_answers() -> None:
    model = made_model()
    batch = pair_batch(*made_pairs(np.random.default_rng(9), *LENGTHS, DIM))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss(model(batch), batch, PairTargets(torch.tensor([2, 0, 5]), torch.tensor([5, 2, 11])))
        assert loss.dtype == torch.float32
        loss.backward()
        found = model.decode(model(batch), batch.n_reference, n=3)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    for mixed, full in zip(found, model.decode(model(batch), batch.n_reference, n=3), strict=True):
        assert mixed[0].score == pytest.approx(full[0].score, abs=0.02)


def test_gradients_reach_every_weight() -> None:
    model = made_model(margin=4.0)
    batch = dirty_batch(*made_pairs(np.random.default_rng(6), *LENGTHS, DIM))
    model.loss(model(batch), batch, PairTargets(torch.tensor([2, 0, 5]), torch.tensor([5, 2, 11]))).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert float(weight.grad.abs().max()) > 0, name


def test_the_same_seed_draws_the_same_and_searching_changes_nothing() -> None:
    model = made_model(margin=4.0)
    batch = pair_batch(*made_pairs(np.random.default_rng(7), *LENGTHS, DIM))
    targets = PairTargets(torch.tensor([2, 0, 5]), torch.tensor([5, 2, 11]))
    before = copy.deepcopy(model.state_dict())
    losses = []
    for _ in range(2):
        torch.manual_seed(11)
        losses.append(model.loss(model(batch), batch, targets).item())
        model.decode(model(batch), batch.n_reference)
    assert losses[0] == losses[1]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_it_learns_to_find_what_the_query_shows() -> None:
    rng = np.random.default_rng(8)
    # Two values of five say nothing and are large: without training they drown the rest.
    classes, scale = np.pad(2 * np.eye(3), ((0, 0), (0, 2))), np.array([0.4, 0.4, 0.4, 3.0, 3.0])

    def steps(n: int, shown: int | None = None) -> NDArray[np.float64]:
        return scale * rng.standard_normal((n, DIM)) + (0 if shown is None else classes[shown])

    def pairs(n: int) -> tuple[list, list, PairTargets]:
        queries, references, bounds = [], [], []
        for _ in range(n):
            wanted, other = rng.permutation(3)[:2]
            before, after = rng.integers(1, 6, 2)
            references.append(np.concatenate([steps(before), steps(4, wanted), steps(after), steps(3, other)]))
            queries.append(steps(3, wanted))
            first = int(before)
            bounds.append((first, first + 4))
        return queries, references, PairTargets(*torch.tensor(bounds).unbind(1))

    def mean_tiou(model: VideoLevel, queries: list, references: list, targets: PairTargets) -> float:
        batch = pair_batch(queries, references)
        found = model.decode(model(batch), batch.n_reference)
        truths = zip(targets.first.tolist(), targets.stop.tolist(), strict=True)
        return float(np.mean([Segment(*f[0][:2]).tiou(Segment(*t)) for f, t in zip(found, truths, strict=True)]))

    model = made_model(n_hidden=16, n_triplets=2)
    held_out = pairs(60)
    before = mean_tiou(model, *held_out)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        queries, references, targets = pairs(16)
        batch = pair_batch(queries, references)
        optimizer.zero_grad()
        model.loss(model(batch), batch, targets).backward()
        optimizer.step()
    assert mean_tiou(model, *held_out) > before + 0.25


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n_hidden", 0),
        ("n_triplets", 0),
        ("max_steps", 0),
        ("margin", 0.0),
        ("positive_tiou", 1.0),
        ("negative_tiou", 0.9),
        ("negative_tiou", 0.0),
        ("max_tiou", 1.1),
    ],
)
def test_options_that_make_no_sense_are_refused(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=option):
        VideoLevelOptions(**{option: value})  # type: ignore[arg-type]
