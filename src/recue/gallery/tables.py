"""The two LanceDB tables of a gallery: their columns, and rows to and from the types of core.

`videos` is the catalogue and the commit point: a row names the `revision` of the features it publishes. `steps`
holds the features; a revision that no row names is invisible. LanceDB is slow to import, so that waits for the
first table.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recue.core import FeatureSequence, VideoRecord
from recue.core.errors import ConfigError, GalleryError, RecueError, ShapeError

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of one append to `steps`: bounds the memory of a long video's add (32 MiB at 1024 dimensions).
ROWS_PER_APPEND = 16_384


#: Where in LanceDB's own code it happened: nothing to users.
_RUST_PLACE = re.compile(r"(,\s*\S+\.rs:\d+(:\d+)?)+\s*$")

#: Features can be made again as long as the catalogue names the videos.
MAKE_AGAIN = "if it stays so, `recue index --rebuild` makes the features again"


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """A video with the revision of its features."""

    record: VideoRecord
    revision: int


class UnsteadyReadError(GalleryError):
    """A read failed in a way that a fresh look may mend: a writer retired or cleaned up what was being read."""


@contextmanager
def translated(doing: str, kind: type[GalleryError] = GalleryError, *, way_out: str = "") -> Iterator[None]:
    """Turn whatever LanceDB raises into a GalleryError.

    Args:
        doing: What is being done.
        kind: Of the error.
        way_out: What the user can do if it stays so; a sentence end.

    Raises:
        GalleryError: names what was being done, and the reason LanceDB gave.
    """
    try:
        yield
    except RecueError:
        raise
    except (MemoryError, AssertionError, LookupError, TypeError, AttributeError, NameError):
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        reason = _RUST_PLACE.sub("", reason)
        raise kind(f"{doing} failed: {reason}{'; ' if way_out else ''}{way_out}") from error


def create_tables(directory: Path, dim: int) -> None:
    """Make both tables, empty."""
    with translated(f"creating a gallery in {directory}"):
        import lancedb

        database = lancedb.connect(str(directory))
        database.create_table("videos", schema=videos_schema())
        database.create_table("steps", schema=steps_schema(dim))


def videos_schema() -> "pa.Schema":
    """Columns of the catalogue."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("revision", pa.int64()),
            ("name", pa.string()),
            ("path", pa.string()),
            ("content_hash", pa.string()),
            ("size_bytes", pa.int64()),
            ("mtime_ns", pa.int64()),
            ("duration_s", pa.float64()),
            ("start_s", pa.float64()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("rate", pa.string()),
            ("n_steps", pa.int64()),
            ("added_at", pa.string()),
            ("metadata", pa.string()),  # JSON
            ("warnings", pa.string()),  # JSON
            ("n_vectors", pa.int32()),
            ("vectors", pa.list_(pa.float32())),  # n_vectors x dim, row by row: few, and of any dimension
        ]
    )


def steps_schema(dim: int) -> "pa.Schema":
    """Columns of the features."""
    import pyarrow as pa

    return pa.schema(
        [
            ("revision", pa.int64()),
            ("step", pa.int32()),
            ("start_s", pa.float64()),
            ("end_s", pa.float64()),
            ("vector", pa.list_(pa.float16(), dim)),
        ]
    )


def video_table(rows: Sequence[CatalogueRow], vectors: Sequence[NDArray[np.floating] | None]) -> "pa.Table":
    """Catalogue rows with the retrieval vectors of each.

    Raises:
        ConfigError: the metadata is no JSON object.
        ShapeError: the vectors are not `[few, dim]`, finite.
    """
    import pyarrow as pa

    columns = []
    for row, few in zip(rows, vectors, strict=True):
        if few is not None and (few.ndim != 2 or not np.isfinite(few).all()):
            raise ShapeError(f"retrieval vectors are [few, dim] and finite, got shape {few.shape}")
        columns.append(
            {name: getattr(row.record, name) for name in VideoRecord.__dataclass_fields__}
            | {
                "revision": row.revision,
                "metadata": _metadata_json(row.record.metadata),
                "warnings": json.dumps(list(row.record.warnings)),
                "n_vectors": 0 if few is None else len(few),
                "vectors": [] if few is None else np.ravel(few).astype(np.float32),
            }
        )
    return pa.Table.from_pylist(columns, schema=videos_schema())


def _metadata_json(metadata: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"metadata is a JSON object (text keys; text, numbers, true, false, null, lists, objects), "
            f"got {metadata!r}: {error}"
        ) from error


def catalogue_rows(table: "pa.Table") -> list[CatalogueRow]:
    """Rows back to records; `vectors` is not needed for it."""
    rows = []
    for row in table.to_pylist():
        fields = {name: row[name] for name in VideoRecord.__dataclass_fields__}
        fields["metadata"] = json.loads(fields["metadata"])
        fields["warnings"] = tuple(json.loads(fields["warnings"]))
        rows.append(CatalogueRow(VideoRecord(**fields), row["revision"]))
    return rows


def as_float16(features: FeatureSequence) -> NDArray[np.float16]:
    """The values as they are kept.

    Raises:
        ShapeError: a value does not fit float16.
    """
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(features.values, dtype=np.float16)
    if not np.isfinite(values).all():
        raise ShapeError(
            f"features of '{features.backbone}' hold values above 65504, too large for float16; scale them first"
        )
    return values


def step_tables(values: NDArray[np.float16], times_s: NDArray[np.float64], revision: int) -> Iterator["pa.Table"]:
    """Rows for the features of a video, in blocks of bounded size."""
    import pyarrow as pa

    n_steps, dim = values.shape
    for first in range(0, n_steps, ROWS_PER_APPEND):
        stop = min(first + ROWS_PER_APPEND, n_steps)
        columns = [
            pa.array(np.full(stop - first, revision, dtype=np.int64)),
            pa.array(np.arange(first, stop, dtype=np.int32)),
            pa.array(times_s[first:stop]),
            pa.array(times_s[first + 1 : stop + 1]),
            pa.FixedSizeListArray.from_arrays(pa.array(values[first:stop].reshape(-1)), dim),
        ]
        yield pa.Table.from_arrays(columns, schema=steps_schema(dim))


@dataclass(frozen=True, slots=True, eq=False)
class StepBlock:
    """Rows of `steps` as arrays, in no promised order.

    Attributes:
        revision: `[row]`.
        step: `[row]`.
        bounds_s: `[row, 2]`.
        values: `[row, dim]`, float16.
    """

    revision: NDArray[np.int64]
    step: NDArray[np.int32]
    bounds_s: NDArray[np.float64]
    values: NDArray[np.float16]


def step_block(batch: "pa.RecordBatch", dim: int) -> StepBlock:
    """One Arrow batch as arrays."""
    return StepBlock(
        revision=batch.column("revision").to_numpy(zero_copy_only=False),
        step=batch.column("step").to_numpy(zero_copy_only=False),
        bounds_s=np.stack(
            [
                batch.column("start_s").to_numpy(zero_copy_only=False),
                batch.column("end_s").to_numpy(zero_copy_only=False),
            ],
            axis=1,
        ),
        values=batch.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(-1, dim),
    )
