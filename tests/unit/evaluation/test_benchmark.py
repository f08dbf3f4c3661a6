from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from recue.core import FeatureSequence, ScoredSegment, Segment
from recue.core.errors import ConfigError, FingerprintError
from recue.datasets.stores import ArrayStore
from recue.datasets.task import Clip, Item, Question
from recue.evaluation import benchmark
from recue.evaluation.benchmark import CHANCE, CHANCE_EXACT, CONSTANT
from recue.evaluation.fitting import Curved, SearchedAlign
from recue.evaluation.results import BenchmarkReport
from recue.localize.align import Align
from recue.localize.frame_level import FrameLevel
from recue.localize.trivial import Chance, ConstantWindow
from support.relocalization import ExactDataset, MadeDataset, planted_dataset
from support.sequences import noise


class Scripted:
    """Answers what it was told, by the value that the first vector of the reference starts with."""

    name = "scripted"

    def __init__(self, answers: dict[float, list[ScoredSegment]]) -> None:
        self.answers = answers
        self.asked: list[tuple[float, Segment, float, Segment]] = []

    def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
        key = float(reference.values[0, 0])
        self.asked.append((float(query.values[0, 0]), query.span, key, reference.span))
        return self.answers[key]


@pytest.fixture(scope="module")
def dataset() -> MadeDataset:
    return planted_dataset()


@pytest.fixture(scope="module")
def report(dataset: MadeDataset) -> BenchmarkReport:
    return benchmark.run({"align": Align(), "frame-level": FrameLevel()}, dataset, "val", n_resamples=200, n_seeds=5)


def by_hand() -> MadeDataset:
    """Four questions on three references of 10 steps of a second; location from step 2 on."""
    arrays = {name: np.full((10, 2), value, np.float32) for value, name in enumerate(("r0", "r1", "r2", "qa", "qb"))}
    a, b = Clip("qa", 1, 4, "a"), Clip("qb", 0, 5, "b")
    questions = (
        Question(a, "r0", (2, 10), ((2, 6),)),
        Question(b, "r0", (2, 10), ((6, 10),)),
        Question(a, "r1", (2, 10), ((2, 4), (6, 8))),
        Question(b, "r2", (2, 10), ()),
    )
    return MadeDataset(ArrayStore(arrays, name="made"), {}, {"val": questions})


def test_a_table_worked_by_hand() -> None:
    localizer = Scripted(
        {
            # tIoU with 2-6: 3/4, with 6-10: 1/6; the second: 0, 1.
            0.0: [ScoredSegment(Segment(2.0, 5.0), 0.9), ScoredSegment(Segment(6.0, 10.0), 0.5)],
            # tIoU with 2-4 or 6-8: 2/3.
            1.0: [ScoredSegment(Segment(6.0, 9.0), 0.7)],
            2.0: [ScoredSegment(Segment(3.0, 4.0), 0.6)],
        }
    )
    made = benchmark.run({"mine": localizer}, by_hand(), "val", n_resamples=100)
    row = made.row("mine")
    assert [round(a.tiou, 6) for a in row.runs[0]] == [0.75, 0.0, 0.666667, 0.0]
    assert row.metrics.map_at_1 == pytest.approx((2 / 3, 2 / 3, 1 / 3, 0.0, 0.0))
    assert row.metrics.map_at_1_mean == pytest.approx(1 / 3)
    assert row.metrics.recall_1 == pytest.approx(2 / 3)
    assert row.metrics.recall_5 == 1.0  # 6-10 is the second answer to the second question
    assert row.metrics.mean_tiou == pytest.approx((0.75 + 0.0 + 2 / 3) / 3)
    # At 0.5, class a: hits at 0.9 and 0.7, a miss at 0.5 after them, 2 of 3 truths: AP 2/3. Class b: 0.9 miss,
    # 0.6 miss, 0.5 hit: in order 0.9, 0.6, 0.5 precision 1/3 at recall 1.
    assert row.metrics.map_all is not None
    assert row.metrics.map_all[0] == pytest.approx((2 / 3 + 1 / 3) / 2)
    # Present scores .9, .9, .7: all are accepted from .7 on, and the absent one has .6.
    assert row.metrics.rejection == 1.0
    assert (row.metrics.n_present, row.metrics.n_absent) == (3, 1)
    assert made.questions[2].target_s == 2.0
    with pytest.raises(ConfigError, match="absent from 'r2'"):
        _ = made.questions[3].target_s


