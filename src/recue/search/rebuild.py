"""Make all features of a gallery again, with another backbone, while the old ones stay searchable.

The new features go into a gallery of their own inside the old one's directory. When all are there it takes the old
one's place in one step. Until then a kill, Ctrl-C or a bad file costs nothing: the next rebuild goes on from there.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from recue.core.errors import FingerprintError, GalleryError
from recue.core.protocols import Source
from recue.core.record import VideoRecord
from recue.gallery import Gallery, SourceInfo, adopt_gallery, adoption_pending, open_gallery
from recue.search.index import (
    IndexOptions,
    announce,
    carry_out,
    closing_event,
    index,
    require_weights,
    scan,
    source_info,
)
from recue.search.ingest import Ingest
from recue.search.interrupt import StopSignals
from recue.search.metadata import metadata_for
from recue.search.report import IngestInterrupted, IngestReport

_FOLDER = "rebuild"
_N_NAMED = 5


def rebuild(
    location: Path, gallery: Gallery, paths: list[str | os.PathLike[str]], source: Source, options: IndexOptions
) -> IngestReport:
    """Make the features of every video again from its file, and index what else is under `paths`.

    Raises:
        IngestInterrupted: Ctrl-C or SIGTERM; what was made is kept for the next rebuild.
        GalleryError: files are gone, or could not be encoded, so that the new gallery would hold less than the old.
            With `prune`, it may.
    """
    started = perf_counter()
    require_weights(source)
    built_dir = location / _FOLDER
    if adoption_pending(built_dir):
        gallery = adopt_gallery(location, built_dir)
        if gallery.info.source.fingerprint == source.fingerprint:
            known = [record.path for record in gallery.videos()]
            return index(location, gallery, [*known, *paths], source, options)
    with StopSignals() as signals:
        try:
            if paths:  # first of all, learn of moved files
                plan = scan(paths, gallery.videos(), source, stop=signals.asked)
                Ingest(gallery, plan, None, options.tell).tidy(prune=options.prune)
            old = {record.path: record for record in gallery.videos()}
            _require_files(old, prune=options.prune)
            present = [path for path in old if os.path.exists(path)]
            made = _videos(built_dir, source)
            plan = scan([*present, *paths], made, source, tell=options.tell, stop=signals.asked)
        except InterruptedError as error:
            elapsed_s = perf_counter() - started
            raise IngestInterrupted(IngestReport(elapsed_s=elapsed_s, interrupted=True)) from error
        plan = announce(plan, source, location, options, stop=signals.asked)

        def metadata(path: Path) -> dict[str, Any]:
            kept = old[str(path)].metadata if str(path) in old else {}
            return {**kept, **metadata_for(options.metadata, path)}

        built = open_gallery(built_dir, create=True, source=source_info(source, plan))
        ingest = carry_out(built, plan, source, replace(options, metadata=metadata), stop=signals.asked)
        report = _as_seen_from(old, ingest.report(elapsed_s=0.0, interrupted=signals.asked()))
        report = replace(report, elapsed_s=perf_counter() - started)
    options.tell(closing_event(plan, report))
    if report.interrupted:
        raise IngestInterrupted(report)
    lost = [failed for failed in report.failed if failed.path in old]
    if lost and not options.prune:
        raise GalleryError(
            f"{len(lost)} videos could not be encoded again, so the gallery keeps its old features: "
            f"{lost[0].reason}{' and others' if len(lost) > 1 else ''}; take them out (`recue remove`) or allow it "
            "(--prune), and run `recue index --rebuild` again to finish"
        )
    adopt_gallery(location, built_dir)
    return report


def _require_files(old: dict[str, VideoRecord], *, prune: bool) -> None:
    gone = [record.name for path, record in old.items() if not os.path.exists(path)]
    if gone and not prune:
        shown = ", ".join(gone[:_N_NAMED]) + (f" and {len(gone) - _N_NAMED} more" if len(gone) > _N_NAMED else "")
        raise GalleryError(
            f"the features of {len(gone)} videos cannot be made again, their files are gone: {shown}; bring the "
            "files back, or name the folder they moved to, or let the videos go (--prune)"
        )


def _videos(built_dir: Path, source: Source) -> list[VideoRecord]:
    """What an earlier attempt with the same source has made; any other is thrown away."""
    try:
        return open_gallery(built_dir, source=SourceInfo.of(source)).videos()
    except (GalleryError, FingerprintError):  # absent, damaged, of another backbone: nothing of it is of use
        shutil.rmtree(built_dir, ignore_errors=True)
        return []


def _as_seen_from(old: dict[str, VideoRecord], report: IngestReport) -> IngestReport:
    """To the user, what the old gallery has is replaced, even if an earlier attempt already did so."""
    made = (*report.added, *report.replaced, *report.unchanged)
    return replace(
        report,
        added=tuple(path for path in made if path not in old),
        replaced=tuple(path for path in made if path in old),
        unchanged=(),
    )
