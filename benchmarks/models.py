"""Speed of the networks' inner parts, each beside a plain implementation in the same run, on one thread.

    python benchmarks/models.py                       # everything
    python benchmarks/models.py decode matching --repeats 9

Both do the same work on the same arrays and must agree, or the run ends there. They take turns, and the ratio printed
is the median of the ratios turn by turn, so that a busy machine slows both.

- decode: the best segment of every sequence of a batch by equation 12 of cross-gated bilinear matching; the plain one
  is three loops over starts, ends and the steps between, in Python floats.
- matching: the recurrence of the same paper, with its published sizes; the plain one evaluates every equation at every
  step for the whole padded batch and masks what is padding, one direction after the other. `as published` draws the
  lengths of queries and references from the quantiles of the published training list; `one length` has no padding
  that could be left out. `trained` is forward and backward through the gradients.
- video-level: the cosine of a query with all segments of a reference of up to 64 steps, with the published sizes; the
  plain ones run the LSTM over each segment by itself, as the paper describes, or over all segments of one length as a
  batch.
"""

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from recue.models.layers.matching import Matching
from recue.models.layers.span_decode import best_spans
from recue.models.pairs import FoundSteps, PairBatch, pair_batch
from recue.models.video_level import Encoded, VideoLevel, VideoLevelOptions
from support.plain_matching import plain_matching, triple_loop

