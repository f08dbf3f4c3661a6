"""The published numbers: what is there, what it must look like, and values read from the papers by eye."""

import itertools
import re
from collections import defaultdict
from pathlib import Path

import pytest

from recue.core.errors import UnknownNameError
from recue.datasets import DATASETS
from recue.evaluation.published import PublishedRow, published
from recue.localize import LOCALIZERS
from recue.models import MODELS

CROSS_GATED = "cross-gated-bilinear-matching"
GRAPH = "similarity-graph-relocalization"
AT_SCALE = "semantic-video-moments-retrieval-at-scale"
NGRAM = "attentive-ngram-text-moment-retrieval"
CORRELATION = "spatio-temporal-correlation-relocalization"
PAPERS = Path(__file__).resolve().parents[4] / "shared" / "papers"

#: Printed rows of each table. Where a row is printed over several cells (backbone, number of classes) each is one.
N_ROWS = {
    (CROSS_GATED, 1): 5,
    (CROSS_GATED, 2): 4,
    (GRAPH, 1): 18,
    (GRAPH, 2): 18,
    (AT_SCALE, 1): 5,
    (AT_SCALE, 2): 3,
    (AT_SCALE, 3): 3,
    (AT_SCALE, 4): 6,
    (AT_SCALE, 5): 4,
    (AT_SCALE, 6): 6,
    (AT_SCALE, 7): 6,
    (AT_SCALE, 8): 9,
    (AT_SCALE, 9): 18,
    (NGRAM, 1): 3,
    (NGRAM, 2): 3,
    (CORRELATION, 1): 2,
    (CORRELATION, 2): 7,
    (CORRELATION, 3): 8,
}

#: Read from the page, not from the data.
SPOT = [
    (CROSS_GATED, 1, "Ours", "mAP@1", "0.7", None, 0.273),
    (CROSS_GATED, 1, "Chance", "mAP@1", "mean", None, 0.073),
    (CROSS_GATED, 1, "SST", "mAP@1", "0.5", None, 0.332),
    (CROSS_GATED, 2, "Base + cross gating", "mAP@1", "0.9", None, 0.061),
    (GRAPH, 1, "Our Method", "mAP@1", "0.95", None, 0.1247),
    (GRAPH, 1, "n=2, k=1&2&3", "mAP@1", "0.6", None, 0.7014),
    (GRAPH, 1, "Cross-Gated Bilinear Matching", "mAP@1", "0.75", None, None),
    (GRAPH, 2, "Our Method", "mAP@1", "0.5", None, 0.6056),
    (GRAPH, 2, "SST", "mAP@1", "0.5", None, None),
    (AT_SCALE, 1, "CTC w/ AE Shared", "HR@K", "50", None, 0.9880),
    (AT_SCALE, 1, "CTC w/ AE Shared", "mAP@K", "1", None, 0.7870),
    (AT_SCALE, 3, "ArcFace", "mAP@K", "50", None, 0.6859),
    (AT_SCALE, 4, "ANET TSN", "mAP@K", "100", None, 0.7748),
    (AT_SCALE, 5, "Attn.", "AUC", "1..100", None, 0.549),
    (AT_SCALE, 6, "w/ query branch, 2 classes", "AR@AN", "100", None, 0.7109),
    (AT_SCALE, 7, "ANET I3D", "AUC", "1..100", None, 0.6167),
    (AT_SCALE, 8, "Ours", "AR@AN", "1", "i3d", 0.1469),
    (AT_SCALE, 8, "Reloc.", "AUC", "1..100", "i3d", None),
    (AT_SCALE, 9, "Ours", "Prec@K", "50", "tsn", 0.2469),
    (NGRAM, 1, "ACRN", "R@1", "0.5", None, 0.077),
    (NGRAM, 2, "ACNN", "R@10", "0.4", None, 0.445),
    (CORRELATION, 1, "warpLSTM", "frame-mAP", "0.5", None, 0.291),
    (CORRELATION, 2, "SRL", "mAP@1", "0.7", None, 0.404),
    (CORRELATION, 3, "V_corr|ms", "frame-mAP", "0.5", None, 0.3682),
]


