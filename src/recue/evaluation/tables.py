"""A report as a table: cells for a terminal, JSON, CSV, LaTeX.

Published numbers stand in rows of their own, under a line that says whose they are. Nothing is computed from them.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recue.evaluation.compare import comparisons
from recue.evaluation.metrics import Interval
from recue.evaluation.published import PublishedRow, published
from recue.evaluation.results import BenchmarkReport, Row

#: What stands where there is no number.
NONE = ""


@dataclass(frozen=True, slots=True)
class Cited:
    """Rows of one table of one paper.

    Attributes:
        title: Whose they are, which table, and how they were made.
        rows: Cells under the heads of our table; empty where they print nothing.
    """

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Attributes:
        heads: Of the columns; the first is the row's name.
        rows: Cells, as many as there are heads.
        cited: Rows that others published, under their own titles.
        notes: Sentences that belong under it.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cited: tuple[Cited, ...] = ()
    notes: tuple[str, ...] = ()


def published_for(report: BenchmarkReport) -> tuple[PublishedRow, ...]:
    """What the papers print for this dataset in the same metric; only test splits are published.

    Raises:
        UnknownNameError: no paper has numbers on the dataset; names those that have.
    """
    return published(dataset=report.dataset, metric="mAP@1")


def to_table(report: BenchmarkReport, *, cited: Sequence[PublishedRow] = ()) -> Table:
    """Every row in percent, one decimal.

    Columns: mAP@1 at each threshold, its mean, that mean's 95 % interval, mean tIoU, mAP over all instances, R@1 and
    R@5 at tIoU 0.5, the rejection where there are absent questions, milliseconds a question.
    """
    heads = ["row", *(threshold_name(h) for h in report.thresholds), "mAP@1", "95 %", "tIoU", "mAP", "R@1", "R@5"]
    if report.n_absent:
        heads.append("reject")
    heads.append("ms")
    return Table(
        heads=tuple(heads),
        rows=tuple(_cells(row, with_rejection=report.n_absent > 0) for row in report.rows),
        cited=_blocks(cited, report.thresholds, len(heads)),
        notes=report.notes,
    )


def threshold_name(threshold: float) -> str:
    """A threshold as the papers write it.

    >>> threshold_name(0.5), threshold_name(0.75)
    ('.5', '.75')
    """
    return f"{threshold:g}".removeprefix("0")


def percent(share: float | None) -> str:
    """A share in percent, one decimal; nothing where there is none.

    >>> percent(0.1234), percent(None)
    ('12.3', '')
    """
    return NONE if share is None or math.isnan(share) else f"{100 * share:.1f}"


def to_comparison_table(report: BenchmarkReport) -> Table:
    """Differences of mAP@1 in percentage points, each with its 95 % interval; `*` where that excludes 0."""
    rows = []
    for one in comparisons(report):
        d = one.difference
        cells = [_points(v, i) for v, i in zip((*d.at, d.value), (*d.at_intervals, d.interval), strict=True)]
        bounds = f"{100 * d.interval.low:+.1f} to {100 * d.interval.high:+.1f}"
        rows.append((f"{one.first} − {one.second}", *cells, bounds))
    return Table(("difference", *map(threshold_name, report.thresholds), "mAP@1", "95 %"), tuple(rows))


def _points(value: float, interval: Interval) -> str:
    sure = interval.low > 0 or interval.high < 0
    return f"{100 * value:+.1f}{'*' if sure else ''}"


def _cells(row: Row, *, with_rejection: bool) -> tuple[str, ...]:
    m = row.metrics
    spread = f" ± {percent(row.spread)}" if row.spread is not None else ""
    cells = [row.name, *map(percent, m.map_at_1), percent(m.map_at_1_mean) + spread]
    cells.append(_range(m.map_at_1_interval))
    cells += [percent(value) for value in (m.mean_tiou, m.map_all_mean, m.recall_1, m.recall_5)]
    if with_rejection:
        cells.append(percent(m.rejection))
    cells.append(NONE if row.ms is None else f"{row.ms:.2f}")
    return tuple(cells)


def _blocks(cited: Sequence[PublishedRow], thresholds: Sequence[float], n: int) -> tuple[Cited, ...]:
    blocks: dict[str, list[tuple[str, ...]]] = {}
    for one in cited:
        cells = [one.row, *(percent(_at(one, h)) for h in thresholds), percent(_column(one, "mean"))]
        title = f"As published, not ours: {one.paper}, table {one.table} ({one.protocol})"
        blocks.setdefault(title, []).append((*cells, *([NONE] * (n - len(cells)))))
    return tuple(Cited(title, tuple(rows)) for title, rows in blocks.items())


def _at(one: PublishedRow, threshold: float) -> float | None:
    return _column(one, f"{threshold:g}")


def _column(one: PublishedRow, column: str) -> float | None:
    return one.value(column) if column in one.columns else None


def _range(interval: Interval | None) -> str:
    return NONE if interval is None else f"{percent(interval.low)}–{percent(interval.high)}"


def to_csv(report: BenchmarkReport, *, cited: Sequence[PublishedRow] = ()) -> str:
    """One line a row, shares in [0, 1] at full precision, for a spreadsheet or a script.

    The column `whose` is `ours` or where the row was published.
    """
    names = [f"map_at_1_{h:g}" for h in report.thresholds]
    all_names = [f"map_all_{h:g}" for h in report.thresholds]
    fields = ["row", "kind", "whose", *names, "map_at_1_mean", "map_at_1_low", "map_at_1_high", "map_at_1_spread"]
    fields += ["mean_tiou", *all_names, "map_all_mean", "recall_1", "recall_5", "rejection", "ms"]
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for row in report.rows:
        m = row.metrics
        values: dict[str, Any] = {"row": row.name, "kind": row.kind, "whose": "ours", "ms": row.ms}
        values |= dict(zip(names, m.map_at_1, strict=True)) | {"map_at_1_mean": m.map_at_1_mean}
        values |= {"map_at_1_spread": row.spread, "mean_tiou": m.mean_tiou, "map_all_mean": m.map_all_mean}
        values |= {"recall_1": m.recall_1, "recall_5": m.recall_5, "rejection": m.rejection}
        if m.map_at_1_interval is not None:
            values |= {"map_at_1_low": m.map_at_1_interval.low, "map_at_1_high": m.map_at_1_interval.high}
        if m.map_all is not None:
            values |= dict(zip(all_names, m.map_all, strict=True))
        writer.writerow(values)
    for one in cited:
        values = {"row": one.row, "kind": "published", "whose": one.source, "map_at_1_mean": _column(one, "mean")}
        writer.writerow(values | {name: _at(one, h) for name, h in zip(names, report.thresholds, strict=True)})
    return text.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
    "×": r"$\times$",
    "−": "$-$",
}


def latex_escape(text: str) -> str:
    r"""Text as LaTeX sets it.

    >>> latex_escape("cross_gated & 50 %")
    'cross\\_gated \\& 50 \\%'
    """
    return "".join(_LATEX.get(letter, letter) for letter in text)


def to_latex(table: Table, *, caption: str = "") -> str:
    """A `tabular` with `booktabs` rules, in a `table` where there is a caption; notes as comments.

    The best number of a column among our own rows is not marked: whoever writes the paper says what may be compared.
    """

    def line(cells: Sequence[str]) -> str:
        return " & ".join(latex_escape(cell) for cell in cells) + r" \\"

    body = [r"\toprule", line(table.heads), r"\midrule", *(line(row) for row in table.rows)]
    for block in table.cited:
        title = (
            rf"\multicolumn{{{len(table.heads)}}}{{l}}{{\emph{{{latex_escape(block.title.partition(' (')[0])}}}}} \\"
        )
        body += [r"\midrule", f"% {block.title}", title, *(line(row) for row in block.rows)]
    body.append(r"\bottomrule")
    columns = "l" + "r" * (len(table.heads) - 1)
    tabular = "\n".join([rf"\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}"])
    notes = [f"% {note}" for note in ("needs \\usepackage{booktabs}", *table.notes)]
    if caption:
        tabular = "\n".join(
            [r"\begin{table}", r"\centering", rf"\caption{{{latex_escape(caption)}}}", tabular, r"\end{table}"]
        )
    return "\n".join([*notes, tabular]) + "\n"
