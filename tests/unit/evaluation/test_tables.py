import csv
import io
import json
import re
from dataclasses import replace

import pytest

from recue.core import ScoredSegment, Segment
from recue.core.errors import UnknownNameError
from recue.datasets.task import Clip, Question
from recue.evaluation import document, tables
from recue.evaluation.metrics import Interval
from recue.evaluation.published import published
from recue.evaluation.results import Answered, Asked, BenchmarkReport, Metrics, Row
from recue.export.json_document import dumps

CITED = published("cross-gated-bilinear-matching", table=1)


@pytest.fixture
def report() -> BenchmarkReport:
    clip = Clip("q_1", 0, 2, "jump & run")
    question = Question(clip, "r_1", (0, 10), ((0, 4),))
    asked = Asked(question, Segment(0.0, 2.0), Segment(0.0, 10.0), (Segment(0.0, 4.0),))
    absent = Asked(replace(question, truths=()), Segment(0.0, 2.0), Segment(0.0, 10.0), ())
    answers = (Answered(clip, (ScoredSegment(Segment(0.0, 3.0), 0.5),), 0.75), Answered(clip, (), 0.0))
    full = Metrics(
        1,
        1,
        (1.0, 0.5),
        0.75,
        (Interval(1.0, 1.0), Interval(0.0, 1.0)),
        Interval(0.5, 1.0),
        (0.25, 0.125),
        0.1875,
        1.0,
        1.0,
        0.75,
        Interval(0.75, 0.75),
        0.9,
    )
    rows = (
        Row("chance", "chance", full, (answers, answers), 0.0125),
        Row("chance, closed form", "chance-exact", Metrics(1, 1, (0.125, 0.0), 0.0625)),
        Row("my_model 100% {new}", "localizer", full, (answers,), None, 12.345),
    )
    return BenchmarkReport(
        dataset="activitynet-relocalization",
        split="test",
        features="c3d",
        fingerprint="f",
        thresholds=(0.5, 0.75),
        seed=0,
        n_seeds=2,
        questions=(asked, absent),
        rows=rows,
        window=(0.2, 0.7),
        chance_deviation=1.5,
        notes=("constant window: 20 % to 70 %",),
    )


def test_cells_of_the_terminal_table(report: BenchmarkReport) -> None:
    table = tables.to_table(report)
    assert table.heads == ("row", ".5", ".75", "mAP@1", "95 %", "tIoU", "mAP", "R@1", "R@5", "reject", "ms")
    assert table.rows[0] == (
        "chance",
        "100.0",
        "50.0",
        "75.0 ± 1.2",
        "50.0–100.0",
        "75.0",
        "18.8",
        "100.0",
        "100.0",
        "90.0",
        "",
    )
    assert table.rows[1] == ("chance, closed form", "12.5", "0.0", "6.2", *[""] * 7)
    assert table.rows[2][-1] == "12.35"
    assert table.cited == ()
    present = replace(report, questions=report.questions[:1])
    assert "reject" not in tables.to_table(present).heads
    assert {len(row) for row in tables.to_table(present).rows} == {10}


def test_published_rows_stand_apart_under_whose_they_are(report: BenchmarkReport) -> None:
    table = tables.to_table(report, cited=CITED)
    assert table.rows == tables.to_table(report).rows
    (block,) = table.cited
    assert block.title.startswith("As published, not ours: cross-gated-bilinear-matching, table 1 (")
    assert block.rows[-1] == ("Ours", "43.5", "", "25.7", *[""] * 7)
    assert len(block.rows) == 5


def test_what_is_published_is_found_by_the_dataset(report: BenchmarkReport) -> None:
    found = tables.published_for(report)
    assert set(CITED) <= set(found)
    assert {one.metric for one in found} == {"mAP@1"}
    with pytest.raises(UnknownNameError, match="'composition'"):
        tables.published_for(replace(report, dataset="composition"))