def test_the_stretches_are_those_of_the_question_on_the_videos_clock() -> None:
    localizer = Scripted({key: [] for key in (0.0, 1.0, 2.0)})
    made = benchmark.run({"mine": localizer}, by_hand(), "val", n_resamples=10, n_seeds=1)
    asked = set(localizer.asked)
    assert (3.0, Segment(1.0, 4.0), 0.0, Segment(2.0, 10.0)) in asked
    assert (4.0, Segment(0.0, 5.0), 2.0, Segment(2.0, 10.0)) in asked
    row = made.row("mine")
    assert row.metrics.map_at_1_mean == row.metrics.map_all_mean == row.metrics.mean_tiou == 0.0
    assert row.runs[0][0].score == float("-inf")
    assert row.metrics.rejection == 0.0


def test_the_same_query_on_the_same_reference_is_asked_once() -> None:
    localizer = Scripted({key: [] for key in (0.0, 1.0, 2.0)})
    benchmark.run({"mine": localizer}, by_hand(), "val", n_resamples=10, n_seeds=9)
    # 2 queries, 3 references, and the first one before the clock runs.
    assert len(localizer.asked) == 7
    assert len(set(localizer.asked)) == 6


def test_every_table_has_the_rows_that_look_at_nothing(report: BenchmarkReport) -> None:
    assert [(row.name, row.kind) for row in report.rows] == [
        (CHANCE, "chance"),
        (CHANCE_EXACT, "chance-exact"),
        (CONSTANT, "constant"),
        ("align", "localizer"),
        ("align, shuffled query", "shuffled"),
        ("frame-level", "localizer"),
        ("frame-level, shuffled query", "shuffled"),
    ]
    assert (report.n_present, report.n_absent) == (12, 3)
    assert [len(row.runs) for row in report.rows] == [5, 0, 1, 1, 5, 1, 5]
    assert all(len(run) == 15 for row in report.rows for run in row.runs)


def test_what_looks_beats_what_does_not_and_falls_when_asked_for_something_else(report: BenchmarkReport) -> None:
    chance = report.row(CHANCE_EXACT).metrics.map_at_1_mean
    for name in ("align", "frame-level"):
        looks, shuffled = report.row(name).metrics, report.row(f"{name}, shuffled query").metrics
        assert looks.map_at_1_mean > 0.8
        assert looks.rejection == 1.0
        assert shuffled.map_at_1_mean < chance + 0.1
        assert report.row(name).ms is not None


def test_drawn_chance_agrees_with_its_closed_form(report: BenchmarkReport, dataset: MadeDataset) -> None:
    assert 0 < report.chance_deviation < 4
    assert report.notes[1].startswith("chance, drawn 5 times, lies within")
    exact = np.array(report.row(CHANCE_EXACT).metrics.map_at_1)
    many = benchmark.run(
        {"none": ConstantWindow()}, dataset, "val", n_seeds=300, n_resamples=1, chance=Chance(max_steps=12)
    )
    exact = np.array(many.row(CHANCE_EXACT).metrics.map_at_1)
    assert exact[0] > 3 * exact[4] > 0
    assert np.abs(np.array(many.row(CHANCE).metrics.map_at_1) - exact).max() < 4 * np.sqrt(0.25 / 3600)
    assert many.chance_deviation < 4


def test_a_chance_that_does_not_agree_is_called_out(dataset: MadeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        benchmark.controls, "expected_rate", lambda times_s, truths, thresholds, **_: np.full(len(thresholds), 0.9)
    )
    made = benchmark.run({"none": ConstantWindow()}, dataset, "val", n_seeds=1, n_resamples=1)
    assert any("DISAGREE" in note for note in made.notes)


