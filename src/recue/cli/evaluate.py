"""`recue evaluate`: how well localizers find moments again, beside what looks at nothing."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from recue.core.protocols import Localizer
    from recue.datasets.task import RelocalizationDataset
    from recue.evaluation.published import PublishedRow
    from recue.evaluation.results import BenchmarkReport


class AskedSplit(StrEnum):
    """A split that questions are asked of."""

    VAL = "val"
    TEST = "test"


class Format(StrEnum):
    """What goes to stdout."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    LATEX = "latex"


class SpaceFrom(StrEnum):
    """What the space of `align` is fitted to."""

    AUTO = "auto"
    TRAIN = "train"
    SEARCHED = "searched"


@exits.command
def evaluate(
    localizers: Annotated[
        list[str],
        typer.Argument(
            metavar="LOCALIZER...",
            help="Names (align, frame-level), and directories of trained models.",
            autocompletion=options.complete_localizer,
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="SPEC",
            help="The dataset: NAME:ROOT[,features=PATH][,OPTION=VALUE...], as in `recue dataset check`.",
            autocompletion=options.complete_dataset,
        ),
    ],
    split: Annotated[
        AskedSplit | None,
        typer.Option("--split", help="Whose questions. Default: val; test is for reporting alone."),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, help="Draws of chance and of shuffled queries.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of questions, draws and intervals.")] = 0,
    thresholds: Annotated[
        str | None,
        typer.Option("--thresholds", metavar="LIST", help="tIoUs, with commas. Default: 0.5,0.6,0.7,0.8,0.9."),
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", metavar="N", min=1, help="Draws of the bootstrap over references.")
    ] = 1000,
    space: Annotated[
        SpaceFrom,
        typer.Option("--space", help="Fit the space of align to training references, or to those searched."),
    ] = SpaceFrom.AUTO,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write tables, every answer, plots and a page of cases there."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="What goes to stdout.")] = Format.TABLE,
    compare: Annotated[
        bool, typer.Option("--compare", help="Print paired differences of the rows too, with their intervals.")
    ] = False,
    published: Annotated[
        bool, typer.Option("--published", help="Print what the papers report on this dataset below, as theirs.")
    ] = False,
) -> int:
    """Ask localizers every question of a dataset's split, and print what they reach.

    Always beside chance (drawn, and in closed form), a window that ignores the content (fitted on the training items),
    and each localizer asked for another class than it is scored for.
    """
    from recue.cli.downloads import CountBar
    from recue.evaluation import benchmark
    from recue.evaluation.metrics import THRESHOLDS

    chosen = _thresholds(thresholds)
    dataset = _dataset(data)
    asked_of = split or AskedSplit.VAL
    if split is None:
        output.note("Questions of the validation split; report on --split test, once.")
    loaded = _localizers(localizers)
    with CountBar() as bar:
        report = benchmark.run(
            loaded,
            dataset,
            asked_of.value,
            thresholds=chosen or THRESHOLDS,
            seed=seed,
            n_seeds=seeds,
            n_resamples=resamples,
            space=space.value,
            progress=bar,
        )
    cited = _published(report) if published else ()
    present(report, cited, format_, compare=compare)
    if out is not None:
        from recue.evaluation import folder

        for path in folder.write(report, out, cited=cited, dataset=dataset):
            output.note(f"wrote {path}")
    return exits.OK


def present(
    report: "BenchmarkReport", cited: "tuple[PublishedRow, ...]", how: Format, *, compare: bool = False
) -> None:
    """Print a report."""
    from recue.evaluation import benchmark, document, tables

    table = tables.to_table(report, cited=cited)
    if how is Format.JSON:
        output.document(document.to_document(report, cited=cited, questions=False))
    elif how is Format.CSV:
        output.result(tables.to_csv(report, cited=cited).rstrip("\n"))
    elif how is Format.LATEX:
        output.result(tables.to_latex(table).rstrip("\n"))
    else:
        columns = _columns(table.heads)
        output.table(columns, table.rows)
        for block in table.cited:
            output.result(f"\n{block.title}:")
            output.table(columns, block.rows)
        if compare:
            apart = tables.to_comparison_table(report)
            output.result("\nOn the same questions, in percentage points; * where the interval excludes 0:")
            output.table(_columns(apart.heads), apart.rows)
    output.note(
        f"{report.dataset}, {report.split}: {report.n_present} questions with something to find, {report.n_absent} "
        f"without; features of '{report.features}'; in percent, intervals over references"
    )
    for note in report.notes:
        output.note(note)
    if report.chance_deviation > benchmark.MAX_DEVIATION:
        output.warn("chance and its closed form disagree; one of the two is wrong")


def _columns(heads: tuple[str, ...]) -> list[output.Column]:
    return [output.Column(heads[0]), *(output.Column(head, "right") for head in heads[1:])]


def _thresholds(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        exits.usage(f"thresholds are numbers with commas between them, such as 0.5,0.75, got '{text}'")


def _dataset(spec: str) -> "RelocalizationDataset":
    from recue.datasets import load_dataset
    from recue.datasets.task import RelocalizationDataset

    dataset = load_dataset(spec)
    if not isinstance(dataset, RelocalizationDataset):
        exits.usage(
            f"the questions of '{dataset.name}' are no clips, so localizers cannot be asked them; "
            "`recue dataset show` says what they are"
        )
    return dataset


def _localizers(given: list[str]) -> "dict[str, Localizer]":
    """By the names of their rows: a registry name, or a directory's own name while no other has it."""
    from recue.localize.learned import load_localizer

    if len(set(given)) < len(given):
        exits.usage(f"a localizer is named twice in '{' '.join(given)}'; name each once")
    short = [Path(one).name if Path(one).name and Path(one).is_dir() else one for one in given]
    names = [name if short.count(name) == 1 else one for name, one in zip(short, given, strict=True)]
    return {name: load_localizer(one) for name, one in zip(names, given, strict=True)}


def _published(report: "BenchmarkReport") -> "tuple[PublishedRow, ...]":
    from recue.core.errors import UnknownNameError
    from recue.evaluation import tables

    try:
        cited = tables.published_for(report)
    except UnknownNameError as error:
        output.warn(f"nothing is published on this dataset: {error}")
        return ()
    if report.split != "test":
        output.warn(f"published numbers are on test splits, the rows above them are on {report.split}")
    return cited