#: Steps of queries and references in the published training list at these shares of it.
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
QUERY_STEPS = (1, 4, 7, 13, 21, 27, 32)
REFERENCE_STEPS = (1, 19, 31, 50, 87, 148, 300)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: seconds of the plain and of the fast way, the median of their ratios, and what is asked for."""

    what: str
    plain_s: float
    fast_s: float
    ratio: float
    target: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | plain, ms | ours, ms | times faster | asked for |\n| --- | ---: | ---: | ---: | ---: |", flush=True)
    for name in options.parts or PARTS:
        for row in PARTS[name](options.repeats):
            target = "" if row.target is None else f"{row.target:g}"
            times = f"{1e3 * row.plain_s:.1f} | {1e3 * row.fast_s:.2f} | {row.ratio:.1f}"
            print(f"| {row.what} | {times} | {target} |", flush=True)


def compared(
    what: str,
    plain: Callable[[], object],
    fast: Callable[[], object],
    repeats: int,
    *,
    n_fast: int = 1,
    target: float | None = None,
) -> Row:
    """Time both in turns, by the clock of this process; the fast one runs once before and `n_fast` times a turn."""
    fast()
    turns = []
    for _ in range(repeats):
        seconds = []
        for run, n in ((plain, 1), (fast, n_fast)):
            start = time.process_time()
            for _ in range(n):
                run()
            seconds.append((time.process_time() - start) / n)
        turns.append(seconds)
    slow, quick = (statistics.median(turn[k] for turn in turns) for k in range(2))
    return Row(what, slow, quick, statistics.median(a / b for a, b in turns), target)


def published_lengths(n: int, steps: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    """Lengths drawn from quantiles."""
    return torch.tensor(np.interp(rng.random(n), SHARES, steps).round().astype(np.int64))


def decode(repeats: int) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    for batch in (1, 128):
        n_steps = published_lengths(batch, REFERENCE_STEPS, rng)
        if batch == 1:
            n_steps[:] = 300
        torch.manual_seed(0)
        output = torch.log_softmax(2.0 * torch.randn(batch, int(n_steps.max()), 4), dim=-1)
        start, end, inside = (output[:, :, k].numpy() for k in range(3))
        lists = [[c[i, :n].tolist() for c in (start, end, inside)] for i, n in enumerate(n_steps.tolist())]

        def plain(lists: list[list[list[float]]] = lists) -> list[tuple[int, int, float]]:
            return [triple_loop(*columns, 64) for columns in lists]

        def fast(arrays: tuple[np.ndarray, ...] = (start, end, inside, n_steps.numpy())) -> list[list[FoundSteps]]:
            return best_spans(*arrays, max_steps=64)

        for a, b in zip(plain(), fast(), strict=True):
            assert a[:2] == b[0][:2], (a, b)
            assert abs(a[2] - math.log(b[0].score)) < 1e-9, (a, b)
        kind = "reference" if batch == 1 else "references"
        steps = f"{batch} {kind}, {float(n_steps.float().mean()):.0f} steps on average, segments of up to 64"
        yield compared(f"decode: {steps}", plain, fast, repeats, n_fast=10, target=50)


def matching(repeats: int) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    settings: tuple[tuple[int, tuple[int, int] | None], ...] = ((128, None), (16, None), (1, (32, 300)), (16, (14, 70)))
    for batch, lengths in settings:
        if lengths is None:
            name = f"{batch} pairs, lengths as published"
            n_query, n_reference = (published_lengths(batch, steps, rng) for steps in (QUERY_STEPS, REFERENCE_STEPS))
        else:
            kind = "pair" if batch == 1 else "pairs of one length"
            name = f"{batch} {kind}, {lengths[0]} and {lengths[1]} steps"
            n_query, n_reference = (torch.full((batch,), steps) for steps in lengths)
        torch.manual_seed(0)
        network = Matching(128, rank=8)
        query, reference = (torch.randn(batch, int(n.max()), 128).tanh() for n in (n_query, n_reference))
        arrays = (query, n_query, reference, n_reference)

        def plain(network: Matching = network, arrays: tuple[Tensor, ...] = arrays) -> Tensor:
            return plain_matching(network, *arrays)[0]

        def fast(network: Matching = network, arrays: tuple[Tensor, ...] = arrays) -> Tensor:
            return network(*arrays).states

        def trained(run: Callable[[], Tensor], network: Matching = network) -> list[Tensor]:
            network.zero_grad()
            run().square().mean().backward()
            return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

        def without_gradients(run: Callable[[], Tensor]) -> Tensor:
            with torch.inference_mode():
                return run()

        torch.testing.assert_close(without_gradients(fast), without_gradients(plain), atol=1e-5, rtol=0)
        for a, b in zip(trained(fast), trained(plain), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-3)
        # Without padding and with short queries most of the work is the bilinear product, which both must do.
        target = 3 if lengths is None else None
        for kind, way in (("searched", without_gradients), ("trained", trained)):
            turns = repeats if batch < 128 else max(1, repeats // 2)
            yield compared(
                f"matching, {kind}: {name}", lambda way=way: way(plain), lambda way=way: way(fast), turns, target=target
            )


def video_level(repeats: int) -> Iterator[Row]:
    torch.manual_seed(0)
    model = VideoLevel(500, VideoLevelOptions()).eval()
    for n_steps in (50, 200):
        batch = pair_batch([torch.randn(20, 500)], [torch.randn(n_steps, 500)])
        with torch.inference_mode():
            output = model(batch)

        def fast(output: Encoded = output, batch: PairBatch = batch) -> Tensor:
            return model.search(output, batch.n_reference)[0]

        found = fast()

        @torch.inference_mode()
        def alone(output: Encoded = output, expected: Tensor = found) -> Tensor:
            scores = torch.full_like(expected, -torch.inf)
            for first, more in (expected > -torch.inf).nonzero().tolist():
                segment = output.reference[:, first : first + more + 1]
                scores[first, more] = model.encode(segment, torch.tensor([more + 1]))[0] @ output.query[0]
            return scores

        @torch.inference_mode()
        def by_length(output: Encoded = output, expected: Tensor = found) -> Tensor:
            scores = torch.full_like(expected, -torch.inf)
            for length in range(1, scores.shape[1] + 1):
                windows = output.reference[0].unfold(0, length, 1).transpose(1, 2)
                vectors = model.encode(windows, torch.full((len(windows),), length))
                scores[: len(windows), length - 1] = vectors @ output.query[0]
            return scores

        for plain, name, target in ((alone, "each segment alone", 20), (by_length, "segments of one length", None)):
            torch.testing.assert_close(found, plain(), atol=1e-5, rtol=0)
            what = f"video-level: {n_steps} steps, against {name}"
            yield compared(what, plain, fast, max(1, repeats // 2), target=target)


#: Each part gives rows as they are measured.
PARTS: dict[str, Callable[[int], Iterator[Row]]] = {"decode": decode, "matching": matching, "video-level": video_level}

if __name__ == "__main__":
    main()