def test_thresholds_below_a_half_are_counted_out(dataset: MadeDataset) -> None:
    made = benchmark.run({"none": ConstantWindow()}, dataset, "val", thresholds=(0.1, 0.5), n_seeds=40, n_resamples=1)
    low, half = made.row(CHANCE_EXACT).metrics.map_at_1
    assert low > half > 0
    assert half == pytest.approx(
        benchmark.run({"none": ConstantWindow()}, dataset, "val", thresholds=(0.5,), n_seeds=1, n_resamples=1)
        .row(CHANCE_EXACT)
        .metrics.map_at_1[0]
    )
    assert made.chance_deviation < 4


def test_the_window_is_fitted_on_training_items_alone() -> None:
    base = planted_dataset()
    # Every training moment lies at 20 % to 70 % of its location; those of the questions at the very end.
    moved = tuple(Item(Clip(item.moment.video, 20, 45, item.moment.label), (10, 60)) for item in base.items("train"))
    ends = tuple(replace(q, truths=((55, 60),)) for q in base.questions("val"))
    made = benchmark.run(
        {"none": ConstantWindow()},
        MadeDataset(base.store, {"train": moved}, {"val": ends}),
        "val",
        n_resamples=1,
        n_seeds=1,
    )
    assert made.window == pytest.approx((0.2, 0.7))
    assert "20 % to 70 % of the reference, the best on 12 training items" in made.notes[0]
    predicted = made.row(CONSTANT).runs[0][0].predictions[0].segment
    assert (predicted.start_s, predicted.end_s) == pytest.approx((10.0, 22.5))


def test_without_training_items_the_window_is_the_known_one_and_says_so() -> None:
    made = benchmark.run({"none": ConstantWindow()}, by_hand(), "val", n_resamples=1, n_seeds=1)
    assert made.window == (0.2, 0.8)
    assert "not fitted" in made.notes[0]


def test_align_is_asked_in_a_space_of_the_training_references(dataset: MadeDataset) -> None:
    made = benchmark.run({"align": Align()}, dataset, "val", n_resamples=1, n_seeds=1)
    assert any("the training references" in note for note in made.notes)
    own = benchmark.run({"align": Align()}, dataset, "val", n_resamples=1, n_seeds=1, space="searched")
    assert any("the references that are searched" in note for note in own.notes)
    bare = MadeDataset(dataset.store, {}, dataset.split_questions)
    with pytest.raises(ConfigError, match="--space searched"):
        benchmark.run({"align": Align()}, bare, "val", space="train", n_seeds=1)
    auto = benchmark.run({"align": Align()}, bare, "val", n_resamples=1, n_seeds=1)
    assert any("the references that are searched" in note for note in auto.notes)


def test_a_searched_align_keeps_the_order_and_tells_its_curve() -> None:
    from recue.localize.space import Space
    from support.sequences import planted, sequence

    rng = np.random.default_rng(1)
    query, reference, (truth,) = planted(rng)
    aligner = Align().with_space(Space.fit([sequence(noise(rng, 200)), reference]))
    searched = SearchedAlign(aligner)
    plain, found = aligner.localize(query, reference), searched.localize(query, reference)
    assert [one.segment for one in found] == [one.segment for one in plain]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert found[0].segment.tiou(truth) > 0.7
    assert isinstance(searched, Curved)
    curve = searched.curve(query, reference)
    assert curve.shape == (60,)
    assert 20 <= int(curve.argmax()) < 28


def test_a_query_is_never_shuffled_into_its_own_class(report: BenchmarkReport) -> None:
    for run in report.row("align, shuffled query").runs:
        assert all(answered.query.label != asked.label for asked, answered in zip(report.questions, run, strict=True))
        assert sorted(a.query for a in run) == sorted(a.question.query for a in report.questions)


def test_one_class_cannot_be_shuffled_and_the_report_says_so(dataset: MadeDataset) -> None:
    of_one = tuple(q for q in dataset.questions("val") if q.query.label == "val-a")
    made = benchmark.run({"f": FrameLevel()}, replace(dataset, split_questions={"val": of_one}), n_seeds=1)
    assert [row.kind for row in made.rows] == ["chance", "chance-exact", "constant", "localizer"]
    assert any("all questions are of the class 'val-a'" in note for note in made.notes)


