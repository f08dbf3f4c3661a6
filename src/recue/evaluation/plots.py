"""Plots of a report: recall against tIoU, against the query's length, against the target's length."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MissingExtraError
from recue.evaluation.results import Asked, BenchmarkReport, Row, groups_of
from recue.evaluation.scoring import mean_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that are told apart by everyone (Okabe and Ito 2008), one a localizer.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_QUIET = "#7a7f85"

#: Length bins, each with as many questions.
_N_BINS = 5

_STYLE: dict[str, Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e3dc",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "recue",  # the same report gives the same file
}


def save(report: BenchmarkReport, folder: Path) -> tuple[Path, ...]:
    """Draw every plot and write each as PNG and as SVG.

    Raises:
        MissingExtraError: matplotlib is absent.
        ConfigError: the folder cannot be written.
    """
    written = []
    for name, figure in draw(report).items():
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            path = folder / f"{name}{suffix}"
            try:
                with _matplotlib().rc_context(_STYLE):
                    figure.savefig(path, dpi=160, metadata=metadata)
            except OSError as error:
                raise ConfigError(f"'{path}' cannot be written: {error.strerror}; name another folder") from error
            written.append(path)
    return tuple(written)


def draw(report: BenchmarkReport) -> "Mapping[str, Figure]":
    """The plots by name; nothing is shown or written.

    Raises:
        MissingExtraError: matplotlib is absent.
    """
    with _matplotlib().rc_context(_STYLE):
        return {
            "recall-by-tiou": _by_tiou(report),
            "recall-by-query-length": _by_length(
                report, "length of the query (s)", lambda asked: asked.query.duration_s
            ),
            "recall-by-target-length": _by_length(report, "length of the target (s)", lambda asked: asked.target_s),
        }


def length_bins(lengths: Float[np.ndarray, " question"], *, n: int = _N_BINS) -> Int[np.ndarray, " question"]:
    """The bin of each question: bins hold about as many questions each; equal lengths are never parted.

    >>> length_bins(np.array([1.0, 1.0, 1.0, 2.0, 3.0, 9.0]), n=3).tolist()
    [0, 0, 0, 1, 1, 2]
    """
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, n + 1)[1:-1], method="higher"))
    bins = np.searchsorted(edges, lengths, side="right" if len(edges) == 0 else "left")
    _, numbered = np.unique(bins, return_inverse=True)
    return numbered.astype(np.int64)


def _by_tiou(report: BenchmarkReport) -> "Figure":
    figure, axes = _figure("share of questions, first answer (%)", "tIoU above")
    grid = np.linspace(0.0, 1.0, 201)
    present = np.array([asked.present for asked in report.questions])
    for row, style in _drawn_rows(report):
        tiou = row.tiou()[:, present].ravel()
        shares = 100 * (tiou[:, None] > grid).mean(axis=0)
        axes.step(grid, shares, where="post", label=row.name, **(style | {"marker": None}))
    for threshold in report.thresholds:
        axes.axvline(threshold, color="#d8d4ca", linewidth=0.8, zorder=0)
    axes.set_xlim(0, 1)
    _finish(figure, axes, report)
    return figure


def _by_length(report: BenchmarkReport, label: str, length_of: Callable[[Asked], float]) -> "Figure":
    first, last = report.thresholds[0], report.thresholds[-1]
    over = f"tIoU {first:g}" if first == last else f"mean over tIoU {first:g}–{last:g}"
    figure, axes = _figure(f"mAP@1 (%), {over}", label)
    present = [k for k, asked in enumerate(report.questions) if asked.present]
    asked = [report.questions[k] for k in present]
    lengths = np.array([length_of(one) for one in asked])
    bins, groups = length_bins(lengths), groups_of(asked)
    rows = _drawn_rows(report)
    for k, (row, style) in enumerate(rows):
        hits = (row.tiou()[:, present, None] > np.asarray(report.thresholds)).mean(axis=(0, 2))
        means, errors = _by_bin(hits, bins, groups)
        # Side by side, so that the bars of two rows do not hide each other.
        x = np.arange(len(means)) + 0.06 * (k - (len(rows) - 1) / 2)
        axes.plot(x, 100 * means, label=row.name, **style)
        if row.kind == "localizer":
            axes.errorbar(x, 100 * means, yerr=100 * errors, fmt="none", ecolor=style["color"], capsize=2, zorder=2)
    axes.set_xticks(range(len(means)), [_bin_name(lengths[bins == b]) for b in range(len(means))])
    axes.set_xlim(-0.5, len(means) - 0.5)
    axes.xaxis.grid(False)
    _finish(figure, axes, report)
    return figure


def _bin_name(lengths: NDArray[np.float64]) -> str:
    low, high = f"{lengths.min():.3g}", f"{lengths.max():.3g}"
    return f"{low if low == high else f'{low}–{high}'}\nn = {len(lengths)}"


def _by_bin(
    hits: NDArray[np.float64], bins: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each bin, and how far its interval reaches below and above `[2, bin]`."""
    means, errors = [], []
    for b in range(int(bins.max()) + 1):
        own = hits[bins == b]
        (interval,) = mean_intervals(own[:, None], groups[bins == b], n_resamples=400)
        means.append(own.mean())
        errors.append((max(0.0, own.mean() - interval.low), max(0.0, interval.high - own.mean())))
    return np.array(means), np.array(errors).T


def _drawn_rows(report: BenchmarkReport) -> "Sequence[tuple[Row, dict[str, Any]]]":
    """Every row with answers, localizers on top, and how each is drawn."""
    rows: list[tuple[Row, dict[str, Any]]] = []
    k = -1
    for row in report.rows:
        if row.kind == "chance-exact":
            continue
        if row.kind == "localizer":
            k += 1
        colour, marker = _COLOURS[k % len(_COLOURS)], _MARKERS[k % len(_MARKERS)]
        style: dict[str, Any] = {
            "localizer": {"color": colour, "marker": marker, "linewidth": 2.0, "zorder": 3},
            "shuffled": {"color": colour, "marker": ".", "linewidth": 1.2, "linestyle": "--", "zorder": 2},
            "constant": {"color": _QUIET, "marker": ".", "linewidth": 1.5, "linestyle": "-.", "zorder": 1},
            "chance": {"color": _QUIET, "marker": ".", "linewidth": 1.5, "linestyle": ":", "zorder": 1},
        }[row.kind]
        rows.append((row, {**style, "markersize": 5}))
    return rows


def _figure(y: str, x: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_ylabel(y)
    axes.set_xlabel(x)
    return figure, axes


def _finish(figure: "Figure", axes: "Axes", report: BenchmarkReport) -> None:
    axes.set_ylim(bottom=0)
    axes.set_title(
        f"{report.dataset}, {report.split}: {report.n_present} questions, {report.features.partition(':')[0]}",
        loc="left",
        fontsize=10,
    )
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("matplotlib", "research", "drawing plots") from error
    return matplotlib
