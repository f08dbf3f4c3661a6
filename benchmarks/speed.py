"""Speed: ingest against real time, search against the matrix product it needs, each beside its reference in one run.

    python benchmarks/speed.py                         # both parts
    python benchmarks/speed.py search --hours 10 100 1000
    python benchmarks/speed.py ingest --profiles fast balanced --sizes 720 1080 --seconds 60

Ingest: a folder of as many videos as there are cores goes through `Library.index` as from the command line (worker
processes, gallery, everything but their start, which is printed apart), in times real time. Beside it (a) decoding
the same files alone, every frame, one process a core; (b) the loop one would write first: OpenCV reads and resizes,
eager torch runs the same network on the same frames, in one process with all cores. The pictures are real footage
scaled up where `--clip` gives some, else moving noise and gradients, encoded by x264.

Search: a bank of made steps (unit vectors that drift like a video's) is written to disk and memory-mapped, as the
one that is derived from a gallery. A query of ten seconds is searched through all of it: null law, scan, full
localization of the best candidates. Beside it the bare product `bank @ query.T` of the same arrays in NumPy, threads
and all, block by block so that its result fits into memory. Both are run after one warm pass and repeated; the ratio
is taken pair by pair and its median printed.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from recue.core import FeatureBank, FeatureSequence

STEP_S = 0.2
DIM = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["ingest", "search"], help="default: both")
    parser.add_argument("--hours", type=float, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profiles", nargs="+", default=["fast", "balanced", "accurate"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[720, 1080])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clip", type=Path, help="real footage to scale up")
    parser.add_argument("--dir", type=Path, default=Path("build-out/speed"), help="for made files")
    parser.add_argument("--hours-child", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    if options.hours_child:
        search_one(options.dir, options.hours_child, options.repeats)
        return
    print(f"{os.cpu_count()} cores, NumPy {np.__version__}, load {os.getloadavg()[0]:.1f} at the start\n")
    if options.part in (None, "ingest"):
        ingest(options)
    if options.part in (None, "search"):
        print("| hours | steps | search, s | bare product, s | ratio | peak memory, MB |", flush=True)
        print("| ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
        for hours in options.hours:
            # A process each, so that the peak memory is its own.
            arguments = ["--hours-child", str(hours), "--repeats", str(options.repeats), "--dir", str(options.dir)]
            subprocess.run([sys.executable, __file__, *arguments], check=True)


def made_bank(directory: Path, hours: float) -> FeatureBank:
    """Videos of one hour each, their steps drifting unit vectors; memory-mapped."""
    n_videos = max(1, round(hours))
    per_video = round(hours / n_videos * 3600 / STEP_S)
    n_steps = n_videos * per_video
    path = directory / f"bank-{hours:g}.f32"
    if not path.exists() or path.stat().st_size != n_steps * DIM * 4:
        rng = np.random.default_rng(0)
        with path.open("wb") as file:
            for _ in range(n_videos):
                scenes = np.repeat(rng.standard_normal((-(-per_video // 8), DIM), np.float32), 8, axis=0)[:per_video]
                values = scenes + 0.7 * rng.standard_normal((per_video, DIM), np.float32)
                (values / np.linalg.norm(values, axis=1, keepdims=True)).tofile(file)
    values = np.memmap(path, np.float32, mode="r", shape=(n_steps, DIM))
    start_s = np.tile(np.arange(per_video) * STEP_S, n_videos)
    return FeatureBank(
        values=values,
        bounds_s=np.stack([start_s, start_s + STEP_S], axis=1),
        offsets=np.arange(n_videos + 1, dtype=np.int64) * per_video,
        video_ids=tuple(f"video-{i}" for i in range(n_videos)),
        fingerprint="made",
    )


def search_one(directory: Path, hours: float, repeats: int) -> None:
    from recue.localize.align import Align
    from recue.localize.space import Space
    from recue.search.calibrate import Null

    bank = made_bank(directory, hours)
    sample = [bank.sequence(i, "made").with_steps(0, 200) for i in range(min(40, len(bank)))]
    space = Space.fit(sample)
    n_query = round(10 / STEP_S)
    base = int(bank.offsets[len(bank) // 2]) + 100
    query = FeatureSequence(
        np.array(bank.values[base : base + n_query]), np.arange(n_query + 1) * STEP_S, "made", "made"
    )
    # The bank stands for one already mapped; the space maps the query with directions of the same number.
    aligner = Align(space=space)
    threads = os.cpu_count() or 1
    columns = np.ascontiguousarray(space.apply(query.values).T)

    def search() -> None:
        Null.fit(*aligner.null_scores(query), n_query=len(query), n_steps=bank.n_steps, usual_level=0.4)
        aligner.search_bank(query, bank, most=64, threads=threads)

    def product() -> None:
        block = 1 << 20
        for first in range(0, bank.n_steps, block):
            bank.values[first : first + block] @ columns

    search()
    product()
    pairs = []
    for _ in range(repeats):
        began = time.perf_counter()
        search()
        middle = time.perf_counter()
        product()
        pairs.append((middle - began, time.perf_counter() - middle))
    took, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mapped = bank.values.nbytes / 2**20
    print(
        f"| {hours:g} | {bank.n_steps:,} | {took:.3f} | {bare:.3f} | {ratio:.2f} | {peak:,.0f}, "
        f"of it up to {mapped:,.0f} mapped file |",
        flush=True,
    )


def ingest(options: argparse.Namespace) -> None:
    import recue

    n_files = os.cpu_count() or 1
    print("| video | what | s | times real time |\n| --- | --- | ---: | ---: |", flush=True)
    for height in options.sizes:
        folder = options.dir / f"{height}p-{options.seconds}s"
        files = [folder / f"{i}.mp4" for i in range(n_files)]
        for i, path in enumerate(files):
            if not path.exists():
                make_video(path, height, options.seconds, options.clip, seed=i)
        footage_s = n_files * options.seconds

        def row(what: str, seconds: float, footage_s: float = footage_s, height: int = height) -> None:
            rate = f"{footage_s / seconds:.1f}" if seconds > 0.01 else "-"
            print(f"| {height}p | {what} | {seconds:.2f} | {rate} |", flush=True)

        row("decode alone, a process a core", timed_processes(decode_all, files))
        for profile in options.profiles:
            gallery = options.dir / f"gallery-{height}-{profile}"
            shutil.rmtree(gallery, ignore_errors=True)
            first_work: list[float] = []

            def news(event: object, first_work: list[float] = first_work) -> None:
                if getattr(event, "done_s", 0) > 0 and not first_work:
                    first_work.append(time.perf_counter())

            began = time.perf_counter()
            recue.open(gallery).index(folder, profile=profile, progress=news)
            took = time.perf_counter() - began
            row(f"`{profile}`, all included", took)
            shutil.rmtree(gallery, ignore_errors=True)
            row(
                f"`{profile}`, plain loop of OpenCV and eager torch, one file",
                plain_loop(files[0], profile),
                footage_s=options.seconds,
            )


def make_video(path: Path, height: int, seconds: int, clip: Path | None, *, seed: int) -> None:
    """720p or 1080p at 30 fps, H.264: real footage scaled up, or moving noise over gradients."""
    from fractions import Fraction

    from recue.core import FrameSampling
    from recue.media import sample
    from recue.media.write import VideoWriter

    width = height * 16 // 9
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures: list[np.ndarray] = []
    if clip is not None:
        wanted = FrameSampling(Fraction(30), height, width, fit="squash")
        # Each file another stretch: the same bytes would be the same video to a gallery.
        some = islice(sample(clip, wanted), 150 * seed, 150 * seed + 300)
        pictures.extend(frame.image for frame in some)
    else:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        texture = rng.integers(0, 60, (height, 2 * width, 3), np.uint8)
        for t in range(300):
            gradient = 96 + 64 * np.sin((x + 3 * t) / 97 + seed) + 32 * np.cos((y - t) / 61)
            shift = (4 * t) % width
            pictures.append((gradient[..., None] + texture[:, shift : shift + width]).clip(0, 255).astype(np.uint8))
    part = path.with_suffix(".part.mp4")
    with VideoWriter(part, width=width, height=height, rate=Fraction(30), crf=17) as writer:
        for t in range(seconds * 30):
            # Forwards, then backwards, so that there is no jump.
            place = t % (2 * len(pictures))
            writer.write(pictures[place if place < len(pictures) else 2 * len(pictures) - 1 - place])
    part.rename(path)


def decode_all(path: Path) -> None:
    from recue.core import FrameSampling
    from recue.media import sample

    for _ in sample(path, FrameSampling(None, 32, 32, fit="squash")):
        pass


def timed_processes(work, files: list[Path]) -> float:  # type: ignore[no-untyped-def]
    """Wall time of one process a file, their start excluded."""
    context = get_context("spawn")
    with context.Pool(len(files), initializer=_warm) as pool:
        pool.map(_nothing, range(len(files) * 4))
        began = time.perf_counter()
        pool.map(work, files, chunksize=1)
        return time.perf_counter() - began


def _warm() -> None:
    import recue.media  # noqa: F401


def _nothing(_: int) -> None:
    time.sleep(0.05)


def plain_loop(path: Path, profile: str) -> float:
    """OpenCV reads, converts and resizes the frames the backbone would get; eager torch, fp32, encodes them."""
    import cv2

    from recue.core.frames import Frame
    from recue.features import PROFILES, load_backbone

    spec = PROFILES[profile].spec
    name, _, given = spec.partition(":")
    kept = [one for one in given.split(",") if one and not one.startswith(("runtime", "precision"))]
    backbone = load_backbone(
        f"{name}:{','.join([*kept, 'runtime=torch', 'precision=fp32'])}", threads=os.cpu_count() or 1
    )
    wanted = backbone.sampling

    def frames():  # type: ignore[no-untyped-def]
        video = cv2.VideoCapture(str(path))
        every = 30 / float(wanted.rate_fps or 30)
        number, due = 0, 0.0
        while True:
            there, picture = video.read()
            if not there:
                return
            if number >= due - 1e-6:
                small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), (wanted.width, wanted.height))
                yield Frame(small, number / 30, number / 30, (number + every) / 30)
                due += every
            number += 1

    list(zip(range(1), frames(), strict=False))
    began = time.perf_counter()
    backbone.encode(frames())
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
