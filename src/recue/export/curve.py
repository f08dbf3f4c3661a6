"""A similarity curve as an inline SVG: the line, its scale, the found segments as bands."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from recue.core.moment import SimilarityCurve
from recue.core.segment import Segment

_WIDTH, _HEIGHT = 1000.0, 100.0
_MAX_POINTS = 500


@dataclass(frozen=True, slots=True)
class Scale:
    """The range that curves are drawn in, the same for every card of a page so that heights compare.

    Attributes:
        low: Similarity at the bottom.
        high: Similarity at the top; above `low`.
    """

    low: float
    high: float

    @classmethod
    def of(cls, curves: Iterable[SimilarityCurve]) -> "Scale":
        """The range of every finite value of some curves, a little wider than they need."""
        values = [value for curve in curves for value in curve.values if math.isfinite(value)]
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        margin = 0.06 * (high - low) or 0.5
        return cls(low - margin, high + margin)


def curve_svg(
    curve: SimilarityCurve,
    *,
    bounds: Segment,
    scale: Scale,
    found: Segment,
    others: Sequence[Segment] = (),
    label: str,
) -> Markup:
    """Draw a curve.

    Args:
        curve: What to draw. Long ones are thinned, keeping the largest of neighbours so that no peak is lost; a
            value that is not a number leaves a gap.
        bounds: The stretch of the video's clock from the left to the right edge.
        scale: Similarity at the bottom and at the top.
        found: The segment to mark strongly.
        others: Segments to mark lightly.
        label: What a screen reader says; escaped here.

    Returns:
        An `<svg>` element that scales to its box, coloured by the classes `line`, `area`, `band`, `band other`.
    """

    def x(time_s: float) -> float:
        inside = min(max(time_s, bounds.start_s), bounds.end_s)
        return _WIDTH * (inside - bounds.start_s) / (bounds.duration_s or 1.0)

    def y(value: float) -> float:
        return _HEIGHT * (1.0 - (value - scale.low) / (scale.high - scale.low))

    def band(segment: Segment, kind: str) -> str:
        left = x(segment.start_s)
        width = max(x(segment.end_s) - left, 3.0)
        return f'<rect class="{kind}" x="{left:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT:.0f}"/>'

    line: list[str] = []
    area: list[str] = []
    for run in _runs(curve):
        points = [f"{x(time_s):.1f},{y(value):.1f}" for time_s, value in run]
        line.append("M" + "L".join(points))
        area.append(f"M{x(run[0][0]):.1f},{_HEIGHT:.0f}L" + "L".join(points) + f"L{x(run[-1][0]):.1f},{_HEIGHT:.0f}Z")
    bands = "".join([*(band(other, "band other") for other in others), band(found, "band")])
    return Markup(
        f'<svg class="curve" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}<path class="area" d="{}"/><path class="line" d="{}"/></svg>'
    ).format(label, Markup(bands), "".join(area), "".join(line))


def _runs(curve: SimilarityCurve) -> list[list[tuple[float, float]]]:
    """Stretches of finite points, thinned together to about `_MAX_POINTS`."""
    stride = max(1, math.ceil(len(curve.values) / _MAX_POINTS))
    runs: list[list[tuple[float, float]]] = [[]]
    for first in range(0, len(curve.values), stride):
        group = zip(curve.times_s[first : first + stride], curve.values[first : first + stride], strict=True)
        finite = [(time_s, value) for time_s, value in group if math.isfinite(value)]
        if finite:
            runs[-1].append(max(finite, key=lambda point: point[1]))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
