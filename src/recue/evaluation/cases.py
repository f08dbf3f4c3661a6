"""The best, the middling and the worst answers of every localizer, as one self-contained HTML page."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from markupsafe import Markup

from recue import __version__
from recue.core.clock import format_hms
from recue.core.moment import SimilarityCurve
from recue.core.segment import Segment
from recue.datasets.task import FeatureStore, RelocalizationDataset, sequence_of
from recue.evaluation.fitting import Curved
from recue.evaluation.results import Answered, Asked, BenchmarkReport, Row
from recue.evaluation.tables import percent
from recue.evaluation.timeline import timeline_svg
from recue.export.curve import Scale, curve_svg
from recue.export.pages import page_environment, save_page
from recue.export.strips import Strip, strip_of

#: Predictions that are drawn; more only fill the line.
_N_DRAWN = 5


@runtime_checkable
class Filmed(Protocol):
    """A dataset that has the files its videos were made of."""

    @property
    def videos(self) -> Mapping[str, Path]:
        """The file behind each name."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which answers of one row are shown, as positions of questions.

    Attributes:
        best: Largest tIoU first; of equals the surest.
        middle: Nearest to the median tIoU.
        worst: Smallest tIoU first; of equals the surest, which is the worse mistake.
    """

    best: tuple[int, ...]
    middle: tuple[int, ...]
    worst: tuple[int, ...]


def choose(questions: Sequence[Asked], answers: Sequence[Answered], *, n: int = 3) -> Chosen:
    """Pick questions with something to find; none twice, and in each group one of a reference while there are others.

    Args:
        questions: Of the split.
        answers: One to each.
        n: Of each group, at most.
    """
    present = [k for k, asked in enumerate(questions) if asked.present]
    tiou, score = (np.array([getattr(answers[k], name) for k in present]) for name in ("tiou", "score"))
    middle = float(np.median(tiou)) if present else 0.0
    taken: set[int] = set()

    def pick(order: Iterable[int]) -> tuple[int, ...]:
        free = [present[i] for i in order if present[i] not in taken]
        first_of = {questions[k].question.video: k for k in reversed(free)}
        apart = [k for k in free if first_of[questions[k].question.video] == k]
        group = [*apart, *(k for k in free if k not in apart)][:n]
        taken.update(group)
        return tuple(group)

    n = min(n, max(1, len(present) // 3))
    best = pick(sorted(range(len(present)), key=lambda i: (-tiou[i], -score[i])))
    worst = pick(sorted(range(len(present)), key=lambda i: (tiou[i], -score[i])))
    return Chosen(best, pick(sorted(range(len(present)), key=lambda i: (abs(tiou[i] - middle), -score[i]))), worst)


def write_page(
    report: BenchmarkReport,
    path: str | os.PathLike[str],
    *,
    dataset: RelocalizationDataset | None = None,
    n: int = 3,
) -> Path:
    """Write the page. It needs no other file and no network.

    Args:
        report: Whose answers are shown.
        path: The page; an existing one is replaced, whole or not at all.
        dataset: What was asked about: gives similarity curves where the localizer has them, and film strips where the
            dataset has the videos.
        n: Answers of each group, for each localizer.

    Returns:
        The absolute path of the page.

    Raises:
        ConfigError: the page cannot be written there.

    Cost: with videos 24 seeks and about 100 kB an answer.
    """
    return save_page(render_page(report, dataset=dataset, n=n), path, what="the page of cases")


def render_page(report: BenchmarkReport, *, dataset: RelocalizationDataset | None = None, n: int = 3) -> str:
    """The page as text; arguments as `write_page`."""
    rows = report.of_kind("localizer")
    sections = [_section(report, row, dataset, n) for row in rows]
    controls = [row for row in report.rows if row.kind in ("constant", "chance-exact")]
    return (
        page_environment("recue.evaluation")
        .get_template("cases.html.jinja")
        .render(
            report=report,
            title=f"Cases of {', '.join(row.name for row in rows)}",
            sections=sections,
            controls=[(row.name, percent(row.metrics.map_at_1_mean)) for row in controls],
            version=__version__,
        )
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """What the template shows of one answer."""

    label: str
    query: str
    query_times: str
    video: str
    location: str
    tiou: str
    percent: float
    score: str
    truth_times: str
    found_times: str
    timeline: Markup
    curve: Markup | None
    start: str
    end: str
    strips: tuple[tuple[str, Strip], ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """What the template shows of one localizer."""

    name: str
    facts: tuple[str, ...]
    groups: tuple[tuple[str, str, tuple[_Case, ...]], ...]


def _section(report: BenchmarkReport, row: Row, dataset: RelocalizationDataset | None, n: int) -> _Section:
    answers = row.runs[0]
    chosen = choose(report.questions, answers, n=n)
    positions = [*chosen.best, *chosen.middle, *chosen.worst]
    store = dataset.store if dataset is not None else None
    curves = {k: _curve(store, row, report.questions[k], answers[k]) for k in positions}
    scale = Scale.of(curve for curve in curves.values() if curve is not None)
    files = _files_of(dataset)

    def cases(group: Sequence[int]) -> tuple[_Case, ...]:
        return tuple(_case(report.questions[k], answers[k], curves[k], scale, files) for k in group)

    m = row.metrics
    facts = (
        f"mAP@1 {percent(m.map_at_1_mean)} %",
        f"mean tIoU {percent(m.mean_tiou)} %",
        f"R@5 {percent(m.recall_5)} %",
    )
    return _Section(
        row.name,
        facts,
        (
            ("Best", "best", cases(chosen.best)),
            ("Middling", "middle", cases(chosen.middle)),
            ("Worst", "worst", cases(chosen.worst)),
        ),
    )


def _case(
    asked: Asked,
    answered: Answered,
    curve: SimilarityCurve | None,
    scale: Scale,
    files: Mapping[str, Path],
) -> _Case:
    found = [one.segment for one in answered.predictions[:_N_DRAWN]]
    first = found[0] if found else None
    question = asked.question
    label = f"{asked.label} in {question.video}: " + (
        f"the answer {_times(first)} against {', '.join(map(_times, asked.truths))}" if first else "no answer"
    )
    return _Case(
        label=asked.label,
        query=question.query.video,
        query_times=_times(asked.query),
        video=question.video,
        location=_times(asked.location),
        tiou=f"{answered.tiou:.2f}",
        percent=round(100 * answered.tiou, 1),
        score=f"{answered.score:.3f}" if found else "–",
        truth_times=", ".join(map(_times, asked.truths)),
        found_times=_times(first) if first else "no answer",
        timeline=timeline_svg(asked.location, truths=asked.truths, found=found, label=label),
        curve=curve_svg(
            curve,
            bounds=asked.location,
            scale=scale,
            found=first or Segment(asked.location.start_s, asked.location.start_s),
            label=f"Similarity to the query along {question.video}",
        )
        if curve is not None
        else None,
        start=format_hms(asked.location.start_s),
        end=format_hms(asked.location.end_s),
        strips=tuple(_strips(asked, first, files)),
    )


def _strips(asked: Asked, first: Segment | None, files: Mapping[str, Path]) -> Iterable[tuple[str, Strip]]:
    query, video = (files.get(name) for name in (asked.question.query.video, asked.question.video))
    if query is not None:
        yield "the query", strip_of(query, asked.query)
    if video is not None:
        nearest = max(asked.truths, key=lambda truth: truth.tiou(first) if first else 0.0)
        yield "the truth", strip_of(video, nearest)
        if first is not None:
            yield "the answer", strip_of(video, first)


def _files_of(dataset: object) -> Mapping[str, Path]:
    return dataset.videos if isinstance(dataset, Filmed) else {}


def _curve(store: FeatureStore | None, row: Row, asked: Asked, answered: Answered) -> SimilarityCurve | None:
    localizer: object = row.localizer
    if store is None or not isinstance(localizer, Curved):
        return None
    query = sequence_of(store, answered.query.video, (answered.query.first, answered.query.stop))
    reference = sequence_of(store, asked.question.video, asked.question.location)
    middles = 0.5 * (reference.times_s[:-1] + reference.times_s[1:])
    values = localizer.curve(query, reference)
    return SimilarityCurve(tuple(map(float, middles)), tuple(map(float, values)))


def _times(segment: Segment) -> str:
    return f"{format_hms(segment.start_s)} – {format_hms(segment.end_s)}"
