"""A report as a JSON document: everything, every answer too, so that systems can be compared later."""

import math
from collections.abc import Sequence
from typing import Any

from recue import __version__
from recue.core.segment import Segment
from recue.evaluation.compare import comparisons
from recue.evaluation.metrics import Interval
from recue.evaluation.published import PublishedRow
from recue.evaluation.results import Answered, Asked, BenchmarkReport, Row

#: Raised when a field changes its meaning or goes away; new fields may come without.
SCHEMA = 1


def to_document(
    report: BenchmarkReport, *, cited: Sequence[PublishedRow] = (), questions: bool = True
) -> dict[str, Any]:
    """The report as plain JSON values; numbers are shares and seconds.

    Args:
        report: What to write.
        cited: Rows that others published.
        questions: Write every question and every row's answer to it too: for plots and for comparing systems later.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "recue-evaluation",
        "recue": __version__,
        "dataset": report.dataset,
        "split": report.split,
        "features": {"name": report.features, "fingerprint": report.fingerprint},
        "thresholds": list(report.thresholds),
        "seed": report.seed,
        "n_seeds": report.n_seeds,
        "n_present": report.n_present,
        "n_absent": report.n_absent,
        "constant_window": {"start": report.window[0], "end": report.window[1]},
        "chance_deviation": _number(report.chance_deviation),
        "notes": list(report.notes),
        "rows": [_row_document(row, answers=questions) for row in report.rows],
        "published": [
            {
                "paper": one.paper,
                "table": one.table,
                "row": one.row,
                "protocol": one.protocol,
                "map_at_1": dict(zip(one.columns, one.values, strict=True)),
            }
            for one in cited
        ],
    }
    document["differences"] = [
        {
            "row": one.first,
            "against": one.second,
            "map_at_1": list(one.difference.at),
            "map_at_1_intervals": [_pair(interval) for interval in one.difference.at_intervals],
            "map_at_1_mean": one.difference.value,
            "map_at_1_interval": _pair(one.difference.interval),
        }
        for one in comparisons(report)
    ]
    if questions:
        document["questions"] = [_question_document(asked) for asked in report.questions]
    return document


def _row_document(row: Row, *, answers: bool) -> dict[str, Any]:
    m = row.metrics
    document: dict[str, Any] = {
        "row": row.name,
        "kind": row.kind,
        "map_at_1": list(m.map_at_1),
        "map_at_1_intervals": None if m.map_at_1_intervals is None else [_pair(i) for i in m.map_at_1_intervals],
        "map_at_1_mean": m.map_at_1_mean,
        "map_at_1_interval": _pair(m.map_at_1_interval),
        "map_at_1_spread": row.spread,
        "map_all": None if m.map_all is None else list(m.map_all),
        "map_all_mean": m.map_all_mean,
        "recall_1": m.recall_1,
        "recall_5": m.recall_5,
        "mean_tiou": m.mean_tiou,
        "mean_tiou_interval": _pair(m.mean_tiou_interval),
        "rejection": m.rejection,
        "ms": _number(row.ms),
    }
    if answers:
        document["runs"] = [[_answer_document(one) for one in run] for run in row.runs]
    return document


def _question_document(asked: Asked) -> dict[str, Any]:
    question = asked.question
    return {
        "label": asked.label,
        "query_video": question.query.video,
        "query": _bounds(asked.query),
        "video": question.video,
        "location": _bounds(asked.location),
        "truths": [_bounds(truth) for truth in asked.truths],
    }


def _answer_document(one: Answered) -> dict[str, Any]:
    first = one.predictions[0] if one.predictions else None
    return {
        "prediction": _bounds(first.segment) if first else None,
        "score": _number(first.score) if first else None,
        "tiou": _number(one.tiou),
    }


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _bounds(segment: Segment) -> list[float]:
    return [round(segment.start_s, 6), round(segment.end_s, 6)]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
