"""Quality of localizers: one Markdown table on a composition of labelled clips.

    python benchmarks/quality.py                                  # validation classes, to choose settings on
    python benchmarks/quality.py --split test                     # test classes, to report
    python benchmarks/quality.py --backbone i3d --backbone "i3d:size=160,rate=25/2" --split test
    python benchmarks/quality.py --clips FOLDER --seeds 3 --json out.json

The composition (`recue compose`, seed 0) and the features are made once and kept in `build-out/quality`; features
are kept a file, so a run that was stopped goes on where it was. Classes of the validation and the test split are
disjoint; queries and references never share a source.

Rows: `chance` (any length up to 64 steps; also in closed form), `chance, query's length`, `constant-window`
(20 % to 80 %), then for each backbone `frame-level`, `align`, and `align, shuffled query`: each query replaced by
one of another class. `align` is run as a search runs it: over a gallery of the references, in the space fitted to
it, its scores made comparable over queries by the search's own null law. Columns:

- mAP@1 at tIoU 0.5 to 0.9 and their mean, with its 95 % bootstrap interval over references: share of the pairs
  whose reference holds the query's class in which the best segment's tIoU is strictly above;
- mAP: average precision of all segments of all pairs by score, mean over classes and over tIoU 0.5 to 0.9;
- R@1, R@5 at tIoU 0.5;
- reject: share of pairs refused whose reference does not hold the class, when 95 % of those that hold it are
  accepted; *gallery*: the same for queries whose class is in none of the references, against those whose class is
  in some;
- P@1, P@5: precision of the first moments over the whole gallery, tIoU 0.5;
- ms: wall time a pair.

Under the table, for each `align`: how often the search with its default threshold answers a query whose class is in
the gallery, and how often it says "no match" to one whose class is not.

Everything in percent. Rows that draw (chance, shuffled) are means over the seeds, `±` their standard deviation.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recue.core import FeatureSequence, ScoredSegment, VideoRecord
from recue.core.protocols import Localizer
from recue.datasets import ComposeSettings, Composition, Reference, compose, load_composition
from recue.evaluation.protocol import (
    Answers,
    Report,
    answer_grid,
    evaluate,
    expected_chance,
    shuffle_queries,
)
from recue.features import load_backbone
from recue.gallery import Gallery, SourceInfo, open_gallery
from recue.localize import LOCALIZERS
from recue.localize.align import Align
from recue.localize.trivial import Chance, ConstantWindow
from recue.search.calibrate import DEFAULT_MIN_CONFIDENCE, Null, confidence_of
from recue.search.encode import encode_file
from recue.search.rank import Found, evidence_of
from recue.search.spaces import gallery_space

HERE = Path(__file__).resolve().parent
CLIPS = HERE.parents[1] / "shared" / "data" / "jhmdb"
CACHE = HERE.parent / "build-out" / "quality"
BACKBONES = ("i3d", "balanced", "fast", "efficientnet-lite")

Features = Mapping[str, FeatureSequence]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the mean of a few reports, and what it cost."""

    name: str
    backbone: str
    reports: tuple[Report, ...]
    ms: float | None = None
    map_at_1: tuple[float, ...] | None = None  # of a row that has nothing else
    said: str = ""

    def mean(self, field: str) -> float:
        return float(np.mean([getattr(report, field) for report in self.reports]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=Path, default=CLIPS, help="one folder of clips a class")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the composition and the features are kept")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--backbone", action="append", help=f"a spec or profile; default: {', '.join(BACKBONES)}")
    parser.add_argument("--localizer", action="append", help="default: frame-level and align")
    parser.add_argument("--seeds", type=int, default=5, help="draws of chance and of shuffled queries")
    parser.add_argument("--composition-seed", type=int, default=0)
    parser.add_argument("--n-val", type=int, default=60, help="references on the validation classes")
    parser.add_argument("--n-test", type=int, default=100, help="references on the test classes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the reports there too")
    parser.add_argument("--encode-only", action="store_true", help="make the features, and stop")
    options = parser.parse_args()

    composition = made(
        options.clips,
        options.cache,
        options.composition_seed,
        ComposeSettings(n_train=0, n_val=options.n_val, n_test=options.n_test),
    )
    rows: list[Row] = []
    for k, spec in enumerate(options.backbone or BACKBONES):
        queries, references = features(composition, options.split, spec, options.cache, threads=options.threads)
        if options.encode_only:
            continue
        if k == 0:
            rows += trivial_rows(composition, options.split, queries, references, seeds=options.seeds)
        for name in options.localizer or ("frame-level", "align"):
            rows += localizer_rows(
                name,
                spec,
                composition,
                options.split,
                queries,
                references,
                cache=options.cache,
                seeds=options.seeds,
            )
    if options.encode_only:
        return
    split = composition.of(options.split)
    print(
        f"{options.split}: classes {', '.join(split.splits[options.split])}; {len(split.references)} references, "
        f"{len(split.queries)} queries, {rows[0].reports[0].n_present} present and "
        f"{rows[0].reports[0].n_absent} absent pairs\n"
    )
    print(table(rows))
    for row in rows:
        if row.said:
            print(f"\n{row.said}")
    if options.json:
        options.json.write_text(json.dumps([as_json(row) for row in rows], indent=1) + "\n")