def test_where_one_class_has_most_questions_queries_are_drawn_from_the_others(dataset: MadeDataset) -> None:
    of_two = tuple(q for q in dataset.questions("val") if q.query.label == "val-a")
    of_two += tuple(q for q in dataset.questions("val") if q.query.label == "val-b")[:2]
    made = benchmark.run({"f": FrameLevel()}, replace(dataset, split_questions={"val": of_two}), n_seeds=3)
    (row,) = made.of_kind("shuffled")
    assert any("'val-a' has more than half" in note for note in made.notes)
    for run in row.runs:
        assert all(a.query.label != asked.label for asked, a in zip(made.questions, run, strict=True))


def test_exact_truths_are_preferred_to_steps(dataset: MadeDataset) -> None:
    exact = ExactDataset(dataset.store, dataset.split_items, dataset.split_questions)
    made = benchmark.run({"f": FrameLevel()}, exact, "val", n_resamples=1, n_seeds=1)
    first = made.questions[0]
    assert first.target_s == pytest.approx(4.1)
    assert first.question.truths[0][1] * 0.5 + 0.1 == first.truths[0].end_s


def test_no_absent_question_no_rejection(dataset: MadeDataset) -> None:
    present = tuple(q for q in dataset.questions("val") if q.present)
    made = benchmark.run({"f": FrameLevel()}, replace(dataset, split_questions={"val": present}), n_seeds=1)
    assert all(row.metrics.rejection is None for row in made.rows)


def test_progress_ends_where_it_said_it_would(dataset: MadeDataset) -> None:
    said: list[tuple[int, int, str]] = []
    benchmark.run({"f": FrameLevel()}, dataset, "val", n_seeds=2, progress=lambda *args: said.append(args))
    done = [done for done, _, _ in said]
    assert done == sorted(set(done))
    assert done[-1] == said[-1][1] == 15 * (2 + 1 + 1 + 2)
    assert list(dict.fromkeys(name for _, _, name in said)) == [CHANCE, CONSTANT, "f", "f, shuffled query"]


def test_a_localizer_that_takes_several_is_asked_several(dataset: MadeDataset) -> None:
    class Many(FrameLevel):
        sizes: ClassVar[list[int]] = []

        def localize_many(self, pairs: Sequence[tuple[FeatureSequence, FeatureSequence]]) -> list[list[ScoredSegment]]:
            self.sizes.append(len(pairs))
            return [super(Many, self).localize(query, reference) for query, reference in pairs]

    made = benchmark.run({"many": Many(), "one": FrameLevel()}, dataset, "val", n_seeds=1, n_resamples=10)
    assert Many.sizes == [1, 15, 15]
    assert made.row("many").metrics == made.row("one").metrics


def test_a_localizer_with_the_name_of_a_control_is_told_apart(dataset: MadeDataset) -> None:
    made = benchmark.run({"chance": Chance(seed=7)}, dataset, "val", n_seeds=1)
    assert made.row("chance (as given)").kind == "localizer"


def test_what_makes_no_sense_is_refused(dataset: MadeDataset) -> None:
    some = {"f": FrameLevel()}
    for wrong in ((), (0.0,), (1.0,), (0.7, 0.5), (0.5, 0.5)):
        with pytest.raises(ConfigError, match="thresholds"):
            benchmark.run(some, dataset, thresholds=wrong)
    with pytest.raises(ConfigError, match="n_seeds=0"):
        benchmark.run(some, dataset, n_seeds=0)
    with pytest.raises(ConfigError, match="a localizer or more"):
        benchmark.run({}, dataset)
    with pytest.raises(ConfigError, match="nothing to find in any"):
        benchmark.run(some, replace(dataset, split_questions={}))
    with pytest.raises(ConfigError, match="no row 'x'"):
        benchmark.run(some, dataset, n_seeds=1, n_resamples=1).row("x")


def test_a_localizer_for_other_features_refuses(dataset: MadeDataset) -> None:
    class Picky:
        name = "picky"

        def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
            query.require_same_source(replace(reference, fingerprint="other"))
            return []

    with pytest.raises(FingerprintError):
        benchmark.run({"picky": Picky()}, dataset, n_seeds=1)
