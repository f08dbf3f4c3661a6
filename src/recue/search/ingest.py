"""Carry out a plan: worker processes encode, this process alone writes the gallery, one video at a time.

A video is in the gallery whole or not at all. What is done stays done, whatever happens to the rest: a bad file, a
worker that dies, Ctrl-C, a kill.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recue.core.errors import ConfigError, ShapeError
from recue.core.features import FeatureSequence
from recue.core.record import VideoRecord
from recue.gallery import Gallery
from recue.search.estimate import N_VECTORS
from recue.search.hashing import video_id
from recue.search.messages import Done, Failed, Progress
from recue.search.metadata import Metadata, metadata_for
from recue.search.report import EventKind, FailedFile, IngestEvent, IngestPlan, IngestReport, PlannedFile, by_status
from recue.search.schedule import Outcome, Retried


@dataclass(slots=True)
class Ingest:
    """The one writer of an ingest: puts what happens into the gallery, tells the news, keeps the tally.

    Attributes:
        gallery: Where to.
        plan: What is being carried out.
        metadata: For each video, over what it had.
        tell: Hears the news.
        indexed_s: Seconds of video that were encoded and kept.
    """

    gallery: Gallery
    plan: IngestPlan
    metadata: Metadata | None
    tell: Callable[[IngestEvent], None]
    indexed_s: float = 0.0

    _added: list[str] = field(default_factory=list)
    _replaced: list[str] = field(default_factory=list)
    _failed: list[FailedFile] = field(default_factory=list)
    _removed: list[str] = field(default_factory=list)
    _done_s: float = 0.0  # of files that are done, good or bad
    _partial_s: dict[Path, float] = field(default_factory=dict)  # of files that are being encoded
    _told_s: float = 0.0
    _n_done: int = 0

    def tidy(self, *, prune: bool) -> None:
        """What needs no encoding: new paths, new metadata, lost content, missing files if `prune`."""
        for file in self.plan.with_status("unchanged", "moved"):
            if file.record is not None:
                self._refresh(file, file.record)
        for file in self.plan.with_status("unchanged", "moved", "duplicate"):
            self._remove(file.replaces)
        if prune:
            self._remove(self.plan.missing)

    def carry_out(self, outcomes: Iterable[tuple[PlannedFile, Outcome]]) -> None:
        """Put what the workers made into the gallery as it comes.

        Raises:
            GalleryError: the gallery cannot be written.
        """
        for file, outcome in outcomes:
            if isinstance(outcome, Progress):
                self._partial_s[file.path] = min(outcome.done_s, file.duration_s)
                self._say("progress", file.path)
            elif isinstance(outcome, Retried):
                self._partial_s.pop(file.path, None)
                self._say("retried", file.path, outcome.reason)
            else:
                self._finish(file, outcome)
        if self._added or self._replaced or self._removed:
            self.gallery.compact()

    def report(self, *, elapsed_s: float, interrupted: bool) -> IngestReport:
        """What was done until now."""
        files = self.plan.files
        bad = [FailedFile(str(file.path), file.reason) for file in self.plan.with_status("bad")]
        return IngestReport(
            added=tuple(self._added),
            unchanged=by_status(files, "unchanged"),
            moved=by_status(files, "moved"),
            replaced=tuple(self._replaced),
            duplicates=by_status(files, "duplicate"),
            failed=tuple(sorted([*bad, *self._failed])),
            missing=tuple(record.path for record in self.plan.missing),
            removed=tuple(self._removed),
            elapsed_s=elapsed_s,
            indexed_s=self.indexed_s,
            interrupted=interrupted,
        )

    def _finish(self, file: PlannedFile, outcome: Done | Failed) -> None:
        self._partial_s.pop(file.path, None)
        self._done_s += file.duration_s
        self._n_done += 1
        reason = outcome.reason if isinstance(outcome, Failed) else self._store(file, outcome)
        if reason:
            self._failed.append(FailedFile(str(file.path), reason))
            self._say("failed", file.path, reason)
        elif file.replaces:
            self._replaced.append(str(file.path))
            self._say("replaced", file.path)
        else:
            self._added.append(str(file.path))
            self._say("added", file.path)

    def _store(self, file: PlannedFile, done: Done) -> str:
        """Add the video, then remove what it replaces; a kill between the two loses neither. Why not, if not."""
        encoded = done.encoded
        try:
            known = {key: value for old in file.replaces for key, value in old.metadata.items()}
            record = VideoRecord(
                id=video_id(done.content_hash),
                name=file.path.name,
                path=str(file.path),
                content_hash=done.content_hash,
                size_bytes=file.size_bytes,
                mtime_ns=file.mtime_ns,
                duration_s=encoded.duration_s,
                start_s=encoded.start_s,
                width=encoded.width,
                height=encoded.height,
                rate=encoded.rate,
                n_steps=len(encoded.features),
                added_at="",
                metadata=known | metadata_for(self.metadata, file.path),
                warnings=encoded.warnings,
            )
            self.gallery.add(record, encoded.features, mean_vectors(encoded.features, N_VECTORS))
        except (ShapeError, ConfigError) as error:
            return str(error)  # this video's own fault; a gallery that cannot be written stops the ingest
        if file.replaces:
            self.gallery.remove([old.id for old in file.replaces])
        self.indexed_s += encoded.duration_s
        return ""

    def _refresh(self, file: PlannedFile, record: VideoRecord) -> None:
        new = replace(
            record,
            name=file.path.name,
            path=str(file.path),
            mtime_ns=file.mtime_ns,
            metadata={**record.metadata, **metadata_for(self.metadata, file.path)},
        )
        if new != record:
            self.gallery.update(new)
        if file.status == "moved":
            self._say("moved", file.path, f"was '{record.path}'")

    def _remove(self, records: Sequence[VideoRecord]) -> None:
        if records:
            self.gallery.remove([record.id for record in records])
        for record in records:
            self._removed.append(record.path)
            self._say("removed", Path(record.path))

    def _say(self, kind: EventKind, path: Path, message: str = "") -> None:
        # A file that is tried again falls back to its start; the bar does not.
        self._told_s = max(self._told_s, self._done_s + sum(self._partial_s.values()))
        self.tell(
            IngestEvent(
                kind,
                path=str(path),
                done_s=min(self._told_s, self.plan.total_s),
                total_s=self.plan.total_s,
                n_done=self._n_done,
                n_total=len(self.plan.to_encode),
                message=message,
            )
        )


def mean_vectors(features: FeatureSequence, n: int) -> Float[np.ndarray, "few dim"]:
    """The mean features of up to `n` equal pieces of a video, float32: its retrieval vectors."""
    pieces = np.array_split(features.values.astype(np.float32), min(n, len(features)))
    return np.stack([piece.mean(axis=0) for piece in pieces])
