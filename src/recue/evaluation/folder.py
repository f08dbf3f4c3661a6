"""Everything that an evaluation leaves behind, in one folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from recue.core.errors import ConfigError
from recue.datasets.task import RelocalizationDataset
from recue.evaluation import cases, document, plots, tables
from recue.evaluation.published import PublishedRow
from recue.evaluation.results import BenchmarkReport
from recue.export.json_document import dumps


def write(
    report: BenchmarkReport,
    folder: str | os.PathLike[str],
    *,
    cited: Sequence[PublishedRow] = (),
    dataset: RelocalizationDataset | None = None,
) -> tuple[Path, ...]:
    """Write `report.json` (every answer too), `table.csv`, `table.tex`, the plots as PNG and SVG, and `cases.html`.

    Args:
        report: What to write.
        folder: Made where it is absent; older files of these names are replaced.
        cited: Rows that others published.
        dataset: What was asked about: gives curves and pictures to the cases.

    Returns:
        What was written.

    Raises:
        ConfigError: the folder cannot be written.
        MissingExtraError: matplotlib is absent; the tables are there all the same.
    """
    root = Path(folder)
    texts = {
        "report.json": dumps(document.to_document(report, cited=cited)) + "\n",
        "table.csv": tables.to_csv(report, cited=cited),
        "table.tex": tables.to_latex(
            tables.to_table(report, cited=cited),
            caption=f"{report.dataset}, {report.split}",
        ),
    }
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (root / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"'{root}' cannot be written: {error.strerror}; name another folder") from error
    page = cases.write_page(report, root / "cases.html", dataset=dataset)
    return (*(root / name for name in texts), page, *plots.save(report, root))
