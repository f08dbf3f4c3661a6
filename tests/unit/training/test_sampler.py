from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from recue.core.errors import ConfigError
from recue.datasets.task import Clip, Item
from recue.training.sampler import PairSampler
from support.pairs import MadeDataset, MadeStore, made_dataset


def sampler(dataset: MadeDataset | None = None, **options: object) -> PairSampler:
    return PairSampler.of(dataset or made_dataset(), **{"batch": 5, **options})  # type: ignore[arg-type]


def line(*items: Item, queries: tuple[Clip, ...]) -> MadeDataset:
    """A dataset whose value at a step is the step's number."""
    values = {
        video: np.arange(200, dtype=np.float32)[:, None]
        for video in {item.moment.video for item in items} | {query.video for query in queries}
    }
    return MadeDataset(MadeStore(values), {"train": (queries, items)})


def test_pairs_have_one_class_and_never_one_source() -> None:
    dataset = made_dataset()
    made = sampler(dataset)
    sources = {item.moment.video: item.moment.source for item in dataset.items("train")}
    labels = {item.moment.video: item.moment.label for item in dataset.items("train")}
    seen = Counter()
    for step in range(60):
        for one in made.examples(step):
            assert labels[one.video] == one.query.label
            assert sources[one.video] != one.query.source
            assert one.location[0] <= one.truth[0] < one.truth[1] <= one.location[1]
            seen[one.query.video, one.video] += 1
    assert len(seen) == 12 * 3, "every query meets every reference of its class but that of its own source"


def test_an_epoch_draws_every_query_once_and_orders_differ() -> None:
    made = sampler(batch=4)
    assert made.steps_per_epoch == 3
    orders = [[one.query for step in range(3 * e, 3 * e + 3) for one in made.examples(step)] for e in range(3)]
    for order in orders:
        assert sorted(order) == sorted(made.queries)
    assert all(a != b for a, b in pairwise(orders))


def test_a_step_is_a_function_of_the_seed_and_the_step() -> None:
    made, again = sampler(seed=3), sampler(seed=3)
    forwards = [made.examples(step) for step in range(20)]
    assert [again.examples(step) for step in reversed(range(20))][::-1] == forwards
    item = Item(Clip("r", 80, 100, "c"), (0, 200))
    crops = [
        [sampler(line(item, queries=(Clip("q", 0, 10, "c"),)), seed=seed).examples(step) for step in range(3)]
        for seed in range(5)
    ]
    assert all(a != b for made in crops for a, b in pairwise(made))
    assert all(a != b for a, b in pairwise(crops))


def test_devices_share_a_batch() -> None:
    made = sampler(batch=6)
    whole = made.examples(7)
    shares = [made.examples(7, rank=rank, world=3) for rank in range(3)]
    assert [len(share) for share in shares] == [2, 2, 2]
    assert [one for group in zip(*shares, strict=True) for one in group] == whole


def test_the_crop_keeps_the_truth_and_happens_as_often_as_asked() -> None:
    item = Item(Clip("r", 80, 100, "c"), (0, 200))
    made = sampler(line(item, queries=(Clip("q", 0, 10, "c"),)), batch=1)
    places = [made.examples(step)[0].location for step in range(600)]
    whole = sum(place == (0, 200) for place in places)
    assert 30 <= whole <= 95, "one in ten, and the odd crop that takes nothing"
    cropped = [place for place in places if place != (0, 200)]
    # Every start before the truth and every end after it is as likely as any other.
    assert np.mean([first for first, _ in cropped]) == pytest.approx(40, abs=3)
    assert np.mean([stop for _, stop in cropped]) == pytest.approx(150, abs=4)
    assert min(first for first, _ in cropped) <= 3
    assert max(first for first, _ in cropped) >= 77
    never = replace(made, crop=0.0)
    assert all(never.examples(step)[0].location == (0, 200) for step in range(20))


def test_a_reference_shorter_than_the_query_is_not_drawn() -> None:
    short, long = Item(Clip("a", 0, 4, "c"), (0, 9)), Item(Clip("b", 0, 4, "c"), (0, 10))
    made = sampler(line(short, long, queries=(Clip("q", 0, 10, "c"), Clip("q", 0, 11, "c"))))
    assert made.choices == ((long,),)
    assert made.left_out == 1


