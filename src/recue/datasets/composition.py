"""Composition: a benchmark made from labelled clips, and how it lies on disk.

A composition is a folder: `references/<split>/*.mp4`, `queries/<split>/<class>/*`, and `truth.json`:

```
{"kind": "recue-composition", "schema": 1, "seed": 0, "settings": {...},
 "splits": {"train": ["clap", ...], "val": [...], "test": [...]},          classes, disjoint
 "references": [{"id": "test-000", "file": "references/test/test-000.mp4", "split": "test",
                 "width": 426, "height": 240, "rate": "30000/1001", "n_frames": 312, "duration_s": 10.4104,
                 "target": "jump",                                         the class it was made for
                 "instances": [{"class": "walk", "start_s": 0.0, "end_s": 1.251, "source": ..., "clip": ...}]}],
 "queries": [{"id": ..., "file": ..., "split": ..., "class": ..., "source": ..., "clip": ...}],
 "pairs": [{"query": ..., "reference": ..., "split": ..., "class": ..., "present": true}],
 "warnings": ["..."]}
```

`instances` lists every clip of the reference with its class, so any query of the split can be asked of any of its
references. Times are seconds on the written file's own clock, which starts at 0; where two clips cross-fade,
one ends and the next starts in the middle of the fade. Paths are relative to the folder, with `/`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from recue.core.errors import ConfigError
from recue.core.segment import Segment

KIND = "recue-composition"
SCHEMA = 1
TRUTH_NAME = "truth.json"
#: Where `recue dataset build` keeps features.
FEATURES_NAME = ".features"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Instance:
    """One clip inside a reference.

    Attributes:
        label: Its class.
        segment: Where, on the reference's clock.
        source: What the clip was cut from; a query of the same source is never in the same composition.
        clip: Path of the clip in the clips folder.
    """

    label: str
    segment: Segment
    source: str
    clip: str


@dataclass(frozen=True, slots=True)
class Reference:
    """One composed video.

    Attributes:
        id: Unique in the composition.
        path: The file.
        split: `train`, `val` or `test`.
        width: Columns.
        height: Rows.
        rate: Frames a second.
        n_frames: Frames that were written.
        target: The class it was made for: it holds 0 to `max_instances` of it.
        instances: Every clip, in order.
    """

    id: str
    path: Path
    split: str
    width: int
    height: int
    rate: Fraction
    n_frames: int
    target: str
    instances: tuple[Instance, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.n_frames / self.rate)

    def truths(self, label: str) -> tuple[Segment, ...]:
        """Where a class is, in order."""
        return tuple(instance.segment for instance in self.instances if instance.label == label)


@dataclass(frozen=True, slots=True)
class QueryClip:
    """One clip to search with.

    Attributes:
        id: Unique in the composition.
        path: The file, a copy of the clip.
        split: `train`, `val` or `test`.
        label: Its class.
        source: What the clip was cut from.
        clip: Path of the clip in the clips folder.
    """

    id: str
    path: Path
    split: str
    label: str
    source: str
    clip: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One question: where in this reference is what the query shows?

    Attributes:
        query_id: The query.
        reference_id: The reference, of the same split.
        split: `train`, `val` or `test`.
        label: The query's class, which is the reference's target.
        present: Whether the reference holds that class at all.
    """

    query_id: str
    reference_id: str
    split: str
    label: str
    present: bool


@dataclass(frozen=True, slots=True)
class Composition:
    """A whole benchmark.

    Attributes:
        root: Its folder.
        seed: What it was made with.
        settings: What it was made with, as JSON values.
        splits: Classes of each split, disjoint.
        references: All splits together; see `of`.
        queries: All splits together.
        pairs: All splits together.
        warnings: Clips and classes that were left out, and why.
    """

    root: Path
    seed: int
    settings: Mapping[str, Any]
    splits: Mapping[str, tuple[str, ...]]
    references: tuple[Reference, ...]
    queries: tuple[QueryClip, ...]
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...] = field(default=())

    def of(self, split: str) -> "Composition":
        """One split alone.

        Raises:
            ConfigError: there is no such split.
        """
        if split not in self.splits:
            raise ConfigError(f"a composition has the splits {', '.join(self.splits)}, got '{split}'")
        return Composition(
            self.root,
            self.seed,
            self.settings,
            {split: self.splits[split]},
            tuple(r for r in self.references if r.split == split),
            tuple(q for q in self.queries if q.split == split),
            tuple(p for p in self.pairs if p.split == split),
            self.warnings,
        )