def test_latex_is_escaped_and_ruled(report: BenchmarkReport) -> None:
    text = tables.to_latex(tables.to_table(report, cited=CITED), caption="a_b, test")
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert body[0] == r"\begin{table}"
    assert r"\caption{a\_b, test}" in body
    assert body[-1] == r"\end{table}"
    assert [line for line in body if "rule" in line] == [r"\toprule", r"\midrule", r"\midrule", r"\bottomrule"]
    assert r"my\_model 100\% \{new\} & 100.0 & 50.0" in text
    assert r"75.0 $\pm$ 1.2 & 50.0--100.0" in text
    assert r"\begin{tabular}{lrrrrrrrrrr}" in text
    rows = [line for line in body if line.endswith(r"\\") and not line.startswith(r"\multicolumn")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {10}
    assert r"\multicolumn{11}{l}{\emph{As published, not ours: cross-gated-bilinear-matching, table 1}} \\" in body


@pytest.mark.parametrize("letter", list("\\&%$#_{}~^<>"))
def test_every_special_letter_is_escaped(letter: str) -> None:
    escaped = tables.latex_escape(f"a{letter}b")
    assert escaped.startswith("a\\")
    assert escaped.endswith("b")
    assert not re.search(r"(?<!\\)[&%$#_~^<>]", escaped)


def test_latex_without_a_caption_is_a_bare_tabular(report: BenchmarkReport) -> None:
    text = tables.to_latex(tables.to_table(report))
    assert r"\begin{table}" not in text
    assert "multicolumn" not in text


def test_csv_has_full_precision_and_says_whose(report: BenchmarkReport) -> None:
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(report, cited=CITED))))
    assert [row["whose"] for row in rows[:3]] == ["ours"] * 3
    assert rows[1]["map_at_1_mean"] == "0.0625"
    assert rows[1]["rejection"] == ""
    assert rows[2]["map_at_1_low"] == "0.5"
    assert (rows[0]["map_all_0.5"], rows[0]["map_all_0.75"]) == ("0.25", "0.125")
    assert rows[-1]["kind"] == "published"
    assert rows[-1]["whose"] == 'cross-gated-bilinear-matching, table 1, "Ours"'
    assert (rows[-1]["map_at_1_0.5"], rows[-1]["map_at_1_0.75"]) == ("0.435", "")


def test_json_holds_everything_and_is_strict(report: BenchmarkReport) -> None:
    infinite = replace(report, chance_deviation=float("inf"))
    read = json.loads(dumps(document.to_document(infinite, cited=CITED)))
    assert (read["schema"], read["kind"]) == (1, "recue-evaluation")
    assert read["chance_deviation"] is None
    assert read["rows"][2]["map_at_1_interval"] == [0.5, 1.0]
    assert read["rows"][1]["map_all"] is None
    assert read["rows"][2]["runs"] == [
        [
            {"prediction": [0.0, 3.0], "score": 0.5, "tiou": 0.75},
            {"prediction": None, "score": None, "tiou": 0.0},
        ]
    ]
    assert read["questions"][0]["truths"] == [[0.0, 4.0]]
    assert read["questions"][0]["label"] == "jump & run"
    assert read["published"][-1]["map_at_1"]["0.5"] == 0.435
    assert [(one["row"], one["against"]) for one in read["differences"]] == [("my_model 100% {new}", "chance")]
    brief = document.to_document(report, questions=False)
    assert "questions" not in brief
    assert "runs" not in brief["rows"][0]


def test_differences_say_where_they_are_sure(report: BenchmarkReport) -> None:
    good, bad = report.rows[2], report.rows[0]
    clip = report.questions[0].question.query
    poor = tuple(replace(answered, tiou=0.6) for answered in bad.runs[0])
    table = tables.to_comparison_table(replace(report, rows=(replace(bad, runs=(poor,)), good)))
    assert table.heads == ("difference", ".5", ".75", "mAP@1", "95 %")
    # 0.75 is not above 0.75.
    assert table.rows == (("my_model 100% {new} − chance", "+0.0", "+0.0", "+0.0", "+0.0 to +0.0"),)
    sure = tuple(Answered(clip, one.predictions, 0.8) for one in good.runs[0])
    table = tables.to_comparison_table(replace(report, rows=(replace(bad, runs=(poor,)), replace(good, runs=(sure,)))))
    assert table.rows[0][1:] == ("+0.0", "+100.0*", "+50.0*", "+50.0 to +50.0")
