"""Does reading keep up with training? python benchmarks/training.py [--steps N] [--json FILE]

Features of the published sizes (ActivityNet re-localization: 500 numbers a step, references of up to some hundred
steps) and of two backbones side by side (2304 numbers, half precision) lie as memory-mapped files on disk, more of
them than a batch touches. Timed are, for each: drawing and reading a batch alone, a step of cross-gated matching alone
on one CPU thread, and a whole training with its reading ahead.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from recue.datasets.listed import ListedDataset
from recue.datasets.stores import NpyFolderStore
from recue.datasets.task import Clip, Item
from recue.training.config import make_config
from recue.training.loop import train
from recue.training.sampler import PairSampler

#: Name, numbers a step, type, pairs a step, options of the network, settings of the inputs.
CASES = (
    ("published", 500, np.float32, 128, {}, {}),
    ("small", 2304, np.float16, 32, {"n_hidden": 64}, {"normalise": "standard", "pca": 128}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=10, help="of each timing")
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, dim, kind, batch, model, data in CASES:
        with tempfile.TemporaryDirectory(prefix="recue-bench-") as folder:
            dataset = made(Path(folder) / "features", dim, kind, options.videos)
            rows.append({"case": name, **measured(dataset, Path(folder), batch, model, data, options.steps)})
        print(
            "{case}: {dim}-d, {batch} pairs: read {read_ms:.1f} ms, step {step_ms:.0f} ms, "
            "reading is {times:.0f} × faster; in training {waiting_percent:.2f} % of the time is waiting".format(
                **rows[-1]
            )
        )
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def made(folder: Path, dim: int, kind: type, n_videos: int) -> ListedDataset:
    rng = np.random.default_rng(0)
    folder.mkdir()
    items = []
    for k in range(n_videos):
        n = int(rng.integers(60, 260))
        np.save(folder / f"{k:04}.npy", rng.standard_normal((n, dim)).astype(kind))
        first = int(rng.integers(0, n - 50))
        moment = Clip(f"{k:04}", first, first + int(rng.integers(8, 50)), f"class-{k % 20}")
        items.append(Item(moment, (0, n)))
    return ListedDataset("made", {"train": tuple(items)}, lambda: NpyFolderStore(folder))


def measured(
    dataset: ListedDataset, folder: Path, batch: int, model: dict[str, int], data: dict[str, object], n_steps: int
) -> dict[str, object]:
    sampler = PairSampler.of(dataset, batch=batch)
    sampler.read(sampler.examples(0))
    started = time.perf_counter()
    for step in range(1, n_steps + 1):
        sampler.read(sampler.examples(step))
    read_s = (time.perf_counter() - started) / n_steps

    times: list[float] = []
    config = make_config(
        {
            "model": {"options": model},
            "data": data,
            "training": {
                "steps": n_steps + 1,
                "batch": batch,
                "validate_every": 0,
                "log_every": 1,
                "accelerator": "cpu",
            },
        }
    )
    report = train(config, dataset, folder / "out", progress=lambda event: times.append(time.perf_counter()))
    # From the first step's end to the last one's: `started` and `ended` are news too.
    step_s = (times[-2] - times[1]) / n_steps
    return {
        "dim": dataset.store.dim,
        "batch": batch,
        "read_ms": 1e3 * read_s,
        "step_ms": 1e3 * step_s,
        "times": step_s / read_s,
        "waiting_percent": 100 * report.waiting_s / report.elapsed_s,
    }


if __name__ == "__main__":
    main()
