"""What the papers print: the numbers of their result tables, as data, with table and row.

They are facts to print beside one's own and never mixed in: another split, another pairing or another feature makes
another number. The values stand in `published.json`, as printed; here they become shares.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from recue.core.errors import UnknownNameError, suggest

Unit = Literal["percent", "fraction"]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of one table of one paper, for one metric.

    Attributes:
        paper: Name of the paper's method, as in this project's documents: `cross-gated-bilinear-matching`.
        table: Number of the table in the paper.
        row: Name of the row as printed, or what it means where the print is split over cells.
        dataset: Registry name of the dataset; `two-source-hacs` and `two-source-activitynet` for its two sources.
        metric: `mAP@1`, `R@1`, `R@5`, `R@10`, `HR@K`, `mAP@K`, `AR@AN`, `AUC`, `Prec@K` or `frame-mAP`.
        columns: What each value belongs to: a threshold, a K, an AN, `mean` of the thresholds, `1..100` for the area.
        values: One a column, in [0, 1]; None where the paper prints none.
        unit: How the paper prints them.
        own: Whether it is the paper's own method, or a variant of it, and not another's.
        model: Registry name of the same method here, where there is one.
        features: What the method ran on, where the paper says it for the row as a whole.
        protocol: How the numbers were made, in short.
    """

    paper: str
    table: int
    row: str
    dataset: str
    metric: str
    columns: tuple[str, ...]
    values: tuple[float | None, ...]
    unit: Unit
    own: bool
    model: str | None
    features: str | None
    protocol: str

    @property
    def source(self) -> str:
        """Where to look it up: `cross-gated-bilinear-matching, table 1, "Ours"`."""
        return f'{self.paper}, table {self.table}, "{self.row}"'

    def value(self, column: str) -> float | None:
        """The value of one column; None where the paper prints none.

        Raises:
            UnknownNameError: the row has no such column.
        """
        if column not in self.columns:
            raise UnknownNameError(
                f"{self.source} has no column '{column}' of {self.metric}; it has {', '.join(self.columns)}"
            )
        return self.values[self.columns.index(column)]


def published(
    paper: str | None = None,
    dataset: str | None = None,
    metric: str | None = None,
    *,
    table: int | None = None,
    model: str | None = None,
) -> tuple[PublishedRow, ...]:
    """The published rows that fit all that is given, in the order of the papers.

    >>> [(row.row, row.value("0.5")) for row in published("cross-gated-bilinear-matching", table=2)]
    [('Base', 0.408), ('Base + cross gating', 0.405), ('Base + bilinear', 0.423), ('Ours', 0.435)]

    Args:
        paper: Name of the paper.
        dataset: Name of the dataset.
        metric: Name of the metric.
        table: Number of the table; of use with a paper.
        model: Registry name of the method here.

    Returns:
        Empty where each of the names is known and no row has them together.

    Raises:
        UnknownNameError: nothing published has that paper, dataset, metric, table or model; names what there is.
    """
    rows = _rows()
    for what, asked in (("paper", paper), ("dataset", dataset), ("metric", metric), ("model", model)):
        if asked is not None:
            _require_known(what, asked)
            rows = tuple(row for row in rows if getattr(row, what) == asked)
    return rows if table is None else _of_table(rows, table, paper)


def _of_table(rows: tuple[PublishedRow, ...], table: int, paper: str | None) -> tuple[PublishedRow, ...]:
    known = sorted({row.table for row in _rows() if paper in (None, row.paper)})
    if table not in known:
        whose = f"'{paper}'" if paper else "any paper"
        raise UnknownNameError(f"no table {table} of {whose} holds results; there are {', '.join(map(str, known))}")
    return tuple(row for row in rows if row.table == table)


def _require_known(what: str, asked: str) -> None:
    # Of all rows, not of those left: a known dataset that a paper does not use is no misspelling.
    known = {getattr(row, what) for row in _rows()} - {None}
    if asked not in known:
        raise UnknownNameError(f"no published number has the {what} '{asked}'; {suggest(asked, known)}")


@cache
def _rows() -> tuple[PublishedRow, ...]:
    text = (resources.files("recue.evaluation") / "published.json").read_text(encoding="utf-8")
    return tuple(row for table in json.loads(text)["tables"] for row in _rows_of(table))


def _rows_of(table: dict[str, Any]) -> Iterator[PublishedRow]:
    for block in table["blocks"]:
        for name, printed in block["rows"].items():
            first = 0
            for metric in block["metrics"]:
                stop = first + len(metric["columns"])
                yield PublishedRow(
                    paper=table["paper"],
                    table=table["table"],
                    row=name,
                    dataset=block["dataset"],
                    metric=metric["metric"],
                    columns=tuple(metric["columns"]),
                    values=tuple(_share(value, metric["unit"]) for value in printed[first:stop]),
                    unit=metric["unit"],
                    own=name in table.get("own", ()),
                    model=table.get("models", {}).get(name),
                    features=block.get("features"),
                    protocol=table["protocol"],
                )
                first = stop


def _share(printed: float | None, unit: Unit) -> float | None:
    if printed is None or unit == "fraction":
        return printed
    # 42.15 % is the share 0.4215, not the float above it.
    return round(printed / 100, 6)
