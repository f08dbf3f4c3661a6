"""Download bars on stderr."""

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn

from recue.cli import output, words


class _Bars:
    """A progress display that is live on a terminal only; use as a context manager."""

    def __init__(self, *columns: ProgressColumn, transient: bool = False) -> None:
        self._console = output.stderr_console()
        self._bar = Progress(*columns, console=self._console, transient=transient)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()


class DownloadBars(_Bars):
    """One bar a download on a terminal, one line a download elsewhere; use as a context manager.

    Called with the name of what is downloaded, the bytes so far, and the bytes in all or None.
    """

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(compact=True)
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Show how far a download is."""
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
            if not self._console.is_terminal:
                output.note(f"getting {name}{f', {words.size(total)}' if total else ''}")
        self._bar.update(self._tasks[name], completed=done, total=total)


class CountBar(_Bars):
    """A bar that counts things; silent where stderr is no terminal. Called with done, in all, and the last one."""

    def __init__(self) -> None:
        super().__init__(
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.description}"),
            transient=True,
        )
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int, name: str) -> None:
        """Show how far it is."""
        if self._task is None:
            self._task = self._bar.add_task(name, total=total)
        self._bar.update(self._task, completed=done, total=total, description=name)
