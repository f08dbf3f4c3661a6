"""Sentences with their moments, sliding windows, and which window stands for which sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from recue.core.errors import ConfigError
from recue.core.segment import Segment

#: What a window stands for, where several moments match it: all sentences of the best moment, one sentence of it, or
#: every sentence of every moment.
Serve = Literal["moment", "sentence", "all"]
SERVES: tuple[Serve, ...] = ("moment", "sentence", "all")


@dataclass(frozen=True, slots=True)
class SentenceMoment:
    """A sentence and the moment it speaks of.

    Attributes:
        video: Name of the video.
        sentence: As it was written.
        first: First frame.
        stop: Frame after the last.
        rate: Frames a second of the video.
    """

    video: str
    sentence: str
    first: int
    stop: int
    rate: float

    @property
    def segment(self) -> Segment:
        """In seconds."""
        return Segment(self.first / self.rate, self.stop / self.rate)


@dataclass(frozen=True, slots=True)
class Window:
    """A candidate: frames `first` to `stop - 1` of a video."""

    video: str
    first: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.first


@dataclass(frozen=True, slots=True)
class WindowMatch:
    """A training pair.

    Attributes:
        window: The candidate.
        sentence: What it stands for.
    """

    window: Window
    sentence: SentenceMoment

    @property
    def offsets(self) -> tuple[int, int]:
        """Frames from the window's bounds to the moment's: what a head regresses."""
        return self.sentence.first - self.window.first, self.sentence.stop - self.window.stop


def slide(n_frames: int, size: int, *, overlap: Fraction = Fraction(4, 5)) -> list[tuple[int, int]]:
    """Windows of one size over a video; the k-th starts at `floor(k * size * (1 - overlap))`.

    >>> slide(10, 5)
    [(0, 5), (1, 6), (2, 7), (3, 8), (4, 9), (5, 10)]

    Raises:
        ConfigError: the windows would not move, or are empty.
    """
    if size < 1 or not 0 <= overlap < 1:
        raise ConfigError(f"windows have a frame or more and overlap by a share in [0, 1), got {size}, {overlap}")
    step = size * (1 - overlap)
    n = int((n_frames - size) / step) + 1 if n_frames >= size else 0
    starts = [int(k * step) for k in range(n)]
    return [(first, first + size) for first in dict.fromkeys(starts)]


def overlaps(
    windows: Int[np.ndarray, "n 2"], moments: Int[np.ndarray, "m 2"]
) -> tuple[Float[np.ndarray, "n m"], Float[np.ndarray, "n m"]]:
    """IoU of each window with each moment, and the share of the window that lies outside the moment (nIoL).

    >>> iou, outside = overlaps(np.array([[0, 10]]), np.array([[2, 12], [20, 30]]))
    >>> iou.round(3).tolist(), outside.tolist()
    ([[0.667, 0.0]], [[0.2, 1.0]])
    """
    both = np.minimum(windows[:, None, 1], moments[None, :, 1]) - np.maximum(windows[:, None, 0], moments[None, :, 0])
    both = np.maximum(both, 0)
    lengths = windows[:, 1] - windows[:, 0]
    either = lengths[:, None] + (moments[:, 1] - moments[:, 0])[None] - both
    return both / either, (lengths[:, None] - both) / lengths[:, None]


def match_windows(
    windows: Sequence[Window],
    sentences: Sequence[SentenceMoment],
    *,
    min_iou: float = 0.5,
    max_outside: float = 0.15,
    serve: Serve = "moment",
) -> tuple[WindowMatch, ...]:
    """Training pairs of one video: a window and a sentence whose moment it nearly is.

    Args:
        windows: Of one video.
        sentences: Of the same video.
        min_iou: A pair's IoU is above it.
        max_outside: Less than this share of the window lies outside the moment.
        serve: What a window stands for where it matches several. The best moment is the one of the largest IoU, the
            first of those that start first in a tie. `sentence`: of the sentences of that moment the one that has the
            fewest windows so far.

    Returns:
        In the order of the windows, then of the sentences.

    Raises:
        ConfigError: windows and sentences are of several videos.

    Source: Gao et al., TALL, 2017, section 4.1.
    """
    if not windows or not sentences:
        return ()
    if len(videos := {w.video for w in windows} | {s.video for s in sentences}) > 1:
        raise ConfigError(f"windows are matched with sentences of their own video, got {', '.join(sorted(videos))}")
    by_moment: dict[tuple[int, int], list[SentenceMoment]] = {}
    for sentence in sentences:
        by_moment.setdefault((sentence.first, sentence.stop), []).append(sentence)
    moments = sorted(by_moment)
    iou, outside = overlaps(np.array([(w.first, w.stop) for w in windows]), np.array(moments))
    able = (iou > min_iou) & (outside < max_outside)
    n_windows = {id(sentence): 0 for sentence in sentences}
    matches = []
    for k in np.flatnonzero(able.any(axis=1)).tolist():
        if serve == "all":
            served = [s for m in np.flatnonzero(able[k]) for s in by_moment[moments[m]]]
        else:
            served = by_moment[moments[int(np.where(able[k], iou[k], -1).argmax())]]
        if serve == "sentence":
            served = [min(served, key=lambda s: n_windows[id(s)])]
        for sentence in served:
            n_windows[id(sentence)] += 1
            matches.append(WindowMatch(windows[k], sentence))
    return tuple(matches)
