"""Runs any localizers over one split of any re-localization dataset, beside the rows that no table goes without."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ConfigError
from recue.core.protocols import Localizer
from recue.core.segment import Segment
from recue.datasets.abilities import ExactTruths
from recue.datasets.task import Bounds, Clip, FeatureStore, Question, RelocalizationDataset, Split
from recue.evaluation import controls
from recue.evaluation.examiner import Examiner, Progress
from recue.evaluation.fitting import SpaceSource, fitted
from recue.evaluation.metrics import THRESHOLDS
from recue.evaluation.results import Answered, Asked, BenchmarkReport, Metrics, Row, RowKind
from recue.evaluation.scoring import bounds_of, score
from recue.localize.trivial import Chance, ConstantWindow

#: Beyond this many standard errors, chance and its closed form do not agree.
MAX_DEVIATION = 4.0

CHANCE, CHANCE_EXACT, CONSTANT = "chance", "chance, closed form", "constant window"
SHUFFLED = "{name}, shuffled query"


def run(
    localizers: Mapping[str, Localizer],
    dataset: RelocalizationDataset,
    split: Split = "val",
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    seed: int = 0,
    n_seeds: int = 3,
    n_resamples: int = 1000,
    acceptance: float = 0.95,
    space: SpaceSource = "auto",
    chance: Chance | None = None,
    progress: Progress | None = None,
) -> BenchmarkReport:
    """Ask every localizer every question of a split, and the same of those that look at nothing.

    Rows: chance, drawn and in closed form; the constant window that is best on the training items; then each
    localizer, and the same with every query replaced by one of another class. Rows that draw are means over the seeds.

    Args:
        localizers: By the name of their rows.
        dataset: Any; absent questions give the rejection.
        split: Which questions.
        thresholds: tIoU, each in (0, 1).
        seed: Of the questions, of the bootstrap, and of the first draw.
        n_seeds: Draws of chance and of shuffled queries.
        n_resamples: Of the bootstrap over references.
        acceptance: Share of present questions to accept, for the rejection.
        space: What the space of `align` is fitted to.
        chance: What is drawn; default: every length up to 64 steps.
        progress: Called after every few answers.

    Raises:
        ConfigError: the split has no question with something to find, or an option makes no sense.
        FingerprintError: a localizer wants other features.

    Cost: one call of each localizer a question, and `n_seeds` more for the shuffled row; answers to the same query on
        the same reference are asked for once.
    """
    thresholds = tuple(float(h) for h in thresholds)
    _check(localizers, thresholds, n_seeds)
    store = dataset.store
    questions = _asked(dataset, dataset.questions(split, seed=seed))
    if not any(asked.present for asked in questions):
        raise ConfigError(
            f"the split '{split}' of '{dataset.name}' has {len(questions)} questions and nothing to find in any; "
            "try another split, and `recue dataset check`"
        )
    notes = []
    chance = chance or Chance()
    window, note = _window(dataset, store, thresholds)
    notes.append(note)
    names = _row_names(localizers)
    swaps, swaps_note = _swaps(questions, seed, n_seeds)
    n_answers = len(questions) * (n_seeds + 1 + len(localizers) * (1 + len(swaps)))
    ask = Examiner(store, questions, progress, n_answers)

    def row(
        name: str, kind: RowKind, runs: Sequence[tuple[Answered, ...]], asked: Localizer, ms: float | None = None
    ) -> Row:
        reached = score(
            questions, runs, thresholds=thresholds, acceptance=acceptance, n_resamples=n_resamples, seed=seed
        )
        means = [float((np.array(_tious(questions, run))[:, None] > thresholds).mean()) for run in runs]
        return Row(name, kind, reached, tuple(runs), float(np.std(means)) if len(runs) > 1 else None, ms, asked)

    drawn = [ask(CHANCE, replace(chance, seed=seed + k))[0] for k in range(n_seeds)]
    rows = [row(CHANCE, "chance", drawn, chance)]
    exact = _exact_chance(store, questions, thresholds, chance)
    rows.append(Row(CHANCE_EXACT, "chance-exact", _of_shares(questions, exact.mean(axis=0))))
    deviation = controls.deviation(rows[0].metrics.map_at_1, exact, n_runs=n_seeds)
    notes.append(
        f"chance, drawn {n_seeds} times, lies within {deviation:.1f} standard errors of its closed form"
        if deviation <= MAX_DEVIATION
        else f"CHANCE AND ITS CLOSED FORM DISAGREE by {deviation:.1f} standard errors: do not trust this table"
    )
    rows.append(row(CONSTANT, "constant", [ask(CONSTANT, window)[0]], window))
    notes += [swaps_note] if swaps_note else []
    for name, given in localizers.items():
        localizer, note = fitted(
            given, dataset, [(a.question.video, a.question.location) for a in questions], space=space
        )
        notes += [note] if note and note not in notes else []
        answers, ms = ask(names[name], localizer, timed=True)
        rows.append(row(names[name], "localizer", [answers], localizer, ms))
        if swaps:
            shuffled = SHUFFLED.format(name=names[name])
            runs = [ask(shuffled, localizer, instead=swap)[0] for swap in swaps]
            rows.append(row(shuffled, "shuffled", runs, localizer))
    return BenchmarkReport(
        dataset=dataset.name,
        split=split,
        features=store.name,
        fingerprint=store.fingerprint,
        thresholds=thresholds,
        seed=seed,
        n_seeds=n_seeds,
        questions=questions,
        rows=tuple(rows),
        window=(window.start, window.end),
        chance_deviation=deviation,
        notes=tuple(notes),
    )


def _check(localizers: Mapping[str, Localizer], thresholds: tuple[float, ...], n_seeds: int) -> None:
    if not thresholds or not all(0.0 < h < 1.0 for h in thresholds) or sorted(set(thresholds)) != list(thresholds):
        raise ConfigError(f"thresholds are tIoUs between 0 and 1, increasing, got {thresholds}")
    if n_seeds < 1:
        raise ConfigError(f"chance and the shuffled queries are drawn once or more, got n_seeds={n_seeds}")
    if not localizers:
        raise ConfigError("an evaluation needs a localizer or more, got none")


def _asked(dataset: RelocalizationDataset, questions: Sequence[Question]) -> tuple[Asked, ...]:
    store = dataset.store
    times_of = lru_cache(maxsize=None)(store.times_s)

    def seconds(video: str, bounds: Bounds) -> Segment:
        times_s = times_of(video)
        return Segment(float(times_s[bounds[0]]), float(times_s[bounds[1]]))

    def truths(question: Question) -> tuple[Segment, ...]:
        if isinstance(dataset, ExactTruths):
            return tuple(dataset.truths_s(question))
        return tuple(seconds(question.video, bounds) for bounds in question.truths)

    return tuple(
        Asked(
            question=question,
            query=seconds(question.query.video, (question.query.first, question.query.stop)),
            location=seconds(question.video, question.location),
            truths=truths(question),
        )
        for question in questions
    )


def _window(
    dataset: RelocalizationDataset, store: FeatureStore, thresholds: tuple[float, ...]
) -> tuple[ConstantWindow, str]:
    items = dataset.items("train")
    if not items:
        window = ConstantWindow()
        return window, (
            f"constant window: {_share(window)} of the reference, not fitted, because '{dataset.name}' has no "
            "training items"
        )
    window = controls.fit_window(items, lru_cache(maxsize=None)(store.times_s), thresholds=thresholds)
    return window, f"constant window: {_share(window)} of the reference, the best on {len(items)} training items"


def _share(window: ConstantWindow) -> str:
    return f"{100 * window.start:g} % to {100 * window.end:g} %"


def _row_names(localizers: Mapping[str, Localizer]) -> dict[str, str]:
    """Names of the rows; one that a control has already is told apart."""
    taken = {CHANCE, CHANCE_EXACT, CONSTANT}
    return {name: f"{name} (as given)" if name in taken else name for name in localizers}


def _swaps(questions: Sequence[Asked], seed: int, n_seeds: int) -> tuple[list[list[Clip]], str]:
    """For each seed the query that is shown in each question's place."""
    labels = [asked.label for asked in questions]
    most = max(sorted(set(labels)), key=labels.count)
    note = ""
    if len(set(labels)) == 1:
        return [], f"no shuffled queries: all questions are of the class '{most}'"
    if 2 * labels.count(most) > len(labels):
        note = f"shuffled queries: drawn from the other classes, because '{most}' has more than half of the questions"
    shuffle = controls.drawn_elsewhere if note else controls.displaced
    moved = [shuffle(labels, seed=seed + k) for k in range(n_seeds)]
    return [[questions[k].question.query for k in positions] for positions in moved], note


def _exact_chance(
    store: FeatureStore, questions: Sequence[Asked], thresholds: tuple[float, ...], chance: Chance
) -> NDArray[np.float64]:
    rates = []
    for asked in questions:
        if asked.present:
            first, stop = asked.question.location
            times_s = store.times_s(asked.question.video)[first : stop + 1]
            rates.append(
                controls.expected_rate(
                    times_s, bounds_of(asked.truths), thresholds, n_query=len(asked.question.query), chance=chance
                )
            )
    return np.stack(rates)


def _of_shares(questions: Sequence[Asked], shares: NDArray[np.float64]) -> Metrics:
    n_present = sum(asked.present for asked in questions)
    return Metrics(n_present, len(questions) - n_present, tuple(shares.tolist()), float(shares.mean()))


def _tious(questions: Sequence[Asked], run: Sequence[Answered]) -> list[float]:
    return [answered.tiou for asked, answered in zip(questions, run, strict=True) if asked.present]