def made(clips: Path, cache: Path, seed: int, settings: ComposeSettings) -> Composition:
    """The composition, from the cache or made now."""
    root = cache / f"composition-{seed}"
    if (root / "truth.json").exists():
        composition = load_composition(root)
        if composition.settings == json.loads(json.dumps(dataclasses.asdict(settings))):
            return composition
        note(f"{root} was made with other settings; making it again")

    def progress(done: int, todo: int, name: str) -> None:
        if done % 20 == 0 or done == todo:
            note(f"compose {done}/{todo}")

    root.parent.mkdir(parents=True, exist_ok=True)
    return compose(clips, root, seed=seed, settings=settings, force=True, progress=progress)


def features(
    composition: Composition, split: str, spec: str, cache: Path, *, threads: int
) -> tuple[Features, Features]:
    """Features of every query of every split, and of the references of one, from the cache or made now."""
    backbone = load_backbone(spec, threads=threads)
    folder = cache / "features" / f"{backbone.fingerprint}-{identity(composition)}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.txt").write_text(f"{backbone.name}\n")
    todo = [(q.id, q.path) for q in composition.queries]
    todo += [(r.id, r.path) for r in composition.of(split).references]
    found: dict[str, FeatureSequence] = {}
    for k, (name, path) in enumerate(todo, start=1):
        kept = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz"
        if kept.exists():
            with np.load(kept, allow_pickle=False) as stored:
                values, times_s = stored["values"], stored["times_s"]
            found[name] = FeatureSequence(values, times_s, backbone.name, backbone.fingerprint)
            continue
        # As the gallery keeps them: half precision.
        fresh = encode_file(path, backbone).features
        found[name] = FeatureSequence(fresh.values.astype(np.float16), fresh.times_s, fresh.backbone, fresh.fingerprint)
        partial = kept.with_suffix(".partial.npz")
        np.savez(partial, values=found[name].values, times_s=found[name].times_s)
        partial.rename(kept)
        if k % 20 == 0 or k == len(todo):
            note(f"{backbone.name}: encoded {k}/{len(todo)}")
    queries = {q.id: found[q.id] for q in composition.queries}
    return queries, {r.id: found[r.id] for r in composition.of(split).references}


def identity(composition: Composition) -> str:
    return hashlib.sha256((composition.root / "truth.json").read_bytes()).hexdigest()[:12]


