"""Where a shot ends in a stream of pictures, and how to keep one shot's frames out of the next one's features.

A network that looks at a second or two of video mixes what lies on both sides of a cut into every step near it: the
action that was filmed and the one that happens to follow. `ShotContext` keeps them apart for any such network. It
finds the cuts and short dissolves, and puts between two shots a few repetitions of the last picture of the one and of
the first of the other, as a network is given them at the ends of a video.

A join shows in two ways: the colours change, and so does where they are. The distance of two pictures is the product
of the Hellinger distance of their colour histograms and of one minus the correlation of their coarse layouts; either
alone is fooled, by a pan or by a flash. It is taken over one frame, two, ... up to about an eighth of a second to
either side, so that a hard cut gives a sharp peak and a dissolve a rounder one. The rule is the classical one for shot
boundaries (compare Hanjalic, "Shot-boundary detection: unraveled and resolved?", IEEE CSVT 2002); nothing depends on
its being right: a join that is missed leaves the features as they would be without it.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

#: Rows and columns of points at which a picture is looked at, and of the blocks of its layout.
_POINTS, _BLOCKS = 32, 8

#: How far to either side pictures are compared, in seconds.
_REACH_S = 0.15

#: A peak of the mean distance above this is a join. Chosen on composed videos whose joins are known.
_THRESHOLD = 0.009

#: Joins lie further apart than this many times the reach.
_APART = 2


#: Two bits of each colour make one of 64.
_CODE = np.array([16, 4, 1], dtype=np.uint8)


@lru_cache(maxsize=8)
def _places(height: int, width: int) -> NDArray[np.intp]:
    """Where the points of a picture lie in its rows laid end to end, block by block."""
    rows, columns = ((np.arange(_POINTS) * size) // _POINTS for size in (height, width))
    side = _POINTS // _BLOCKS
    places = (rows[:, None] * width + columns).reshape(_BLOCKS, side, _BLOCKS, side)
    return places.transpose(0, 2, 1, 3).ravel()


class _Look:
    """What is compared of one picture: the roots of its colour shares, and its layout, centred, of unit length."""

    __slots__ = ("colours", "layout")

    def __init__(self, picture: Picture) -> None:
        points = picture.reshape(-1, 3)[_places(picture.shape[0], picture.shape[1])]
        codes = (points >> 6) @ _CODE
        self.colours = np.sqrt(np.bincount(codes, minlength=64) / len(codes))
        layout = points.reshape(_BLOCKS * _BLOCKS, -1, 3).sum(axis=1, dtype=np.float64).ravel()
        layout -= layout.mean()
        length = float(np.sqrt(layout @ layout))
        # A picture of one colour has no layout; it is as far from any other as can be, and near its own kind.
        self.layout = layout / length if length > 1e-6 else np.zeros_like(layout)


def _distance(a: _Look, b: _Look) -> float:
    colours = 1.0 - float(a.colours @ b.colours)
    layout = 1.0 - float(a.layout @ b.layout)
    return max(colours, 0.0) * max(layout, 0.0)


def marked_shots(pictures: Iterable[Picture], *, rate_fps: float) -> Iterator[tuple[Picture, int]]:
    """Each picture with the number of its shot, from 0.

    Args:
        pictures: uint8 `[height, width, 3]`, of one size.
        rate_fps: Pictures a second.

    Cost: a look at 1,024 points of each picture, whatever its size; holds about half a second of pictures back.
    """
    reach = max(1, round(_REACH_S * rate_fps))
    apart = _APART * reach
    looks: deque[_Look] = deque(maxlen=2 * reach)  # of the pictures t - reach .. t + reach - 1, t the one scored
    scores: deque[float] = deque(maxlen=2 * apart + 1)
    waiting: deque[Picture] = deque()
    shot, given = 0, 0

    def scored(look: _Look) -> None:
        looks.append(look)
        if len(looks) == 2 * reach:
            pairs = ((looks[reach - k], looks[reach + k - 1]) for k in range(1, reach + 1))
            scores.append(sum(_distance(a, b) for a, b in pairs) / reach)

    def is_join() -> bool:
        """Whether the middle of the scores is one: above the threshold and the first of the highest around."""
        values = list(scores)
        middle = values[apart]
        return middle > _THRESHOLD and middle > max(values[:apart]) and middle >= max(values[apart + 1 :])

    def give() -> tuple[Picture, int]:
        nonlocal shot, given
        shot += given > 0 and is_join()
        given += 1
        return waiting.popleft(), shot

    look: _Look | None = None
    for picture in pictures:
        look = _Look(picture)
        if not waiting and not given:  # the first picture stands for those before it
            for _ in range(reach):
                looks.append(look)
            scores.extend([0.0] * apart)
        waiting.append(picture)
        scored(look)
        if len(scores) == scores.maxlen:
            yield give()
    while waiting:
        assert look is not None
        scored(look)
        if len(scores) == scores.maxlen:
            yield give()


class ShotContext:
    """Takes a stream of pictures apart at its cuts, for a network that looks around each step.

    Args:
        stride: Pictures of a step.
        rate_fps: Pictures a second.
        repeats: How often the edge pictures of a shot are repeated on either side of a cut; twice this is a multiple
            of the stride.

    Attributes:
        steps: After `apart` has run out: for each step of the stream that went in, its step in the one that came out.
    """

    def __init__(self, *, stride: int, rate_fps: float, repeats: int) -> None:
        if 2 * repeats % stride:
            raise ValueError(f"twice the repeats is a multiple of the stride {stride}, got {repeats} repeats")
        self.steps: list[int] = []
        self._stride = stride
        self._rate_fps = rate_fps
        self._repeats = repeats

    def apart(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """The pictures, with repetitions between shots. A cut is moved to the nearest bound of two steps.

        In a step that a cut goes through, the frames of the shot that has fewer are replaced by its neighbours.
        """
        n_out, shot, last = 0, 0, None
        for step in _steps(marked_shots(pictures, rate_fps=self._rate_fps), self._stride):
            now = _majority([number for _, number in step])
            own = _own_alone(step, now)
            if last is not None and now != shot:
                yield from [last] * self._repeats
                yield from [own[0]] * self._repeats
                n_out += 2 * self._repeats
            self.steps.append(n_out // self._stride)
            yield from own
            n_out += len(own)
            shot, last = now, own[-1]


def _steps(marked: Iterable[tuple[Picture, int]], stride: int) -> Iterator[list[tuple[Picture, int]]]:
    step: list[tuple[Picture, int]] = []
    for one in marked:
        step.append(one)
        if len(step) == stride:
            yield step
            step = []
    if step:
        yield step


def _majority(numbers: list[int]) -> int:
    """The shot that most frames of a step are of; the later one if two are even."""
    counts = Counter(numbers)
    return max(counts, key=lambda number: (counts[number], number))


def _own_alone(step: list[tuple[Picture, int]], shot: int) -> list[Picture]:
    places = [place for place, (_, number) in enumerate(step) if number == shot]
    return [step[min(max(place, places[0]), places[-1])][0] for place in range(len(step))]
