"""A drawing of what a network attended to: query steps against reference steps."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MissingExtraError, ShapeError
from recue.core.segment import Segment

_TRUTH, _FOUND = "#009E73", "#D55E00"
_STYLE: dict[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "recue",  # the same weights give the same file
}


def draw_attention(
    weights: Float[np.ndarray, "reference query"],
    path: str | Path,
    *,
    reference_times_s: Float[np.ndarray, " reference_bounds"] | None = None,
    query_times_s: Float[np.ndarray, " query_bounds"] | None = None,
    truths: Sequence[Segment] = (),
    found: Sequence[Segment] = (),
    title: str = "",
) -> Path:
    """Draw how much each query step mattered to each reference step, the reference along the bottom.

    Args:
        weights: One row for each reference step, without padding; each row sums to 1.
        path: `.png`, `.svg` or `.pdf`; written over.
        reference_times_s: Bounds of the reference's steps on its clock; without them the axis counts steps.
        query_times_s: Bounds of the query's steps.
        truths: Where the moment really is, in the unit of the reference's axis; drawn below it.
        found: Where it was found.
        title: A line above.

    Returns:
        The path.

    Raises:
        ShapeError: the weights are no table, or the times are not one more than the steps.
        ConfigError: the file cannot be written, or has another suffix.
        MissingExtraError: matplotlib is absent.
    """
    path = Path(path)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"attention is drawn as .png, .svg or .pdf, got '{path.name}'")
    if weights.ndim != 2 or not weights.size or not np.isfinite(weights).all():
        raise ShapeError(f"attention is a finite table [reference, query], got {weights.shape}")
    n_reference, n_query = weights.shape
    across = _bounds(reference_times_s, n_reference, "reference")
    up = _bounds(query_times_s, n_query, "query")
    try:
        matplotlib: Any = import_module("matplotlib")
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "research", "drawing attention") from error
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(8.0, 3.4), layout="constrained")
        marks = [(name, spans, colour) for name, spans, colour in _marks(truths, found) if spans]
        heights = (8.0, 0.7 * len(marks)) if marks else (1.0,)
        rows = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        # One picture in the file, however many cells.
        mesh = rows[0].pcolormesh(across, up, weights.T, cmap="magma_r", vmin=0.0, rasterized=True)
        bar = figure.colorbar(mesh, ax=rows[0], pad=0.01)
        bar.set_label(f"weight (even: {1 / n_query:.2g})")
        rows[0].set_ylabel("query step" if query_times_s is None else "query (s)")
        if marks:
            _draw_marks(rows[1], marks)
        rows[-1].set_xlabel("reference step" if reference_times_s is None else "reference (s)")
        rows[-1].set_xlim(across[0], across[-1])
        if title:
            rows[0].set_title(title, loc="left")
        metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[path.suffix]
        try:
            figure.savefig(path, dpi=160, metadata=metadata)
        except OSError as error:
            raise ConfigError(f"'{path}' cannot be written: {error.strerror}; name another file") from error
    return path


def _bounds(times_s: NDArray[np.floating] | None, n_steps: int, name: str) -> NDArray[np.float64]:
    if times_s is None:
        return np.arange(n_steps + 1.0)
    if times_s.shape != (n_steps + 1,):
        raise ShapeError(f"{n_steps} steps of the {name} have {n_steps + 1} bounds, got {times_s.shape}")
    return times_s.astype(np.float64)


def _marks(truths: Sequence[Segment], found: Sequence[Segment]) -> list[tuple[str, Sequence[Segment], str]]:
    return [("truth", truths, _TRUTH), ("found", found, _FOUND)]


def _draw_marks(axes: Any, marks: list[tuple[str, Sequence[Segment], str]]) -> None:
    for row, (_, spans, colour) in enumerate(marks):
        axes.broken_barh([(span.start_s, span.duration_s) for span in spans], (row + 0.15, 0.7), color=colour)
    axes.set_yticks([row + 0.5 for row in range(len(marks))], [name for name, _, _ in marks])
    axes.set_ylim(len(marks), 0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