def trivial_rows(
    composition: Composition, split: str, queries: Features, references: Features, *, seeds: int
) -> list[Row]:
    part, absent = composition.of(split), elsewhere(composition, split)
    rows = []
    for name, chance in (("chance", Chance()), ("chance, query's length", Chance(length="query"))):
        reports = []
        for seed in range(seeds):
            drawn = answer_grid(dataclasses.replace(chance, seed=seed), queries, references)
            reports.append(evaluate(part, drawn, absent_queries=absent, seed=seed))
        rows.append(Row(name, "", tuple(reports)))
        exact = expected_chance(part, queries, references, chance=chance)
        rows.append(Row(f"{name}, closed form", "", (), map_at_1=exact))
    answers, ms = timed(ConstantWindow(), queries, references)
    return [*rows, Row("constant-window", "", (evaluate(part, answers, absent_queries=absent),), ms)]


def localizer_rows(
    name: str,
    spec: str,
    composition: Composition,
    split: str,
    queries: Features,
    references: Features,
    *,
    cache: Path,
    seeds: int,
) -> list[Row]:
    part, absent = composition.of(split), elsewhere(composition, split)
    said = ""
    if name == "align":
        answers, ms, sure = searched(composition, part, spec, queries, references, cache)
        answered = percent(float(np.mean([sure[q.id] >= DEFAULT_MIN_CONFIDENCE for q in part.queries])))
        refused = percent(float(np.mean([sure[query_id] < DEFAULT_MIN_CONFIDENCE for query_id in absent])))
        said = (
            f"{name}, {spec}: at confidence {DEFAULT_MIN_CONFIDENCE:g} a search answers {answered} % of the queries "
            f"whose class is in the gallery ({by_class(composition, sure, [q.id for q in part.queries])}) and refuses "
            f"{refused} % of the others (answers {by_class(composition, sure, absent)})"
        )
    else:
        answers, ms = timed(LOCALIZERS.load(name)(), queries, references)
    rows = [Row(name, spec, (evaluate(part, answers, absent_queries=absent),), ms, said=said)]
    if name != "frame-level":
        shuffled = tuple(
            evaluate(part, answers, asked=shuffle_queries(part.queries, seed=seed)) for seed in range(seeds)
        )
        rows.append(Row(f"{name}, shuffled query", spec, shuffled))
    return rows


def searched(
    composition: Composition, part: Composition, spec: str, queries: Features, references: Features, cache: Path
) -> tuple[Answers, float, Mapping[str, float]]:
    """What `align` answers in a search, the evidence as score; milliseconds a pair; each query's best confidence."""
    gallery = gallery_of(composition, part, spec, references, cache)
    for old in gallery.derived_dir.glob("space-*.npz"):
        old.unlink()  # fitted by the code as it is now
    aligner = Align().with_space(gallery_space(gallery))
    assert aligner.space is not None
    bank = gallery.bank(aligner.space)
    answers: dict[tuple[str, str], list[ScoredSegment]] = {}
    sure: dict[str, float] = {}
    aligner.localize_bank(next(iter(queries.values())), bank)  # may compile
    elapsed_s = 0.0
    for query_id, query in queries.items():
        started = time.perf_counter()
        null = Null.fit(
            *aligner.null_scores(query), n_query=len(query), n_steps=bank.n_steps, usual_level=aligner.space.usual_level
        )
        per_video = aligner.localize_bank(query, bank)
        elapsed_s += time.perf_counter() - started
        found = [Found(bank.video_ids[i], i, one) for i, segments in enumerate(per_video) for one in segments]
        evidence = evidence_of(found, null) if found else np.zeros(0)
        sure[query_id] = float(confidence_of(evidence).max(initial=0.0))
        answers |= {(query_id, reference_id): [] for reference_id in bank.video_ids}
        for one, score in zip(found, evidence, strict=True):
            answers[query_id, one.video_id].append(dataclasses.replace(one.scored, score=float(score)))
    return answers, 1000 * elapsed_s / len(answers), sure


def by_class(composition: Composition, sure: Mapping[str, float], query_ids: Sequence[str]) -> str:
    """How many queries of each class are answered: `catch 5 of 8, ...`."""
    labels = {query.id: query.label for query in composition.queries}
    counts: dict[str, list[bool]] = {}
    for query_id in query_ids:
        counts.setdefault(labels[query_id], []).append(sure[query_id] >= DEFAULT_MIN_CONFIDENCE)
    return ", ".join(f"{label} {sum(hits)} of {len(hits)}" for label, hits in sorted(counts.items()))