def load_composition(root: str | Path) -> Composition:
    """Read a composition that `compose` wrote.

    Raises:
        ConfigError: the folder holds none, or one of a schema this version does not read.
    """
    root = Path(root)
    document = read_truth(root)
    if document is None:
        raise ConfigError(f"'{root}' holds no composition ({TRUTH_NAME}); make one with `recue compose CLIPS '{root}'`")
    if document.get("schema") != SCHEMA:
        raise ConfigError(
            f"'{root}' is a composition of schema {document.get('schema')}, this version reads {SCHEMA}; "
            "compose it again"
        )
    try:
        return _from_document(root, document)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"'{root / TRUTH_NAME}' is damaged ({error!r}); compose it again") from error


def read_truth(root: Path) -> dict[str, Any] | None:
    """The JSON object of a composition of any schema; None where the folder holds none."""
    try:
        document = json.loads((root / TRUTH_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("kind") == KIND else None


def to_document(composition: Composition) -> dict[str, Any]:
    """The JSON object of a composition; equal compositions give equal bytes."""

    def relative(path: Path) -> str:
        return path.relative_to(composition.root).as_posix()

    return {
        "kind": KIND,
        "schema": SCHEMA,
        "seed": composition.seed,
        "settings": dict(composition.settings),
        "splits": {split: list(classes) for split, classes in composition.splits.items()},
        "references": [
            {
                "id": r.id,
                "file": relative(r.path),
                "split": r.split,
                "width": r.width,
                "height": r.height,
                "rate": str(r.rate),
                "n_frames": r.n_frames,
                "duration_s": round(r.duration_s, 6),
                "target": r.target,
                "instances": [
                    {
                        "class": i.label,
                        "start_s": i.segment.start_s,
                        "end_s": i.segment.end_s,
                        "source": i.source,
                        "clip": i.clip,
                    }
                    for i in r.instances
                ],
            }
            for r in composition.references
        ],
        "queries": [
            {
                "id": q.id,
                "file": relative(q.path),
                "split": q.split,
                "class": q.label,
                "source": q.source,
                "clip": q.clip,
            }
            for q in composition.queries
        ],
        "pairs": [
            {
                "query": p.query_id,
                "reference": p.reference_id,
                "split": p.split,
                "class": p.label,
                "present": p.present,
            }
            for p in composition.pairs
        ],
        "warnings": list(composition.warnings),
    }


def _from_document(root: Path, document: Mapping[str, Any]) -> Composition:
    return Composition(
        root=root,
        seed=document["seed"],
        settings=document["settings"],
        splits={split: tuple(classes) for split, classes in document["splits"].items()},
        references=tuple(
            Reference(
                r["id"],
                root / r["file"],
                r["split"],
                r["width"],
                r["height"],
                Fraction(r["rate"]),
                r["n_frames"],
                r["target"],
                tuple(
                    Instance(i["class"], Segment(i["start_s"], i["end_s"]), i["source"], i["clip"])
                    for i in r["instances"]
                ),
            )
            for r in document["references"]
        ),
        queries=tuple(
            QueryClip(q["id"], root / q["file"], q["split"], q["class"], q["source"], q["clip"])
            for q in document["queries"]
        ),
        pairs=tuple(Pair(p["query"], p["reference"], p["split"], p["class"], p["present"]) for p in document["pairs"]),
        warnings=tuple(document["warnings"]),
    )
