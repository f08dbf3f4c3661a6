"""The embedded engine: a gallery in a directory, kept by LanceDB.

    gallery.json     what it is
    tables-XXXXXXXX  the database: `videos`, the catalogue, and `steps`, the features
    derived/         what can be made again
    writer.lock      held by the one who writes

Features are written first, under a revision of their own; the one commit that writes the catalogue row publishes
them and retires the revision before. Features that no row names are invisible, and swept by the next writer.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core import FeatureBank, FeatureSequence, VideoRecord
from recue.core.errors import FingerprintError, GalleryError, ShapeError, VideoNotFoundError
from recue.core.protocols import Transform
from recue.gallery import check, find, tables
from recue.gallery.derived import DerivedBank, Entry
from recue.gallery.lock import exclusive, uninterrupted
from recue.gallery.manifest import FILE_NAME, Manifest, read_manifest
from recue.gallery.protocol import BankDtype, GalleryInfo, GalleryStats, Problem, SourceInfo
from recue.gallery.tables import CatalogueRow, StepBlock, UnsteadyReadError, translated
from recue.gallery.where import matching

WRITER_TIMEOUT_S = 60.0
#: A reader that loses its files to a writer's clean-up looks again at the newest version, this often.
READ_ATTEMPTS = 4
#: Small appends pile up: merge them once a table has this many small fragments.
MAX_VIDEO_FRAGMENTS = 64
MAX_STEP_FRAGMENTS = 256
#: How long automatic compaction leaves old versions for readers that are half-way through one.
KEEP_VERSIONS = timedelta(minutes=10)

T = TypeVar("T")

_CATALOGUE_COLUMNS = [*VideoRecord.__dataclass_fields__, "revision"]


class LanceGallery:
    """A gallery in a directory; see `recue.gallery.Gallery` for what the methods promise.

    Args:
        directory: Holds gallery.json.

    Raises:
        GalleryError: it is no gallery, it is damaged, or its format is from a newer recue.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mutex = threading.RLock()
        self._banks: dict[tuple[str, str], tuple[tuple[Entry, ...], FeatureBank]] = {}
        self._open(read_manifest(directory))

    def _open(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._stamp = _stamp(self._directory / FILE_NAME)
        self._catalogue: dict[str, CatalogueRow] = {}
        self._catalogue_version = -1
        database = tables.connect(self._database_dir)
        with translated(f"opening the gallery {self._directory}"):
            self._videos_table: Any = database.open_table("videos")
            self._steps_table: Any = database.open_table("steps")

    def __repr__(self) -> str:
        return f"LanceGallery({str(self._directory)!r})"

    @property
    def info(self) -> GalleryInfo:
        """See `Gallery.info`."""
        return GalleryInfo(
            name=self._directory.name,
            location=str(self._directory),
            source=self._source,
            created_at=self._manifest.created_at,
            engine=self._manifest.engine,
        )

    @property
    def version(self) -> str:
        """See `Gallery.version`."""
        digest = blake2b(self._manifest.database.encode(), digest_size=8)
        digest.update(np.sort([row.revision for row in self._rows()]).tobytes())
        return digest.hexdigest()

    @property
    def derived_dir(self) -> Path:
        """See `Gallery.derived_dir`."""
        path = self._directory / "derived"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def add(
        self,
        record: VideoRecord,
        features: FeatureSequence,
        vectors: Float[np.ndarray, "few dim"] | None = None,
    ) -> None:
        """See `Gallery.add`."""
        self._require_fitting(features)
        record = replace(
            record,
            n_steps=len(features),
            added_at=record.added_at or datetime.now(UTC).isoformat(timespec="seconds"),
        )
        revision = secrets.randbits(63)
        # Everything that can be wrong with what was given is found before the first row is written.
        row = tables.video_table(record, revision, vectors)
        blocks = tables.step_tables(features, revision)
        with self._writing(f"adding '{record.name}' to the gallery {self._directory}"):
            retired = self._catalogue.get(record.id)
            for block in blocks:
                self._steps_table.add(block)
            self._publish(row)
            if retired is not None:
                self._drop_revisions([retired.revision])
            self._tidy()

    def remove(self, ids: Iterable[str]) -> list[VideoRecord]:
        """See `Gallery.remove`."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return []
        with self._writing(f"removing from the gallery {self._directory}"):
            rows = [self._row(video_id) for video_id in wanted]
            self._videos_table.delete(f"revision IN ({_sql_list(row.revision for row in rows)})")
            self._drop_revisions([row.revision for row in rows])
            self._tidy()
        return [row.record for row in rows]

    def update(self, record: VideoRecord) -> None:
        """See `Gallery.update`."""
        with self._writing(f"updating '{record.name}' in the gallery {self._directory}"):
            row = self._row(record.id)
            vectors = self._read_vectors(row)
            record = replace(record, n_steps=row.record.n_steps, added_at=row.record.added_at)
            self._publish(tables.video_table(record, row.revision, vectors))
            self._tidy()

    def videos(self, where: Sequence[str] = ()) -> list[VideoRecord]:
        """See `Gallery.videos`."""
        records = [row.record for row in self._rows()]
        records.sort(key=lambda record: (record.name, record.id))
        return matching(records, where)

    def get(self, video_id: str) -> VideoRecord:
        """See `Gallery.get`."""
        with self._mutex:
            self._refresh()
            return self._row(video_id).record

    def find(self, text: str) -> VideoRecord:
        """See `Gallery.find`."""
        return find.find_video(text, self.videos())

    def features(self, video_id: str) -> FeatureSequence:
        """See `Gallery.features`."""

        def read() -> FeatureSequence:
            with self._mutex:
                self._refresh()
                row = self._row(video_id)
                return self._sequence(row, list(self._read_steps([row.revision])))

        return self._attempt(read)

    def vectors(self, video_id: str) -> NDArray[np.float32] | None:
        """See `Gallery.vectors`."""

        def read() -> NDArray[np.float32] | None:
            with self._mutex:
                self._refresh()
                return self._read_vectors(self._row(video_id))

        return self._attempt(read)

    def bank(self, transform: Transform | None = None, *, dtype: BankDtype | None = None) -> FeatureBank:
        """See `Gallery.bank`."""
        number: BankDtype = dtype or ("float16" if transform is None else "float32")
        key = ("" if transform is None else transform.fingerprint, number)
        banks_dir = self.derived_dir / "banks"

        def bring() -> FeatureBank:
            wanted = tuple(Entry(row.record.id, row.revision, row.record.n_steps) for row in self._rows())
            held = self._banks.get(key)
            if held is not None and held[0] == wanted:
                return held[1]
            derived = DerivedBank(banks_dir, source=self._source, transform=transform, dtype=number)
            bank = derived.up_to_date(wanted, self._read_steps)
            self._banks[key] = (wanted, bank)
            return bank

        return self._attempt(bring)

    def verify(self) -> list[Problem]:
        """See `Gallery.verify`."""
        rows = self._rows()
        problems = check.check_features(rows, self._read_steps, self._steps_revisions(), source=self._source)
        return problems + check.check_files([row.record for row in rows])

    def stats(self) -> GalleryStats:
        """See `Gallery.stats`."""
        records = [row.record for row in self._rows()]
        return GalleryStats(
            n_videos=len(records),
            duration_s=sum(record.duration_s for record in records),
            n_steps=sum(record.n_steps for record in records),
            catalogue_bytes=check.size_bytes(self._database_dir / "videos.lance"),
            features_bytes=check.size_bytes(self._database_dir / "steps.lance"),
            derived_bytes=check.size_bytes(self._directory / "derived"),
        )

    def compact(self) -> None:
        """See `Gallery.compact`."""
        with self._writing(f"compacting the gallery {self._directory}"):
            self._optimize(self._videos_table, timedelta(0))
            self._optimize(self._steps_table, timedelta(0))

    @property
    def _source(self) -> SourceInfo:
        return self._manifest.source

    @property
    def _database_dir(self) -> Path:
        return self._directory / self._manifest.database

    def _require_fitting(self, features: FeatureSequence) -> None:
        if features.fingerprint != self._source.fingerprint:
            raise FingerprintError(
                f"the gallery {self._directory} holds features of '{self._source.name}' "
                f"({self._source.fingerprint}), these are of '{features.backbone}' ({features.fingerprint}); use "
                "the gallery's backbone, another gallery, or make all features again with `recue index --rebuild`"
            )
        if features.dim != self._source.dim:
            raise ShapeError(
                f"the gallery {self._directory} holds {self._source.dim} dimensions, got {features.dim}"
            )

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        """Alone among writers, at the newest version, free of what a killed writer left."""
        lock = exclusive(
            self._directory / "writer.lock", timeout_s=WRITER_TIMEOUT_S, what=f"the gallery {self._directory}"
        )
        with self._mutex, lock, uninterrupted(), translated(doing):
            self._refresh()
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Drop features that no catalogue row names. Only for the holder of the lock: no add is under way then."""
        self._steps_table.checkout_latest()
        if self._steps_table.count_rows() == sum(row.record.n_steps for row in self._catalogue.values()):
            return
        named = {row.revision for row in self._catalogue.values()}
        self._drop_revisions([revision for revision in self._steps_revisions() if revision not in named])

    def _drop_revisions(self, revisions: Sequence[int]) -> None:
        if revisions:
            self._steps_table.delete(f"revision IN ({_sql_list(revisions)})")

    def _publish(self, row: Any) -> None:
        """The commit: one row in, in place of the row of the same id."""
        merge = self._videos_table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(row)
        [published] = tables.catalogue_rows(row)
        if self._videos_table.version == self._catalogue_version + 1:
            self._catalogue = {**self._catalogue, published.record.id: published}
            self._catalogue_version += 1

    def _tidy(self) -> None:
        """Merge small fragments once there are many: reads slow down with them, and so does each commit."""
        for table, limit in ((self._videos_table, MAX_VIDEO_FRAGMENTS), (self._steps_table, MAX_STEP_FRAGMENTS)):
            if table.stats()["fragment_stats"]["num_small_fragments"] > limit:
                self._optimize(table, KEEP_VERSIONS)

    def _optimize(self, table: Any, keep_versions: timedelta) -> None:
        table.optimize(cleanup_older_than=keep_versions, delete_unverified=True)

    def _refresh(self) -> None:
        """Bring the catalogue to the newest version; follow a rebuilt gallery to its new tables."""
        stamp = _stamp(self._directory / FILE_NAME)
        if stamp != self._stamp:
            manifest = read_manifest(self._directory)
            if manifest.source.fingerprint != self._source.fingerprint:
                raise GalleryError(
                    f"the gallery {self._directory} was rebuilt with '{manifest.source.name}' meanwhile, it was "
                    f"opened with '{self._source.name}'; open it again"
                )
            self._open(manifest)
        with translated(f"reading the catalogue of {self._directory}", UnsteadyReadError):
            self._videos_table.checkout_latest()
            version = self._videos_table.version
            if version != self._catalogue_version:
                rows = tables.catalogue_rows(self._videos_table.search().select(_CATALOGUE_COLUMNS).to_arrow())
                self._catalogue = {row.record.id: row for row in rows}
                self._catalogue_version = version

    def _rows(self) -> list[CatalogueRow]:
        def read() -> list[CatalogueRow]:
            with self._mutex:
                self._refresh()
                return list(self._catalogue.values())

        return self._attempt(read)

    def _row(self, video_id: str) -> CatalogueRow:
        row = self._catalogue.get(video_id)
        if row is None:
            raise VideoNotFoundError(
                f"no video of the gallery {self._directory} has the id '{video_id}'; `recue list` shows them"
            )
        return row

    def _read_steps(self, revisions: Sequence[int]) -> Iterator[StepBlock]:
        with self._mutex, translated(f"reading features of {self._directory}", UnsteadyReadError):
            self._steps_table.checkout_latest()
            batches = (
                self._steps_table.search()
                .where(f"revision IN ({_sql_list(revisions)})")
                .select(["revision", "step", "start_s", "end_s", "vector"])
                .to_batches()
            )
            for batch in batches:
                yield tables.step_block(batch, self._source.dim)

    def _steps_revisions(self) -> list[int]:
        with self._mutex, translated(f"reading features of {self._directory}", UnsteadyReadError):
            self._steps_table.checkout_latest()
            column = self._steps_table.search().select(["revision"]).to_arrow().column("revision")
            return [int(revision) for revision in np.unique(column.to_numpy())]

    def _read_vectors(self, row: CatalogueRow) -> NDArray[np.float32] | None:
        with translated(f"reading the catalogue of {self._directory}", UnsteadyReadError):
            found = (
                self._videos_table.search()
                .where(f"revision = {row.revision}")
                .select(["n_vectors", "vectors"])
                .to_arrow()
                .to_pylist()
            )
        if not found or found[0]["n_vectors"] == 0:
            return None
        return np.array(found[0]["vectors"], dtype=np.float32).reshape(found[0]["n_vectors"], -1)

    def _sequence(self, row: CatalogueRow, blocks: Sequence[StepBlock]) -> FeatureSequence:
        problem, sequence = check.assemble(row, blocks, source=self._source)
        if sequence is None:
            raise UnsteadyReadError(
                f"the features of '{row.record.name}' are damaged ({problem}); `recue remove` it and index it again"
            )
        return sequence

    def _attempt(self, read: Callable[[], T]) -> T:
        """Read again where a writer retired or cleaned up what was being read."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return read()
            except UnsteadyReadError:
                if attempt == READ_ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * attempt)
        raise AssertionError("unreachable")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def _sql_list(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)
