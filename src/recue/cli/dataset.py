"""`recue dataset`: what there is to train and evaluate on, and whether it is all there."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from recue.datasets.task import DatasetReport

app = typer.Typer(
    name="dataset",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class SplitName(StrEnum):
    """A split, on the command line."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="NAME:ROOT[,features=PATH][,OPTION=VALUE...]; docs/datasets.md has the options of each.",
        autocompletion=options.complete_dataset,
    ),
]


@app.command("list")
@exits.command
def list_datasets(json: options.Json = False) -> int:
    """Every dataset there is, with what it is."""
    from recue.datasets import DATASETS
    from recue.datasets.words import summary

    rows = [(name, summary(name)) for name in DATASETS.names()]
    if json:
        output.document({"schema": 1, "datasets": [{"name": name, "summary": said} for name, said in rows]})
    else:
        output.table([output.Column("dataset"), output.Column("what", flexible=True)], rows)
    return exits.OK


@app.command("check")
@exits.command
def check(spec: Spec, json: options.Json = False) -> int:
    """Say what a dataset holds, what is missing and what is wrong.

    Exit status: 0 it is ready, 1 it is not.
    """
    from recue.datasets import load_dataset

    report = load_dataset(spec).check()
    if json:
        output.document(
            {
                "schema": 1,
                "name": report.name,
                "ready": report.ready,
                "counts": {split: dict(counts) for split, counts in report.counts.items()},
                "missing": list(report.missing),
                "problems": list(report.problems),
                "notes": list(report.notes),
            }
        )
    else:
        _print(report)
    return exits.OK if report.ready else exits.NO


@app.command("build")
@exits.command
def build(
    spec: Spec,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="Threads of the backbone. Default: by the cores."),
    ] = None,
    json: options.Json = False,
) -> int:
    """Make the features of a dataset that has the videos; what is there already is kept.

    Exit status: 0 all are there, 7 some files failed, 130 stopped by Ctrl-C (the same command goes on).
    """
    import os

    from recue.cli.downloads import CountBar
    from recue.datasets import load_dataset
    from recue.datasets.abilities import Buildable

    dataset = load_dataset(spec)
    if not isinstance(dataset, Buildable):
        exits.usage(
            f"the dataset '{dataset.name}' has no videos to make features of; bring some and name them: "
            f"{spec},features=PATH (docs/datasets.md)"
        )
    with CountBar() as bar:
        report = dataset.build(progress=bar, threads=threads or len(os.sched_getaffinity(0)))
    for said in report.failed:
        output.warn(said)
    if json:
        output.document(
            {
                "schema": 1,
                "folder": str(report.folder),
                "n_made": report.n_made,
                "n_kept": report.n_kept,
                "failed": list(report.failed),
            }
        )
    else:
        output.note(f"{report.n_made} made, {report.n_kept} were there, {len(report.failed)} failed")
        output.result(str(report.folder))
    return exits.SOME_FAILED if report.failed else exits.OK


@app.command("show")
@exits.command
def show(
    spec: Spec,
    split: Annotated[SplitName, typer.Option("--split", help="Which part.")] = SplitName.VAL,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many.")] = 5,
    json: options.Json = False,
) -> int:
    """A few items of a dataset in words."""
    from recue.datasets import load_dataset
    from recue.datasets.words import describe

    said = describe(load_dataset(spec), split.value, n)
    if json:
        output.document({"schema": 1, "split": split.value, "items": list(said)})
    else:
        for line in said:
            output.result(output.one_line(line))
        if not said:
            output.note(f"nothing in {split.value}")
    return exits.OK


def _print(report: "DatasetReport") -> None:
    heads = list(dict.fromkeys(key for counts in report.counts.values() for key in counts))
    columns = [output.Column("split"), *(output.Column(head, "right") for head in heads)]
    rows = [
        [split, *(f"{counts[head]:,}" if head in counts else "" for head in heads)]
        for split, counts in report.counts.items()
    ]
    output.table(columns, rows)
    for kind, sentences in (("missing", report.missing), ("problem", report.problems), ("note", report.notes)):
        for sentence in sentences:
            output.result(output.one_line(f"{kind:<9}{sentence}"))
    output.result(f"{report.name} is ready" if report.ready else f"{report.name} is not ready")
