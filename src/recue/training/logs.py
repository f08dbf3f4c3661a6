"""Where the figures of a training go: one CSV file and TensorBoard, both cut back when a training is resumed."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from recue.core.errors import MissingExtraError
from recue.models.saved import replace_file

LOG = "log.csv"


class TrainingLog:
    """Writes rows of figures; use as a context manager.

    A row that a killed training wrote after its last saved state is dropped on resumption: the steps come again.

    Args:
        folder: Where the files go.
        columns: Names of all figures.
        step: Rows after this step are dropped; 0 starts anew.

    Raises:
        MissingExtraError: tensorboardX is not installed.
    """

    def __init__(self, folder: Path, columns: tuple[str, ...], *, step: int) -> None:
        try:
            from tensorboardX import SummaryWriter  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise MissingExtraError("tensorboardX", "research", "the log of a training") from error
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / LOG
        self._columns = columns
        self._cut_back(step)
        if step == 0:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        self._board: Any = SummaryWriter(str(folder), purge_step=step + 1)

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.close()

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """One row, flushed at once."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([step, *(_text(figures.get(name)) for name in self._columns)])
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)

    def _cut_back(self, step: int) -> None:
        kept: list[list[str]] = []
        if step > 0 and self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))[1:]
            width = 1 + len(self._columns)
            kept = [row for row in rows if len(row) == width and row[0].isdigit() and int(row[0]) <= step]
        text = io.StringIO()
        csv.writer(text).writerows([["step", *self._columns], *kept])
        replace_file(self.path, lambda path: path.write_text(text.getvalue(), "utf-8", newline=""))


def _text(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"