def test_every_table_has_the_rows_of_its_paper() -> None:
    rows: dict[tuple[str, int], set[tuple[object, ...]]] = defaultdict(set)
    for row in published():
        # Two metrics of one printed row are two of ours, except where the metric is what tells printed rows apart.
        apart = row.metric if row.paper in (NGRAM, CORRELATION) else None
        rows[row.paper, row.table].add((row.row, row.dataset, row.features, apart))
    assert {table: len(names) for table, names in rows.items()} == N_ROWS
    assert {row.paper for row in published()} == {CROSS_GATED, GRAPH, AT_SCALE, NGRAM, CORRELATION}


@pytest.mark.parametrize(("paper", "table", "name", "metric", "column", "features", "expected"), SPOT)
def test_values_read_by_eye(
    paper: str, table: int, name: str, metric: str, column: str, features: str | None, expected: float | None
) -> None:
    rows = [r for r in published(paper, metric=metric, table=table) if r.row == name]
    row = next(r for r in rows if features is None or r.features == features)
    assert row.value(column) == expected


def test_values_are_shares_and_belong_to_a_column() -> None:
    for row in published():
        assert len(row.columns) == len(row.values) == len(set(row.columns)) > 0, row.source
        assert all(v is None or 0 < v < 1 for v in row.values), row.source
        assert row.protocol, row.source
        # A table in per cent read as fractions, or the other way round, would be far from what any system reaches.
        assert max((v for v in row.values if v), default=0.5) > 0.02, row.source


def test_no_row_stands_twice() -> None:
    keys = [(r.paper, r.table, r.row, r.dataset, r.metric, r.features) for r in published()]
    assert len(keys) == len(set(keys))


def test_means_are_the_means_of_their_rows() -> None:
    with_mean = [row for row in published(metric="mAP@1") if "mean" in row.columns]
    assert len(with_mean) == 16
    for row in with_mean:
        values = [v for v, column in zip(row.values, row.columns, strict=True) if v and column != "mean"]
        # Printed to a tenth of a per cent; one (MSA) is off by 0.06.
        assert row.value("mean") == pytest.approx(sum(values) / len(values), abs=0.0007), row.source


def test_what_grows_or_falls_along_a_row_does() -> None:
    falls, grows = ("mAP@1", "R@1", "R@5", "R@10"), ("HR@K", "AR@AN")
    odd = []
    for row in published():
        values = [v for v, column in zip(row.values, row.columns, strict=True) if v is not None and column != "mean"]
        if row.metric in falls and values != sorted(values, reverse=True):
            odd.append(row.source)
        if row.metric in grows and values != sorted(values):
            odd.append(row.source)
    # Printed so; its protocol says it.
    assert odd == [f'{GRAPH}, table 1, "n=2, k=1&2&3"']


def test_what_is_printed_twice_is_the_same() -> None:
    def values(paper: str, table: int, name: str, metric: str) -> tuple[float | None, ...]:
        return next(r.values for r in published(paper, metric=metric, table=table) if r.row == name)

    ours = values(CROSS_GATED, 1, "Ours", "mAP@1")
    assert ours == values(CROSS_GATED, 2, "Ours", "mAP@1") == values(CORRELATION, 2, "CGBM", "mAP@1")
    assert values(CROSS_GATED, 1, "Video-level baseline", "mAP@1") == values(CORRELATION, 2, "baseline", "mAP@1")
    whole = values(AT_SCALE, 1, "CTC w/ AE", "mAP@K")
    assert whole == values(AT_SCALE, 4, "HACS TSM", "mAP@K")
    assert whole[:4] == values(AT_SCALE, 2, "T_emb = 4", "mAP@K") == values(AT_SCALE, 3, "Ours", "mAP@K")
    assert values(AT_SCALE, 5, "Attn+Prod.", "AR@AN") == values(AT_SCALE, 7, "HACS TSM", "AR@AN")
    assert values(CORRELATION, 3, "V_corr", "frame-mAP") == values(CORRELATION, 1, "Our approach", "frame-mAP")
    for row in published(AT_SCALE, metric="mAP@K"):
        hits = [r for r in published(AT_SCALE, metric="HR@K", table=row.table) if r.row == row.row]
        assert all(r.value("1") == row.value("1") for r in hits), row.source


