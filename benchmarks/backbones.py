"""Measure backbones: do they name actions, do they tell actions apart, and what do they cost.

    python benchmarks/backbones.py                      # everything, as Markdown
    python benchmarks/backbones.py --only speed
    python benchmarks/backbones.py --spec "i3d:size=192,rate=25/2"   # these rows only; may be repeated

Three tables:

- *actions*: top-1 and top-5 accuracy of I3D's class scores on the clip classes that have a Kinetics-400 counterpart
  (`COUNTERPARTS` below is the mapping). A port with a wrong padding or a wrong channel order fails here.
- *quality*: nearest neighbour accuracy and mean average precision over clips of another source, one mean vector a
  clip, cosine; the same after subtracting the mean of all clips ("centred").
- *speed*: core-seconds of inference for one second of video, on one thread, decoding not included. Processor time
  is counted, not the clock, so that a busy machine disturbs it little.

The clips are `CLIPS/<class>/<source>_<class>_*.avi`. Features are kept in the cache between runs.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from recue.core.frames import Frame
from recue.features import PROFILES, load_backbone
from recue.features.i3d import NAME as I3D
from recue.media import sample
from recue.models.weights import cache_dir

#: Class of the clips -> names of Kinetics-400 that count as right. Classes without a counterpart are left out:
#: "sit", "stand" and "walk" have none, "shoot_gun" has none, and "jump" is mostly parkour and trampolines.
COUNTERPARTS = {
    "brush_hair": ("brushing hair",),
    "catch": (
        "catching or throwing baseball",
        "catching or throwing frisbee",
        "catching or throwing softball",
    ),
    "clap": ("clapping", "applauding"),
    "kick_ball": ("kicking soccer ball", "shooting goal (soccer)", "kicking field goal", "juggling soccer ball"),
    "push": ("pushing car", "pushing cart", "pushing wheelchair"),
    "run": ("jogging", "running on treadmill"),
    "shoot_ball": ("shooting basketball", "playing basketball", "dunking basketball"),
    "shoot_bow": ("archery",),
    "swing_baseball": ("hitting baseball",),
}

#: Rows of the quality and speed tables, besides the profiles: one option is moved at a time.
SPECS = (
    "i3d",
    "i3d:precision=bf16",
    "i3d:fit=squash,precision=bf16",
    "i3d:rate=25/2,fit=squash,precision=bf16",
    "i3d:rate=15,size=192,fit=squash,precision=bf16",
    "i3d:size=160,precision=bf16",
    "i3d:size=160,fit=squash,precision=bf16",
    "i3d:rate=20,size=160,fit=squash,precision=bf16",
    "i3d:rate=15,size=160,fit=squash,precision=bf16",
    "i3d:rate=25/2,size=160,fit=squash,precision=bf16",
    "i3d:rate=25/3,size=160,fit=squash,precision=bf16",
    "i3d:size=128,fit=squash,precision=bf16",
    "efficientnet-lite",
    "efficientnet-lite:precision=bf16",
    "efficientnet-lite:fit=squash,precision=bf16",
    "efficientnet-lite:size=160,precision=bf16",
    "efficientnet-lite:rate=8,precision=bf16",
    "efficientnet-lite:size=260,variant=2,precision=bf16",
)

#: Rows of the runtime table.
RUNTIMES = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/jhmdb"), help="folder of classes")
    parser.add_argument("--only", choices=("actions", "quality", "speed", "runtimes"), action="append")
    parser.add_argument("--spec", action="append", help="measure this spec instead of the built-in rows")
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip of a class only, to save time")
    parser.add_argument("--seconds", type=float, default=40.0, help="length of video for the speed rows")
    arguments = parser.parse_args()
    wanted = arguments.only or ["actions", "quality", "speed", "runtimes"]
    specs = arguments.spec or [*SPECS, *(profile.spec for profile in PROFILES.values())]
    specs = list(dict.fromkeys(load_backbone(spec).name for spec in specs))
    if not arguments.clips.is_dir() and {"actions", "quality"} & set(wanted):
        print(f"no clips at {arguments.clips}: the tables of actions and quality are left out", file=sys.stderr)
        wanted = [each for each in wanted if each not in ("actions", "quality")]
    if "actions" in wanted:
        actions_table([spec for spec in specs if spec.split(":")[0] == I3D], arguments.clips, arguments.every)
    if "quality" in wanted or "speed" in wanted:
        both_table(specs, arguments.clips, arguments.every, arguments.seconds, wanted)
    if "runtimes" in wanted:
        runtimes_table(arguments.seconds)
    return 0


def clip_features(spec: str, clips: Path, every: int) -> tuple[list[str], list[str], np.ndarray]:
    """Class, source and mean vector `[clips, dim]` of every clip; kept in the cache by fingerprint."""
    backbone = load_backbone(spec, threads=2)
    files = [file for folder in sorted(clips.iterdir()) for file in sorted(folder.glob("*.avi"))[::every]]
    kept = cache_dir() / "benchmarks" / f"clips-{backbone.fingerprint}-{len(files)}.npz"
    labels = [file.parent.name for file in files]
    sources = [file.name.partition(f"_{file.parent.name}_")[0] for file in files]
    if not kept.is_file():
        means = [backbone.encode(sample(file, backbone.sampling)).values.mean(axis=0) for file in files]
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, means=np.stack(means))
    return labels, sources, np.load(kept)["means"]


def actions_table(specs: list[str], clips: Path, every: int) -> None:
    """Top-1 and top-5 accuracy on the mapped classes, over clips and per class."""
    print("| backbone | clips | top-1 | top-5 | top-1 by class |\n| --- | --- | --- | --- | --- |")
    for spec in specs:
        backbone = load_backbone(spec)
        labels, _, means = clip_features(spec, clips, every)
        ranked = np.argsort(-backbone.posteriors(means), axis=1)
        hits: dict[str, list[tuple[bool, bool]]] = {}
        for label, order in zip(labels, ranked, strict=True):
            if label in COUNTERPARTS:
                names = [backbone.classes[index] in COUNTERPARTS[label] for index in order[:5]]
                hits.setdefault(label, []).append((names[0], any(names)))
        all_hits = np.array([hit for each in hits.values() for hit in each])
        by_class = ", ".join(f"{label} {np.mean([first for first, _ in each]):.2f}" for label, each in hits.items())
        top_1, top_5 = all_hits.mean(axis=0)
        print(f"| `{spec}` | {len(all_hits)} | {top_1:.3f} | {top_5:.3f} | {by_class} |", flush=True)
    print()


def neighbour_scores(labels: list[str], sources: list[str], means: np.ndarray) -> tuple[float, float]:
    """Nearest-neighbour accuracy and mean average precision over clips of other sources, by cosine."""
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    similarity = unit @ unit.T
    label, source = np.array(labels), np.array(sources)
    right, precisions = [], []
    for row in range(len(unit)):
        others = np.flatnonzero(source != source[row])
        same = label[others[np.argsort(-similarity[row, others], kind="stable")]] == label[row]
        right.append(same[0])
        ranks = np.flatnonzero(same) + 1
        precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
    return float(np.mean(right)), float(np.mean(precisions))


def both_table(specs: list[str], clips: Path, every: int, seconds: float, wanted: list[str]) -> None:
    """Quality and speed of each spec side by side."""
    head = ["backbone", "step s", "dim"]
    head += ["NN", "mAP", "NN centred", "mAP centred"] if "quality" in wanted else []
    head += ["core-s per video s"] if "speed" in wanted else []
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for spec in specs:
        backbone = load_backbone(spec)
        cells = [f"`{spec}`", f"{backbone.step_s:.2f}", str(backbone.dim)]
        if "quality" in wanted:
            labels, sources, means = clip_features(spec, clips, every)
            plain = neighbour_scores(labels, sources, means)
            centred = neighbour_scores(labels, sources, means - means.mean(axis=0))
            cells += [f"{value:.3f}" for value in (*plain, *centred)]
        if "speed" in wanted:
            cells.append(f"{core_seconds(spec, seconds)[0]:.3f}")
        print("| " + " | ".join(cells) + " |", flush=True)
    print()


def core_seconds(spec: str, seconds: float) -> tuple[float, np.ndarray]:
    """Processor seconds of inference for a further second of a long video, on one thread; and the features.

    The difference between a long and a short video, so that what is done once for each video does not count.
    """
    backbone = load_backbone(spec, threads=1)
    frames = made_frames(backbone.sampling.rate_fps, backbone.sampling.height, backbone.sampling.width, seconds)
    short = frames[: len(frames) // 4]
    backbone.encode(short)  # compiles
    start = time.process_time()
    backbone.encode(short)
    middle = time.process_time()
    values = backbone.encode(frames).values
    extra_s = (len(frames) - len(short)) / float(backbone.sampling.rate_fps)
    return (time.process_time() - middle - (middle - start)) / extra_s, values


def made_frames(rate, height: int, width: int, seconds: float) -> list[Frame]:
    """Smooth patterns that move as slowly as a single shot does, the same every time."""
    row, column = np.mgrid[0:height, 0:width] / width
    frames = []
    for index in range(round(seconds * rate)):
        t = float(index / rate)
        waves = [np.sin(9 * row + t + phase) * np.cos(7 * column - 0.6 * t * (1 + phase)) for phase in range(3)]
        image = (127.5 * (1 + np.stack(waves, axis=-1))).astype(np.uint8)
        frames.append(Frame(image, t, t, float((index + 1) / rate)))
    return frames


def runtimes_table(seconds: float) -> None:
    """Each runtime and precision against torch in float32."""
    print("| network | runtime | precision | core-s per video s | lowest cosine to torch fp32 |")
    print("| --- | --- | --- | --- | --- |")
    for base in ("i3d:size=160,rate=25/2", "efficientnet-lite"):
        reference = None
        for runtime, precision in RUNTIMES:
            spec = f"{base}{',' if ':' in base else ':'}runtime={runtime},precision={precision}"
            cost, values = core_seconds(spec, seconds)
            reference = values if reference is None else reference
            lengths = np.linalg.norm(values, axis=1) * np.linalg.norm(reference, axis=1)
            cosine = float(((values * reference).sum(axis=1) / lengths).min())
            print(f"| `{base}` | {runtime} | {precision} | {cost:.3f} | {cosine:.5f} |", flush=True)
    print()


if __name__ == "__main__":
    sys.exit(main())
