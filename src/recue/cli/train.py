"""`recue train`: a re-localization model from a config."""

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from recue.cli import exits, options, output

if TYPE_CHECKING:
    from rich.progress import TaskID

    from recue.training.news import TrainingEvent


@exits.command
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file of settings; configs/ holds some.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Over the file: training.steps=200, data.spec=... May be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where the checkpoint goes. Default: runs/CONFIG.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the training in DIR stopped; starts it if there is none.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Start anew over an older training in DIR.")] = False,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="SPEC", help="Short for --set data.spec=SPEC.", autocompletion=options.complete_dataset
        ),
    ] = None,
    devices: Annotated[
        int | None, typer.Option("--devices", metavar="N", min=1, help="Short for --set training.devices=N.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", metavar="P", help="32-true, bf16-mixed, 16-mixed; short for --set training.precision=P."
        ),
    ] = None,
    json: options.Json = False,
) -> int:
    """Train a model on a dataset and keep the checkpoint that validates best.

    Ctrl-C leaves a checkpoint that --resume goes on from, to the same weights as if it had never stopped.
    """
    from recue.training.config import load_config

    if resume and force:
        exits.usage("--resume goes on with a training, --force throws it away; give one of them")
    overrides = list(set_ or ())
    given = (("training.devices", devices), ("training.precision", precision))
    overrides += [f"{key}={value}" for key, value in given if value is not None]
    settings = load_config(config, overrides, data=data)
    if not settings.data.spec:
        exits.usage(f"'{config}' names no dataset; give one with --data NAME:ROOT")

    from recue.datasets import load_dataset
    from recue.datasets.task import RelocalizationDataset
    from recue.training.loop import train as run

    dataset = load_dataset(settings.data.spec)
    if not isinstance(dataset, RelocalizationDataset):
        exits.usage(f"'{dataset.name}' has no pairs of a clip and a reference, so nothing here trains on it")
    with TrainingProgress() as progress:
        report = run(
            settings, dataset, out or Path("runs") / config.stem, resume=resume, force=force, progress=progress
        )
    if report.rank:  # another process has the word
        return exits.OK
    if json:
        output.document(
            {
                "schema": 1,
                "checkpoint": str(report.directory),
                "step": report.step,
                "n_steps": report.n_steps,
                "ended": report.ended,
                "best_step": report.best_step if report.best_step >= 0 else None,
                "figures": dict(report.figures),
                "elapsed_s": report.elapsed_s,
                "waiting_s": report.waiting_s,
            }
        )
    else:
        output.result(str(report.directory))
    if report.ended == "interrupted":
        raise KeyboardInterrupt(
            f"interrupted after step {report.step} of {report.n_steps}; --resume --out {report.directory} goes on"
        )
    return exits.OK


class TrainingProgress:
    """Hears the news of a training and shows them; use as a context manager around it."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = output.stderr_console()
        self._live = self._console.is_terminal
        self._bar = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._task: TaskID | None = None
        self._best = ""
        self._started, self._first = time.monotonic(), 0

    def __enter__(self) -> "TrainingProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, event: "TrainingEvent") -> None:
        """Show one event."""
        if event.kind == "started":
            output.note(event.note)
            self._started, self._first = time.monotonic(), event.step
            if self._live:
                self._task = self._bar.add_task("", total=event.n_steps, completed=event.step)
                self._bar.start()
        elif event.kind == "validated":
            self._best = f"  best {100 * event.best:.1f}"
            shares = "  ".join(f"{name.removeprefix('map@1/')} {100 * x:.1f}" for name, x in event.figures.items())
            self._line(f"step {event.step}: {shares}")
        elif event.kind == "step" and self._task is not None:
            self._bar.update(
                self._task,
                completed=event.step,
                description=f"loss {event.figures.get('loss', float('nan')):.4f}{self._best}",
            )
        elif event.kind == "ended":
            took = time.monotonic() - self._started
            ways = {"early": "no better for long enough", "interrupted": "interrupted", "done": "done"}
            from recue.cli import words

            self._line(f"{ways[event.note]}: {words.count(event.step - self._first, 'step')} in {took:.1f} s")

    def _line(self, text: str) -> None:
        if self._live:
            self._console.print(text, markup=False)
        else:
            output.note(text)
