"""The best segments of per-step probabilities of starting, ending and lying inside, for a batch, by prefix sums.

Source: Feng et al. 2018, eq. 12: the segment [s, e] with the largest p_start(s) · p_end(e) · (Π p_inside)^(1/length).
In log space the product is a difference of two prefix sums, so a segment costs one subtraction whatever its length:
O(reference · max_steps) in all. The table of all segments is a view over the steps, one row a start, one column a
length.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from recue.core.errors import ConfigError, ShapeError
from recue.models.layers.segments import tiou_steps
from recue.models.pairs import FoundSteps, valid_steps


class Spans(NamedTuple):
    """The best segments of every pair, best first; a pair that has fewer than asked for has -inf scores at its end.

    Attributes:
        first: `[batch, n]`, first step.
        stop: `[batch, n]`, step after the last.
        score: `[batch, n]`, float64 logarithm of eq. 12.
    """

    first: Tensor
    stop: Tensor
    score: Tensor

    def found(self) -> list[list[FoundSteps]]:
        """For each pair its segments with the joint probability of eq. 12 as score, in [0, 1], best first."""
        rows = zip(self.first.tolist(), self.stop.tolist(), self.score.tolist(), strict=True)
        return [
            [
                FoundSteps(first, stop, math.exp(score))
                for first, stop, score in zip(*row, strict=True)
                if score > -math.inf
            ]
            for row in rows
        ]


def span_scores(log_start: Tensor, log_end: Tensor, log_inside: Tensor, n_steps: Tensor, *, max_steps: int) -> Tensor:
    """The logarithm of eq. 12 for every segment.

    Args:
        log_start: `[batch, time]`, finite where valid, like the next two.
        log_end: `[batch, time]`.
        log_inside: `[batch, time]`.
        n_steps: `[batch]`, valid steps.
        max_steps: Longest segment.

    Returns:
        `[batch, time, length]` float64: the segment that starts there with `length + 1` steps; -inf where it would
        run past the valid steps.

    Raises:
        ConfigError: `max_steps` is below 1.
        ShapeError: a valid value is not finite, or the shapes differ.

    Cost: O(batch · time · max_steps) time and memory.
    """
    if max_steps < 1:
        raise ConfigError(f"a segment has one step or more, got max_steps={max_steps}")
    if not log_start.shape == log_end.shape == log_inside.shape or n_steps.shape != log_start.shape[:1]:
        raise ShapeError(
            "start, end and inside are [batch, time] of one shape with one length each, got "
            f"{tuple(log_start.shape)}, {tuple(log_end.shape)}, {tuple(log_inside.shape)}, {tuple(n_steps.shape)}"
        )
    time = log_start.shape[1]
    valid = valid_steps(n_steps, time)
    # float64: a prefix sum grows with the reference, and what is read from it is a difference.
    steps = torch.stack((log_start, log_end, log_inside)).double().masked_fill(~valid, 0.0)
    if not bool(steps.isfinite().all()):
        raise ShapeError("the logarithms of probabilities are not all finite; has the training diverged?")
    start, end, inside = steps
    length = min(max_steps, time)
    total = torch.nn.functional.pad(inside.cumsum(dim=1), (1, length - 1))
    end = torch.nn.functional.pad(end.masked_fill(~valid, -torch.inf), (0, length - 1), value=-torch.inf)
    mean = (total[:, 1:].unfold(1, length, 1) - total[:, :time, None]) / torch.arange(
        1, length + 1, device=total.device, dtype=total.dtype
    )
    return mean.add_(start[:, :, None]).add_(end.unfold(1, length, 1))


def best_spans(
    log_start: Tensor,
    log_end: Tensor,
    log_inside: Tensor,
    n_steps: Tensor,
    *,
    max_steps: int,
    n: int = 1,
    max_tiou: float = 1.0,
) -> Spans:
    """The `n` best segments of every pair; ties go to the earlier start, then to the shorter segment.

    Args:
        log_start: As in `span_scores`, like the next three.
        log_end: See there.
        log_inside: See there.
        n_steps: See there.
        max_steps: Longest segment.
        n: Segments a pair, at most.
        max_tiou: None of them overlaps a better one by more than this; 1 keeps all, 0 none that overlap.

    Raises:
        ConfigError: `max_steps` or `n` is below 1, or `max_tiou` lies outside [0, 1].
        ShapeError: see `span_scores`.

    Cost: O(n · batch · time · max_steps).
    """
    if n < 1 or not 0.0 <= max_tiou <= 1.0:
        raise ConfigError(f"n is 1 or more and max_tiou lies in [0, 1], got n={n}, max_tiou={max_tiou}")
    scores = span_scores(log_start, log_end, log_inside, n_steps, max_steps=max_steps)
    batch, time, length = scores.shape
    first = torch.arange(time, device=scores.device)[:, None]
    stop = first + torch.arange(1, length + 1, device=scores.device)
    table = scores.view(batch, time * length)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(min(n, time * length)):
        # Of equal maxima, argmax takes the first.
        best = table.argmax(dim=1)
        score = table.gather(1, best[:, None])[:, 0]
        s, e = best // length, best // length + best % length + 1
        found.append((s, e, score))
        if len(found) < n:
            if max_tiou < 1.0:
                overlap = tiou_steps(first, stop, s[:, None, None], e[:, None, None])
                scores.masked_fill_(overlap > max_tiou, -torch.inf)
            table.scatter_(1, best[:, None], -torch.inf)
    firsts, stops, values = zip(*found, strict=True)
    return Spans(torch.stack(firsts, dim=1), torch.stack(stops, dim=1), torch.stack(values, dim=1))