def test_names_of_methods_and_datasets_are_those_of_the_registries() -> None:
    models = {row.model for row in published()} - {None}
    assert models <= {*MODELS.names(), *LOCALIZERS.names()}
    assert "cross-gated" in models
    datasets = {row.dataset for row in published()}
    assert datasets == {
        "activitynet-1.2",
        "activitynet-relocalization",
        "ava-search",
        "tacos",
        "thumos14",
        "two-source-activitynet",
        "two-source-hacs",
    }
    assert {name for name in datasets if name in DATASETS.names()}


def test_asking_for_some() -> None:
    assert {row.paper for row in published(dataset="activitynet-relocalization")} == {CROSS_GATED, CORRELATION}
    assert [row.paper for row in published(model="cross-gated", metric="mAP@1", dataset="activitynet-1.2")] == [GRAPH]
    assert published(CROSS_GATED, dataset="tacos") == ()
    own = [row for row in published(CROSS_GATED, table=1) if row.own]
    assert [(row.row, row.model, row.unit) for row in own] == [("Ours", "cross-gated", "percent")]
    assert own[0].source == 'cross-gated-bilinear-matching, table 1, "Ours"'


def test_what_is_not_there_is_answered_with_what_is() -> None:
    with pytest.raises(UnknownNameError, match=r"paper 'cross-gated'; known: .*cross-gated-bilinear-matching"):
        published("cross-gated")
    with pytest.raises(UnknownNameError, match=r"dataset 'tacoss'.*did you mean 'tacos'"):
        published(dataset="tacoss")
    with pytest.raises(UnknownNameError, match=r"metric 'F1'; known: .*mAP@1"):
        published(metric="F1")
    with pytest.raises(UnknownNameError, match=r"model 'chanc'.*did you mean 'chance'"):
        published(model="chanc")
    with pytest.raises(UnknownNameError, match=rf"table 3 of '{CROSS_GATED}'.*there are 1, 2"):
        published(CROSS_GATED, table=3)
    with pytest.raises(UnknownNameError, match="no table 12 of any paper"):
        published(table=12)
    with pytest.raises(UnknownNameError, match=r"no column '0\.4' of mAP@1; it has 0\.5, 0\.6"):
        published(CROSS_GATED)[0].value("0.4")


def as_printed(row: PublishedRow) -> list[float | None]:
    return [v if v is None or row.unit == "fraction" else v * 100 for v in row.values]


@pytest.mark.parametrize("paper", [CROSS_GATED, GRAPH, AT_SCALE, NGRAM, CORRELATION])
def test_the_rows_stand_in_the_text_of_the_paper(paper: str) -> None:
    """Where the text is at hand. Tables whose cells the text holds in another order are looked up cell by cell."""
    path = PAPERS / f"{paper}.txt"
    if not path.is_file():
        pytest.skip(f"the text of the paper is absent: {path}")
    found = re.findall(r"(?<![\w.])\d+\.\d+|(?<=\s)-(?=\s)", path.read_text(encoding="utf-8"))
    text = [None if token == "-" else float(token) for token in found]
    # Parts of a printed row (one metric each) put together again.
    key = lambda row: (row.table, row.dataset, row.features or "", row.row, paper == NGRAM and row.metric)  # noqa: E731
    n_looked_up = 0
    for (table, *_), parts in itertools.groupby(published(paper), key):
        printed = [value for row in parts for value in as_printed(row)]
        if not any(printed):
            continue
        n_looked_up += 1
        wanted = [None if v is None else pytest.approx(v, abs=1e-9) for v in printed]
        if (paper, table) in ((AT_SCALE, 8), (NGRAM, 1), (NGRAM, 2)):
            assert all(v in text for v in wanted), printed
        else:
            n = len(wanted)
            assert any(text[i : i + n] == wanted for i in range(len(text)) if text[i] == wanted[0]), printed
    n_empty = 5 if paper == GRAPH else 0
    assert n_looked_up == sum(n for (name, _), n in N_ROWS.items() if name == paper) - n_empty
