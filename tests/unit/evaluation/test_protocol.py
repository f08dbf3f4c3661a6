from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from recue.core import FeatureSequence, ScoredSegment, Segment
from recue.core.errors import ConfigError
from recue.datasets import Composition, Instance, Pair, QueryClip, Reference
from recue.evaluation.protocol import (
    Answers,
    answer_grid,
    best_score,
    evaluate,
    expected_chance,
    shuffle_queries,
)
from recue.localize.frame_level import FrameLevel
from recue.localize.trivial import Chance, ConstantWindow
from support.sequences import noise, sequence

LABELS = ("a", "b", "c")
STEP_S = 0.25
Made = tuple[Composition, dict[str, FeatureSequence], dict[str, FeatureSequence]]


@pytest.fixture(scope="module")
def made() -> Made:
    """Two queries a class and 12 references, each class a run of its own vectors; "z" is nowhere."""
    rng = np.random.default_rng(0)
    runs = {label: noise(rng, 8) for label in (*LABELS, "z")}
    queries, references, pairs = [], [], []
    features: dict[str, FeatureSequence] = {}
    for label in (*LABELS, "z"):
        for k in range(2):
            features[f"{label}{k}"] = sequence(runs[label] + 0.3 * noise(rng, 8), step_s=STEP_S)
            if label != "z":
                queries.append(QueryClip(f"{label}{k}", Path(f"{label}{k}.mp4"), "test", label, f"q{k}", "x"))
    seen: dict[str, FeatureSequence] = {}
    for k in range(12):
        target, n = LABELS[k % 3], k // 3
        parts = [target, *(label for label in LABELS if label != target)] * 3
        drawn = [label for i, label in enumerate(parts) if label != target or i // 3 < n]
        values, instances = [], []
        for i, label in enumerate(drawn):
            instances.append(Instance(label, Segment(i * 12 * STEP_S, (i * 12 + 8) * STEP_S), f"r{i}", f"{label}/{i}"))
            values += [runs[label] + 0.3 * noise(rng, 8), noise(rng, 4)]
        seen[f"r{k}"] = sequence(np.concatenate(values), step_s=STEP_S)
        n_frames = len(drawn) * 12
        references.append(
            Reference(f"r{k}", Path(f"r{k}.mp4"), "test", 64, 48, Fraction(4), n_frames, target, tuple(instances))
        )
        pairs += [Pair(f"{target}{q}", f"r{k}", "test", target, n > 0) for q in range(2)]
    split = Composition(Path(), 0, {}, {"test": LABELS}, tuple(references), tuple(queries), tuple(pairs))
    return split, features, seen


def oracle(split: Composition, query_ids: list[str]) -> Answers:
    """Every instance of the query's class, exactly."""
    return {(q, r.id): [ScoredSegment(s, 1.0) for s in r.truths(q[0])] for q in query_ids for r in split.references}


def test_the_truth_itself_scores_full_marks(made: Made) -> None:
    split, queries, _ = made
    report = evaluate(split, oracle(split, list(queries)), absent_queries=["z0", "z1"], n_resamples=50)
    assert (report.n_present, report.n_absent) == (18, 6)
    assert report.map_at_1 == report.map_all == (1.0,) * 5
    assert report.map_at_1_mean == report.map_all_mean == report.recall_1 == report.recall_5 == 1.0
    assert report.rejection == report.gallery_rejection == report.precision_1 == report.precision_5 == 1.0
    assert (report.map_at_1_interval.low, report.map_at_1_interval.high) == (1.0, 1.0)


def test_no_answer_scores_nothing(made: Made) -> None:
    split, queries, _ = made
    nothing: Answers = {(q, r.id): [] for q in queries for r in split.references}
    report = evaluate(split, nothing, absent_queries=["z0"], n_resamples=10)
    assert report.map_at_1_mean == report.map_all_mean == report.recall_5 == report.precision_5 == 0.0
    assert report.rejection == report.gallery_rejection == 0.0


def test_a_localizer_that_looks_beats_those_that_do_not_and_falls_when_asked_for_something_else(made: Made) -> None:
    split, queries, references = made
    chance = expected_chance(split, queries, references)
    answers = answer_grid(FrameLevel(), queries, references)
    looks = evaluate(split, answers, absent_queries=["z0", "z1"], n_resamples=50)
    assert looks.map_at_1_mean > 0.95
    assert looks.rejection == looks.gallery_rejection == 1.0
    assert looks.precision_1 == 1.0
    shuffled = evaluate(split, answers, asked=shuffle_queries(split.queries, seed=0), n_resamples=10)
    assert shuffled.map_at_1[0] <= chance[0]
    assert np.isnan(shuffled.gallery_rejection)
    window = evaluate(split, answer_grid(ConstantWindow(), queries, references), n_resamples=10)
    assert window.map_at_1_mean == 0.0
    assert window.rejection == 0.0


@pytest.mark.parametrize("chance", [Chance(max_steps=12), Chance(length="query")])
def test_drawn_chance_agrees_with_its_expectation(made: Made, chance: Chance) -> None:
    split, queries, references = made
    exact = expected_chance(split, queries, references, chance=chance)
    assert exact[0] > exact[4] > 0
    drawn = [
        evaluate(
            split,
            answer_grid(Chance(seed=seed, length=chance.length, max_steps=chance.max_steps), queries, references),
            n_resamples=1,
        ).map_at_1
        for seed in range(25)
    ]
    # Pairs are drawn apart, so this bounds the variance of a share of 18 pairs.
    error = np.sqrt(np.array(exact) * (1 - np.array(exact)) / (18 * len(drawn)))
    assert (np.abs(np.mean(drawn, axis=0) - exact) <= 4 * error).all()


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_queries_are_a_permutation_over_classes(made: Made, seed: int) -> None:
    queries = [*made[0].queries, QueryClip("b9", Path(), "test", "b", "q", "x")]
    asked = shuffle_queries(queries, seed=seed)
    assert sorted(asked) == sorted(asked.values()) == sorted(q.id for q in queries)
    assert all(a[0] != b[0] for a, b in asked.items())
    assert asked == shuffle_queries(queries[::-1], seed=seed)


def test_shuffling_too_many_of_one_class_is_refused(made: Made) -> None:
    with pytest.raises(ConfigError, match="more than half"):
        shuffle_queries(made[0].queries[:3], seed=0)


def test_a_shuffled_pair_is_scored_with_the_answer_to_the_query_asked(made: Made) -> None:
    split, queries, _ = made
    asked = shuffle_queries(split.queries, seed=1)
    back = {other: query for query, other in asked.items()}
    truth = oracle(split, list(queries))
    # Answers under the name of the query that is asked in its place: asking those gives full marks again.
    moved = {(asked[q], r): answer for (q, r), answer in truth.items() if q in asked}
    assert len(back) == len(asked)
    report = evaluate(split, moved, asked=asked, n_resamples=10)
    assert report.map_at_1_mean == report.rejection == report.precision_5 == 1.0


def test_the_score_of_an_answer_can_be_another(made: Made) -> None:
    split, queries, _ = made
    truth = oracle(split, list(queries))
    blind = evaluate(split, truth, score_of=lambda q, r, answer: 0.0, n_resamples=10)
    assert blind.rejection == 0.0
    assert blind.map_at_1_mean == 1.0
    assert best_score("q", "r", []) == float("-inf")


def test_what_is_missing_is_named(made: Made) -> None:
    split, queries, _ = made
    truth = dict(oracle(split, list(queries)))
    del truth["a0", "r3"]
    with pytest.raises(ConfigError, match=r"'a0'.*'r3'"):
        evaluate(split, truth)
    some = Composition(Path(), 0, {}, split.splits, split.references, split.queries, split.pairs[:2])
    with pytest.raises(ConfigError, match="present and absent"):
        evaluate(some, truth)
