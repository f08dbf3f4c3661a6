"""Progress on stderr: a bar for a person, a line a video for a log."""

import sys
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from recue.cli import output, words
from recue.search.report import IngestEvent, IngestPlan


def print_plan(plan: IngestPlan, *, to_stdout: bool = False) -> None:
    """What an ingest will do, how long it takes and how much disk it needs."""
    say = output.result if to_stdout else output.note
    states = [
        (plan.n_new, "new"),
        (plan.n_changed, "changed"),
        (plan.n_moved, "moved"),
        (plan.n_unchanged, "unchanged"),
        (plan.n_duplicate, "with the same content as another"),
        (plan.n_bad, "unreadable"),
        (plan.n_missing, "gone"),
    ]
    what = ", ".join(f"{n} {state}" for n, state in states if n) or "nothing to do"
    say(f"{words.count(len(plan.files), 'file')}: {what}.")
    if plan.to_encode:
        time_needed = "how long shows once it runs, the first time with this backbone"
        if plan.estimated_s is not None:
            time_needed = f"about {words.about(plan.estimated_s)}"
        disk = "an unknown amount" if plan.estimated_bytes is None else words.size(plan.estimated_bytes)
        free = "" if plan.free_bytes is None else f" ({words.size(plan.free_bytes)} are free)"
        say(f"{words.hms(plan.total_s)} of film to index: {time_needed}; {disk} of disk{free}.")
    if to_stdout:
        for file in plan.files:
            if file.status != "unchanged":
                say(f"  {file.status:<10}{words.trouble(str(file.path), file.reason) if file.reason else file.path}")


class IngestProgress:
    """Hears the events of an ingest and shows them; use as a context manager around it."""

    def __init__(self) -> None:
        self._console = output.stderr_console()
        self._live = self._console.is_terminal
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[files]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("left  {task.fields[name]}"),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._task: TaskID | None = None
        self._started = 0.0

    def __enter__(self) -> "IngestProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, event: IngestEvent) -> None:
        """Show one event."""
        if event.kind == "planned" and event.plan is not None:
            print_plan(event.plan)
            if event.plan.to_encode:
                self._start(event)
        elif event.kind == "retried":
            self._line(f"again, alone: {event.path}: {event.message}")
        elif event.kind == "failed":
            self._line(f"failed {event.n_done}/{event.n_total}: {words.trouble(event.path, event.message)}")
        elif event.kind in ("added", "replaced") and not self._live:
            self._line(f"{event.kind} {event.n_done}/{event.n_total}: {event.path}")
        if self._task is not None and event.kind in ("progress", "added", "replaced", "failed"):
            self._advance(event)

    def _start(self, event: IngestEvent) -> None:
        self._started = time.monotonic()
        if self._live:
            self._task = self._bar.add_task(
                "", total=event.total_s or None, files=f"0/{event.n_total}", rate="", name=""
            )
            self._bar.start()

    def _advance(self, event: IngestEvent) -> None:
        assert self._task is not None
        elapsed = time.monotonic() - self._started
        rate = f"{event.done_s / elapsed:.1f} ×" if event.done_s and elapsed > 1 else ""
        self._bar.update(
            self._task,
            completed=event.done_s,
            total=event.total_s,
            files=f"{event.n_done}/{event.n_total}",
            rate=rate,
            name=event.path.rpartition("/")[2][:32],
        )

    def _line(self, text: str) -> None:
        text = output.one_line(text)
        if self._live:
            self._console.print(text, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)
