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
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from recue.core import FeatureBank, FeatureSequence, VideoRecord
from recue.core.errors import FingerprintError, GalleryError, ShapeError, VideoNotFoundError
from recue.core.protocols import Transform
from recue.gallery import check, tables
from recue.gallery.derived import DerivedBank, Entry
from recue.gallery.find import find_video
from recue.gallery.lock import exclusive, uninterrupted
from recue.gallery.manifest import FILE_NAME, Manifest, read_manifest
from recue.gallery.protocol import BankDtype, GalleryInfo, GalleryStats, Problem, SourceInfo
from recue.gallery.store import Store
from recue.gallery.tables import CatalogueRow, UnsteadyReadError, translated
from recue.gallery.where import matching

WRITER_TIMEOUT_S = 60.0
#: A reader that loses its files to a writer's clean-up looks again at the newest version, this often.
READ_ATTEMPTS = 4

T = TypeVar("T")


class LanceGallery:
    """A gallery in a directory; see `recue.gallery.Gallery` for what the methods promise.

    Args:
        directory: Holds gallery.json.

    Raises:
        GalleryError: it is no gallery, it is damaged, or its format is from a newer recue.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mutex = threading.Lock()
        self._banks: dict[tuple[str, str], tuple[tuple[Entry, ...], FeatureBank]] = {}
        self._open(read_manifest(directory))

    def _open(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._stamp = _stamp(self._directory / FILE_NAME)
        self._open_store = Store(self._database_dir, manifest.source.dim, str(self._directory))

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
        digest.update(np.sort([row.revision for row in self._rows().values()]).astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def derived_dir(self) -> Path:
        """See `Gallery.derived_dir`."""
        path = self._directory / "derived"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GalleryError(f"{path} cannot be made: {error.strerror or error}") from error
        return path

    def add(
        self,
        record: VideoRecord,
        features: FeatureSequence,
        vectors: Float[np.ndarray, "few dim"] | None = None,
    ) -> None:
        """See `Gallery.add`."""
        self._require_fitting(features)
        added_at = record.added_at or datetime.now(UTC).isoformat(timespec="seconds")
        record = replace(record, n_steps=len(features), added_at=added_at)
        revision = secrets.randbits(63)
        # Whatever can be wrong with what was given is found before the first row is written.
        row = tables.video_table([CatalogueRow(record, revision)], [vectors])
        values = tables.as_float16(features)
        with self._writing(f"adding '{record.name}' to the gallery {self._directory}") as (store, rows):
            for block in tables.step_tables(values, features.times_s, revision):
                store.append_steps(block)
            store.publish(row)
            if record.id in rows:
                store.drop_steps([rows[record.id].revision])
            store.tidy()

    def remove(self, ids: Iterable[str]) -> list[VideoRecord]:
        """See `Gallery.remove`."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return []
        with self._writing(f"removing from the gallery {self._directory}") as (store, rows):
            removed = [self._row(rows, video_id) for video_id in wanted]
            revisions = [row.revision for row in removed]
            store.unpublish(revisions)
            store.drop_steps(revisions)
            store.tidy()
        return [row.record for row in removed]

    def update(self, *records: VideoRecord) -> None:
        """See `Gallery.update`."""
        if not records:
            return
        with self._writing(f"updating the gallery {self._directory}") as (store, rows):
            changed, vectors = [], []
            for record in {record.id: record for record in records}.values():
                row = self._row(rows, record.id)
                kept = replace(record, n_steps=row.record.n_steps, added_at=row.record.added_at)
                changed.append(CatalogueRow(kept, row.revision))
                vectors.append(store.vectors(row.revision))
            store.publish(tables.video_table(changed, vectors))
            store.tidy()

    def videos(self, where: Sequence[str] = ()) -> list[VideoRecord]:
        """See `Gallery.videos`."""
        records = [row.record for row in self._rows().values()]
        records.sort(key=lambda record: (record.name, record.id))
        return matching(records, where)

    def get(self, video_id: str) -> VideoRecord:
        """See `Gallery.get`."""
        return self._row(self._rows(), video_id).record

    def find(self, text: str) -> VideoRecord:
        """See `Gallery.find`."""
        return find_video(text, self.videos())

    def features(self, video_id: str) -> FeatureSequence:
        """See `Gallery.features`."""

        def read(store: Store) -> FeatureSequence:
            row = self._row(store.catalogue(), video_id)
            problem, sequence = check.assemble(row, list(store.steps([row.revision])), source=self._source)
            if sequence is None:
                raise UnsteadyReadError(
                    f"the features of '{row.record.name}' are damaged ({problem}); take it out of the gallery "
                    f"(`recue remove {row.record.id}`) and index it again"
                )
            return sequence

        return self._attempt(read)

    def vectors(self, video_id: str) -> NDArray[np.float32] | None:
        """See `Gallery.vectors`."""
        return self._attempt(lambda store: store.vectors(self._row(store.catalogue(), video_id).revision))

    def bank(self, transform: Transform | None = None, *, dtype: BankDtype | None = None) -> FeatureBank:
        """See `Gallery.bank`."""
        number: BankDtype = dtype or ("float16" if transform is None else "float32")
        key = ("" if transform is None else transform.fingerprint, number)
        banks_dir = self.derived_dir / "banks"

        def bring(store: Store) -> FeatureBank:
            wanted = tuple(Entry(row.record.id, row.revision, row.record.n_steps) for row in store.catalogue().values())
            held = self._banks.get(key)
            if held is not None and held[0] == wanted:
                return held[1]
            derived = DerivedBank(banks_dir, source=self._source, transform=transform, dtype=number)
            bank = derived.up_to_date(wanted, store.steps)
            self._banks[key] = (wanted, bank)
            return bank

        return self._attempt(bring)

    def verify(self, transforms: Sequence[Transform] = ()) -> list[Problem]:
        """See `Gallery.verify`."""
        banks_dir = self._directory / "derived" / "banks"

        def look(store: Store) -> list[Problem]:
            banks = [
                DerivedBank(banks_dir, source=self._source, transform=transform, dtype=dtype)
                for transform in (None, *transforms)
                for dtype in ("float16", "float32")
            ]
            return check.check_tables(store, banks, source=self._source)

        problems = self._attempt(look)
        return problems + check.check_files([row.record for row in self._rows().values()])

    def stats(self) -> GalleryStats:
        """See `Gallery.stats`."""
        records = [row.record for row in self._rows().values()]
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
        with self._writing(f"compacting the gallery {self._directory}") as (store, _):
            store.optimize()

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
                f"the gallery {self._directory} holds vectors of {self._source.dim} numbers, got {features.dim}"
            )

    @contextmanager
    def _writing(self, doing: str) -> Iterator[tuple[Store, dict[str, CatalogueRow]]]:
        """The store for one writer alone, free of what a killed writer left, and its newest catalogue."""
        lock = exclusive(
            self._directory / "writer.lock", timeout_s=WRITER_TIMEOUT_S, what=f"the gallery {self._directory}"
        )
        with lock, uninterrupted(), translated(doing):
            store = self._store()
            rows = store.catalogue()
            # No add is under way while we hold the lock: features without a row are left-overs.
            if store.n_steps() != sum(row.record.n_steps for row in rows.values()):
                named = {row.revision for row in rows.values()}
                store.drop_steps([revision for revision in store.step_revisions() if revision not in named])
            yield store, rows

    def _store(self) -> Store:
        """The tables; those of the rebuilt gallery where it was rebuilt meanwhile."""
        with self._mutex:
            if _stamp(self._directory / FILE_NAME) != self._stamp:
                manifest = read_manifest(self._directory)
                if manifest.source.fingerprint != self._source.fingerprint:
                    raise GalleryError(
                        f"the gallery {self._directory} was rebuilt with '{manifest.source.name}' meanwhile, it "
                        f"was opened with '{self._source.name}'; open it again"
                    )
                self._open(manifest)
            return self._open_store

    def _rows(self) -> dict[str, CatalogueRow]:
        return self._attempt(lambda store: store.catalogue())

    def _row(self, rows: dict[str, CatalogueRow], video_id: str) -> CatalogueRow:
        row = rows.get(video_id)
        if row is None:
            raise VideoNotFoundError(
                f"no video of the gallery {self._directory} has the id '{video_id}'; `recue list` shows them"
            )
        return row

    def _attempt(self, read: Callable[[Store], T]) -> T:
        """Read again where a writer retired or cleaned up what was being read."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return read(self._store())
            except UnsteadyReadError:
                if attempt == READ_ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * attempt)
        raise AssertionError("the last attempt returns or raises")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)