def test_a_reference_with_another_moment_of_the_querys_source_is_not_drawn() -> None:
    one = Item(Clip("r", 0, 4, "c", source="s1"), (0, 50), ((20, 24),))
    other = Item(Clip("r", 20, 24, "c", source="s2"), (0, 50), ((0, 4),))
    free = Item(Clip("t", 20, 24, "c", source="s3"), (0, 50))
    made = sampler(line(one, other, free, queries=(Clip("q", 0, 5, "c", source="s2"),)))
    assert made.choices == ((free,),)


def test_a_moment_is_never_looked_for_in_its_own_place() -> None:
    one, two = Item(Clip("v", 0, 4, "c"), (0, 50)), Item(Clip("v", 60, 64, "c"), (50, 90))
    made = sampler(line(one, two, queries=(one.moment, two.moment)))
    assert made.choices == ((two,), (one,))


def test_other_moments_of_the_class_are_kept_out() -> None:
    item = Item(Clip("r", 50, 60, "c"), (0, 200), ((10, 20), (80, 90)))
    dataset = line(item, queries=(Clip("q", 0, 5, "c"),))
    locations = [sampler(dataset, batch=1).examples(step)[0].location for step in range(200)]
    assert min(first for first, _ in locations) == 20
    assert max(stop for _, stop in locations) == 80
    everything = sampler(dataset, batch=1, one_truth=False, crop=0.0)
    assert everything.examples(0)[0].location == (0, 200)


def test_long_references_are_cropped_around_the_truth_and_too_long_ones_left_out() -> None:
    item = Item(Clip("r", 100, 120, "c"), (0, 200))
    dataset = line(item, queries=(Clip("q", 0, 5, "c"), Clip("q", 0, 30, "c")))
    made = sampler(dataset, batch=1, max_reference_steps=40, max_query_steps=10, crop=0.0)
    assert (len(made.queries), made.left_out, made.longest_reference) == (1, 1, 40)
    for step in range(100):
        first, stop = made.examples(step)[0].location
        assert stop - first == 40
        assert first <= 100
        assert stop >= 120
    assert len({made.examples(step)[0].location for step in range(100)}) > 15
    with pytest.raises(ConfigError, match="gives no pair to train on: of 2 queries and 0 references"):
        sampler(dataset, max_reference_steps=19)


def test_what_is_read_is_what_lies_there() -> None:
    items = (Item(Clip("r", 50, 60, "c"), (40, 90)), Item(Clip("s", 5, 9, "c"), (0, 20)))
    made = sampler(line(*items, queries=(Clip("q", 3, 8, "c"), Clip("p", 0, 2, "c"))), batch=4)
    examples = made.examples(0)
    batch, targets = made.read(examples)
    for k, one in enumerate(examples):
        n_query, n_reference = int(batch.n_query[k]), int(batch.n_reference[k])
        assert batch.query[k, :n_query, 0].tolist() == list(range(one.query.first, one.query.stop))
        assert batch.reference[k, :n_reference, 0].tolist() == list(range(*one.location))
        assert (batch.query[k, n_query:] == 0).all()
        assert (batch.reference[k, n_reference:] == 0).all()
        found = batch.reference[k, int(targets.first[k]) : int(targets.stop[k]), 0].tolist()
        assert found == list(range(*one.truth))


def test_batches_come_in_order_from_any_step_on() -> None:
    made = sampler()
    whole = [batch.query for batch, _ in made.batches(0, 8)]
    for got, wanted in zip(made.batches(5, 8, prefetch=1), whole[5:], strict=True):
        assert (got[0].query == wanted).all()


def test_leaving_early_ends_the_reading() -> None:
    reading = sampler().batches(0, 10_000)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert next(reading, None) is None


def test_the_fingerprint_tells_data_apart_and_not_seeds() -> None:
    assert sampler(seed=1).fingerprint == sampler(seed=2, batch=2).fingerprint
    assert sampler(made_dataset(seed=1)).fingerprint != sampler().fingerprint
    assert sampler(max_query_steps=6).fingerprint != sampler().fingerprint


def test_vectors_to_measure_on_are_training_features() -> None:
    dataset = made_dataset()
    made = sampler(dataset)
    vectors = made.vectors()
    assert (vectors == made.vectors()).all()
    known = {row.tobytes() for item in dataset.items("train") for row in dataset.store.read(item.moment.video)}
    assert {row.tobytes() for row in vectors} == known
