"""The two tables of a gallery, opened: plain reads and writes, each at the newest version, none of the rules.

Readers and the writer use handles of their own, so that a search in the same process does not wait for an add.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recue.core import VideoRecord
from recue.gallery import tables
from recue.gallery.tables import MAKE_AGAIN, CatalogueRow, StepBlock, UnsteadyReadError, translated

if TYPE_CHECKING:
    import pyarrow as pa

#: Small appends pile up: merge them once a table has this many small fragments.
MAX_VIDEO_FRAGMENTS = 64
MAX_STEP_FRAGMENTS = 256
#: From this many rows on, finding one video's among them is worth an index (0.3 % of the features' size).
MIN_INDEXED_ROWS = 100_000
#: Rows of `steps` handed over at a time (32 MiB at 1024 dimensions). LanceDB's own 1024 is 8 times slower.
ROWS_PER_BATCH = 16_384
#: What LanceDB may keep in memory of indices and of metadata; its own defaults are gigabytes.
CACHE_BYTES = 64 * 2**20

_CATALOGUE_COLUMNS = [*VideoRecord.__dataclass_fields__, "revision"]


class Store:
    """The tables of one database directory.

    Args:
        directory: Holds the tables.
        dim: Length of one feature vector.
        name: Of the gallery, for errors.
    """

    def __init__(self, directory: Path, dim: int, name: str) -> None:
        self._dim = dim
        self._name = name
        self._mutex = threading.Lock()
        self._catalogue: dict[str, CatalogueRow] = {}
        self._version = -1
        with translated(f"opening the gallery {name}"):
            import lancedb

            session = lancedb.Session(index_cache_size_bytes=CACHE_BYTES, metadata_cache_size_bytes=CACHE_BYTES)
            database = lancedb.connect(str(directory), session=session)
            self._videos: Any = database.open_table("videos")
            self._steps: Any = database.open_table("steps")
            self._videos_written: Any = database.open_table("videos")
            self._steps_written: Any = database.open_table("steps")

    def catalogue(self) -> dict[str, CatalogueRow]:
        """The newest catalogue by id; a snapshot that nobody changes afterwards.

        Cost: a look at the version; 20 ms a thousand videos when it moved on.
        """
        with self._mutex, translated(f"reading the catalogue of {self._name}", UnsteadyReadError):
            self._videos.checkout_latest()
            version = self._videos.version
            if version != self._version:
                rows = tables.catalogue_rows(self._videos.search().select(_CATALOGUE_COLUMNS).to_arrow())
                self._catalogue = {row.record.id: row for row in rows}
                self._version = version
            return self._catalogue

    def vectors(self, revision: int) -> NDArray[np.float32] | None:
        """The retrieval vectors of the video with that revision."""
        with translated(f"reading the catalogue of {self._name}", UnsteadyReadError):
            self._videos.checkout_latest()
            query = self._videos.search().where(f"revision = {revision}").select(["n_vectors", "vectors"])
            found = query.to_arrow().to_pylist()
        if not found or not found[0]["n_vectors"]:
            return None
        return np.array(found[0]["vectors"], dtype=np.float32).reshape(found[0]["n_vectors"], -1)

    def steps(self, revisions: Sequence[int] | None = None) -> Iterator[StepBlock]:
        """The rows of some revisions, or all, in bounded blocks and in no promised order."""
        with translated(f"reading features of {self._name}", UnsteadyReadError, way_out=MAKE_AGAIN):
            self._steps.checkout_latest()
            query = self._steps.search().select(["revision", "step", "start_s", "end_s", "vector"])
            if revisions is not None:
                query = query.where(f"revision IN ({_sql_list(revisions)})")
            for batch in query.to_batches(batch_size=ROWS_PER_BATCH):
                yield tables.step_block(batch, self._dim)

    def step_revisions(self) -> list[int]:
        """Every revision that has rows in `steps`."""
        with translated(f"reading features of {self._name}", UnsteadyReadError, way_out=MAKE_AGAIN):
            self._steps.checkout_latest()
            batches = self._steps.search().select(["revision"]).to_batches(batch_size=8 * ROWS_PER_BATCH)
            found = [np.unique(batch.column("revision").to_numpy()) for batch in batches]
        return [int(revision) for revision in np.unique(np.concatenate(found))] if found else []

    def n_steps(self) -> int:
        """How many rows `steps` has. Cost: reads no row."""
        self._steps_written.checkout_latest()
        return int(self._steps_written.count_rows())

    def append_steps(self, block: "pa.Table") -> None:
        """One commit of rows that nothing names yet."""
        self._steps_written.add(block)

    def drop_steps(self, revisions: Sequence[int]) -> None:
        """One commit without the rows of some revisions."""
        if revisions:
            self._steps_written.checkout_latest()
            self._steps_written.delete(f"revision IN ({_sql_list(revisions)})")

    def publish(self, rows: "pa.Table") -> None:
        """One commit of catalogue rows, each in place of the row of the same id."""
        self._videos_written.checkout_latest()
        merge = self._videos_written.merge_insert("id")
        merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)
        with self._mutex:
            # What we wrote ourselves need not be read again, if it is all that happened.
            if self._videos_written.version == self._version + 1:
                self._catalogue = self._catalogue | {row.record.id: row for row in tables.catalogue_rows(rows)}
                self._version += 1

    def unpublish(self, revisions: Sequence[int]) -> None:
        """One commit without the catalogue rows of some revisions."""
        self._videos_written.checkout_latest()
        self._videos_written.delete(f"revision IN ({_sql_list(revisions)})")

    def tidy(self) -> None:
        """Merge small fragments once there are many: with them grow each commit, each read and the metadata."""
        if _n_small(self._videos_written) > MAX_VIDEO_FRAGMENTS:
            self._optimize(self._videos_written)
        if _n_small(self._steps_written) > MAX_STEP_FRAGMENTS:
            self._optimize_steps()

    def optimize(self) -> None:
        """Merge and clean up now. Only for the one writer."""
        self._videos_written.checkout_latest()
        self._steps_written.checkout_latest()
        self._optimize(self._videos_written)
        self._optimize_steps()

    def _optimize_steps(self) -> None:
        table = self._steps_written
        self._optimize(table)
        if table.count_rows() >= MIN_INDEXED_ROWS and not table.list_indices():
            from lancedb.index import BTree

            table.create_index("revision", config=BTree())

    def _optimize(self, table: Any) -> None:
        # Old versions go at once. LanceDB counts their age from when they were written, so a grace period would not
        # protect the reader of a version that was the newest for long; readers look again instead, and the disk
        # holds the features once, not twice. Unverified files are a killed writer's: the lock is ours.
        table.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)


def _n_small(table: Any) -> int:
    return int(table.stats()["fragment_stats"]["num_small_fragments"])


def _sql_list(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)