def gallery_of(composition: Composition, part: Composition, spec: str, references: Features, cache: Path) -> Gallery:
    """A gallery of the references, under their ids, from the cache or made now."""
    (split,) = part.splits
    source = SourceInfo.of(load_backbone(spec))
    gallery = open_gallery(
        cache / "galleries" / f"{source.fingerprint}-{identity(composition)}-{split}", create=True, source=source
    )
    there = {record.id for record in gallery.videos()}
    for reference in part.references:
        if reference.id not in there:
            features = references[reference.id]
            gallery.add(record_of(reference, len(features)), features)
    return gallery


def record_of(reference: Reference, n_steps: int) -> VideoRecord:
    return VideoRecord(
        id=reference.id,
        name=reference.path.name,
        path=str(reference.path),
        content_hash=hashlib.blake2b(reference.path.read_bytes(), digest_size=32).hexdigest(),
        size_bytes=reference.path.stat().st_size,
        mtime_ns=reference.path.stat().st_mtime_ns,
        duration_s=reference.duration_s,
        start_s=0.0,
        width=reference.width,
        height=reference.height,
        rate=str(reference.rate),
        n_steps=n_steps,
        added_at="2000-01-01T00:00:00+00:00",
    )


def timed(localizer: Localizer, queries: Features, references: Features) -> tuple[Answers, float]:
    """The answers, and milliseconds a pair (the first call, which may compile, left out)."""
    localizer.localize(next(iter(queries.values())), next(iter(references.values())))
    started = time.perf_counter()
    answers = answer_grid(localizer, queries, references)
    return answers, 1000 * (time.perf_counter() - started) / len(answers)


def elsewhere(composition: Composition, split: str) -> Sequence[str]:
    """Queries of the other splits: their classes are nowhere in this one."""
    return [query.id for query in composition.queries if query.split != split]


def table(rows: Sequence[Row]) -> str:
    head = (
        "| row | backbone | .5 | .6 | .7 | .8 | .9 | mAP@1 | 95 % | mAP | R@1 | R@5 | reject | gallery "
        "| P@1 | P@5 | ms |",
        "| --- | --- | " + " | ".join(["---:"] * 15) + " |",
    )
    return "\n".join([*head, *(line(row) for row in rows)])


def line(row: Row) -> str:
    if row.map_at_1 is not None:
        cells = [percent(x) for x in (*row.map_at_1, float(np.mean(row.map_at_1)))] + [""] * 9
        return f"| {row.name} | {row.backbone} | " + " | ".join(cells) + " |"
    cells = [percent(float(x)) for x in np.mean([report.map_at_1 for report in row.reports], axis=0)]
    cells.append(percent(row.mean("map_at_1_mean")))
    if len(row.reports) > 1:
        cells[-1] += f" ± {percent(float(np.std([report.map_at_1_mean for report in row.reports])))}"
    low = float(np.mean([report.map_at_1_interval.low for report in row.reports]))
    high = float(np.mean([report.map_at_1_interval.high for report in row.reports]))
    cells.append(f"{percent(low)}–{percent(high)}")
    for field in ("map_all_mean", "recall_1", "recall_5", "rejection", "gallery_rejection"):
        cells.append(percent(row.mean(field)))
    cells += [percent(row.mean("precision_1")), percent(row.mean("precision_5"))]
    cells.append("" if row.ms is None else f"{row.ms:.2f}")
    return f"| {row.name} | {row.backbone} | " + " | ".join(cells) + " |"


def percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.1f}"


def as_json(row: Row) -> dict[str, object]:
    return {
        "row": row.name,
        "backbone": row.backbone,
        "ms": row.ms,
        "map_at_1": row.map_at_1,
        "reports": [dataclasses.asdict(report) for report in row.reports],
    }


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
