"""Paths: the matches in a gain matrix, where each begins and ends in reference and query."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from recue.localize.kernel import align_rows

#: What holding a query step costs when the ends of a match are looked for, in mean gains of the match. Just below
#: one: a match that runs slower than the query can go on, a surrounding that is a little less alike cannot join.
_HOLD_COST = 0.9

#: From this share of the largest possible mean gain on, a match is taken for the same footage.
_SAME_FOOTAGE = 0.6

#: Share of the mean gain that a path may lose by that and still count as good as the one before.
_AS_GOOD = 0.95

#: Share of the query's length by which the same footage at its own speed may differ.
_SAME_SPEED = 0.2

#: What holding costs then. Below two, so that footage at half speed, where every other step is held, still pays.
_SAME_FOOTAGE_HOLD_COST = 1.4


@dataclass(frozen=True, slots=True)
class Path:
    """One match.

    Attributes:
        first: First reference step.
        stop: Reference step after the last.
        query_first: First query step.
        query_stop: Query step after the last.
        score: Sum of gains along it, less the cost of held steps.
        mean_gain: Mean of its gains; held steps count, their cost does not.
    """

    first: int
    stop: int
    query_first: int
    query_stop: int
    score: float
    mean_gain: float

    @property
    def n_query(self) -> int:
        """Query steps from the first to the last."""
        return self.query_stop - self.query_first


def best_paths(
    gain: Float32[np.ndarray, "reference query"], *, most: int, hold_cost: float = 0.0, min_score: float = 0.0
) -> list[Path]:
    """The best paths of different beginnings, best first; ties go to the earlier end.

    Args:
        gain: Similarity less the threshold, contiguous.
        most: Paths to return at most.
        hold_cost: See `align_rows`.
        min_score: Leave out paths below it.

    Cost: O(reference · query).
    """
    best = np.empty(len(gain), np.float32)
    start_row, start_query, end_query, n_held = (np.empty(len(gain), np.int32) for _ in range(4))
    align_rows(gain, hold_cost, best, start_row, start_query, end_query, n_held)
    rows = np.flatnonzero((best > 0) & (best >= min_score))
    rows = rows[np.argsort(-best[rows], kind="stable")]
    # Paths that begin in the same cell are one match seen at different moments: its best end speaks for it.
    origins: set[tuple[int, int]] = set()
    paths: list[Path] = []
    for row in rows:
        origin = (int(start_row[row]), int(start_query[row]))
        if origin in origins:
            continue
        origins.add(origin)
        score, n_steps = float(best[row]), int(row) + 1 - origin[0]
        mean_gain = (score + hold_cost * int(n_held[row])) / n_steps
        paths.append(Path(origin[0], int(row) + 1, origin[1], int(end_query[row]) + 1, score, mean_gain))
        if len(paths) == most:
            break
    return paths


def fit_ends(gain: Float32[np.ndarray, "reference query"], path: Path, *, ceiling: float) -> Path:
    """The same match with its true ends; the score stays.

    The path of the largest sum is too long: beside a true match everything is a little similar, and holding query
    steps collects that too. So its neighbourhood is aligned again at a cost for held steps, twice, as the mean gain
    that the cost is measured by rises when the ends become tighter. The same footage is sharper still and is aligned
    once more at a higher cost; that is taken if it is as good step for step, covers as much of the query, and runs at
    its speed.

    Args:
        gain: As for `best_paths`.
        path: One of them.
        ceiling: Mean gain of a perfect match.
    """
    n_query = gain.shape[1]
    offset = max(0, path.first - n_query)
    around = np.ascontiguousarray(gain[offset : path.stop + n_query])
    fitted, mean_gain = path, path.mean_gain
    for _ in range(2):
        again = _best(around, offset, _HOLD_COST * mean_gain)
        if again is None:
            return fitted
        fitted, mean_gain = again, max(mean_gain, again.mean_gain)
    if mean_gain >= _SAME_FOOTAGE * ceiling:
        tight = _best(around, offset, _SAME_FOOTAGE_HOLD_COST * mean_gain)
        if tight is not None and _is_same_footage(tight, fitted):
            fitted = tight
    return replace(fitted, score=path.score)


def _is_same_footage(tight: Path, loose: Path) -> bool:
    """Whether a tight path runs at the query's own speed, covers as much of it, and is as good step for step."""
    at_speed = abs((tight.stop - tight.first) - tight.n_query) <= _SAME_SPEED * tight.n_query
    return at_speed and tight.n_query >= loose.n_query and tight.mean_gain >= _AS_GOOD * loose.mean_gain


def _best(around: Float32[np.ndarray, "reference query"], offset: int, hold_cost: float) -> Path | None:
    found = best_paths(around, most=1, hold_cost=hold_cost)
    if not found:
        return None
    return replace(found[0], first=found[0].first + offset, stop=found[0].stop + offset)
