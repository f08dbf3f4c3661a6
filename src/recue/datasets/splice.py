"""Clips joined end to end into one video, by cuts and cross-fades, with exact times of what ended up where."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import MediaError
from recue.core.frames import Fit, FrameSampling
from recue.media import sample
from recue.media.write import VideoWriter

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Part:
    """One clip to join.

    Attributes:
        path: The file.
        name: For messages.
        n_fade: Frames of the cross-fade to the next part; 0 for a cut.
    """

    path: Path
    name: str
    n_fade: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a part ended up, exactly: `[start, end)` in seconds on the written video's clock."""

    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class Spliced:
    """What was written.

    Attributes:
        n_frames: Frames of the video.
        placed: One entry a part; None for a part without a readable frame.
    """

    n_frames: int
    placed: tuple[Placed | None, ...]


def splice(
    parts: Sequence[Part],
    out: Path,
    *,
    width: int,
    height: int,
    rate: Fraction,
    fit: Fit,
    warnings: list[str],
) -> Spliced:
    """Join clips into one H.264 video, each at its own speed, resampled to the video's rate.

    In a cross-fade of F frames the last F frames of one part and the first F of the next lie over each other; one
    ends and the other starts in the middle of them.

    Args:
        parts: In order.
        out: The file to write.
        width: Columns, even.
        height: Rows, even.
        rate: Frames a second.
        fit: How a clip of another shape is brought to that size.
        warnings: Gets a sentence for each part that is damaged or left out.

    Raises:
        MediaError: no part has a readable frame, or `out` cannot be written.

    Cost: one decode and one encode; memory for the frames of one fade.
    """
    sampling = FrameSampling(rate_fps=rate, height=height, width=width, fit=fit)

    def pictures(part: Part) -> Iterable[Picture]:
        said: list[str] = []
        n = 0
        try:
            for frame in sample(part.path, sampling, warnings=said):
                n += 1
                yield frame.image
        except MediaError as error:
            said.append(str(error).replace(str(part.path), part.path.name))
        if said or not n:
            what = "left out" if not n else f"damaged, {n} frames used"
            warnings.append(f"{out.name}: clip {part.name} {what}: {'; '.join(said) or 'it has no frames'}")

    with VideoWriter(out, width=width, height=height, rate=rate, preset="superfast") as writer:
        spans = join([(pictures(part), part.n_fade) for part in parts], writer.write)
        if not any(spans):
            raise MediaError(f"'{out}' was not written: none of its clips has a readable frame")
    return Spliced(
        writer.n_frames,
        tuple(Placed(span[0] / rate, span[1] / rate) if span is not None else None for span in spans),
    )


def join(
    parts: Sequence[tuple[Iterable[Picture], int]], write: Callable[[Picture], None]
) -> list[tuple[Fraction, Fraction] | None]:
    """Write parts one after another, cross-fading where asked, and say where each lies, counted in frames.

    Args:
        parts: For each the pictures and the number of frames that fade into the next part.
        write: Gets every picture of the result, in order.

    Returns:
        Start and end of each part, in frames, in the middle of a fade where there is one; None for a part without
        a picture. A part that is shorter than the fade into it shortens the fade.
    """
    starts: list[Fraction | None] = []
    n = 0  # pictures of the result that are settled, those in `tail` included
    tail: deque[Picture] = deque()  # the last pictures of the part before, still to be faded over
    for pictures, n_fade in parts:
        over, tail = tail, deque()
        n_over, n_faded, n_shown = len(over), 0, 0
        for picture in pictures:
            n_shown += 1
            if over:
                n_faded += 1
                picture = _blend(over.popleft(), picture, n_faded, n_over + 1)
            else:
                n += 1
            tail.append(picture)
            if len(tail) > n_fade:
                write(tail.popleft())
        if not n_shown:
            tail = over
            starts.append(None)
            continue
        n -= len(over)  # pictures of the part before that found nothing to fade into
        starts.append(n - n_shown + Fraction(n_faded, 2))
    for picture in tail:
        write(picture)
    spans: list[tuple[Fraction, Fraction] | None] = []
    end = Fraction(n)
    for start in reversed(starts):
        spans.append((start, end) if start is not None else None)
        end = start if start is not None else end
    return spans[::-1]


def _blend(a: Picture, b: Picture, step: int, steps: int) -> Picture:
    """From `a` (step 0) to `b` (step `steps`), in whole numbers, so that every machine gets the same."""
    weight = (256 * step) // steps
    mixed = (a.astype(np.uint16) * (256 - weight) + b.astype(np.uint16) * weight + 128) >> 8
    return mixed.astype(np.uint8)
