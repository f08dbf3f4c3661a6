"""The `recue` command and its sub-commands."""

from typing import Annotated

import typer

from recue import __version__
from recue.cli import checkpoint, compose, dataset, demo, doctor, evaluate, index, info, prepare, search, train, videos

app = typer.Typer(
    name="recue",
    help="Find a moment again: show it a clip, get every moment like it in a folder of videos.",
    epilog="Start with: recue prepare; recue index FOLDER; recue search CLIP. Exit status: 0 done or found, "
    "1 not found, 2 and up for errors (docs/cli.md).",
    no_args_is_help=True,
    # Plain help: it costs a third of the time of the boxed one, and reads the same in a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"recue {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("prepare")(prepare.prepare)
app.command("index")(index.index)
app.command("search")(search.search)
app.command("list")(videos.list_videos)
app.command("remove")(videos.remove)
app.command("info")(info.info)
app.command("doctor")(doctor.doctor)
app.command("compose")(compose.compose)
app.add_typer(dataset.app, name="dataset", help="What there is to train and evaluate on: list, check, build, show.")
app.command("train")(train.train)
app.add_typer(checkpoint.app, name="checkpoint", help="Trained models: show one, push it to a hub, pull one.")
app.command("evaluate")(evaluate.evaluate)
app.command("demo")(demo.demo)
