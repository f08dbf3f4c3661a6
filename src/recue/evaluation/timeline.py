"""Truth and answers over one stretch of video, as an inline SVG of two lines."""

from collections.abc import Sequence

from markupsafe import Markup

from recue.core.segment import Segment

_WIDTH, _LANE, _GAP = 1000.0, 16.0, 4.0


def timeline_svg(bounds: Segment, *, truths: Sequence[Segment], found: Sequence[Segment], label: str) -> Markup:
    """Draw the truths above and the answers below, the first strong and the others the paler the later.

    Args:
        bounds: The stretch from the left to the right edge; what lies outside is cut off.
        truths: In any order.
        found: Best first.
        label: What a screen reader says; escaped here.

    Returns:
        An `<svg>` element that scales to its box, coloured by the classes `truth`, `answer`, `lane`.
    """

    def box(segment: Segment, kind: str, top: float, opacity: float = 1.0) -> str:
        inside = segment.clipped(bounds)
        left = _WIDTH * (inside.start_s - bounds.start_s) / (bounds.duration_s or 1.0)
        width = max(_WIDTH * inside.duration_s / (bounds.duration_s or 1.0), 2.0)
        left = min(left, _WIDTH - width)
        return (
            f'<rect class="{kind}" x="{left:.1f}" y="{top:.0f}" width="{width:.1f}" height="{_LANE:.0f}" '
            f'opacity="{opacity:.2f}"/>'
        )

    below = _LANE + _GAP
    parts = [box(bounds, "lane", 0.0), box(bounds, "lane", below)]
    parts += [box(truth, "truth", 0.0) for truth in truths]
    # The best is drawn last, on top.
    parts += [
        box(segment, "answer", below, 1.0 if k == 0 else 0.45 / k) for k, segment in reversed(list(enumerate(found)))
    ]
    height = below + _LANE
    return Markup(
        f'<svg class="timeline" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(label, Markup("".join(parts)))
