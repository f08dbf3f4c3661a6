"""Library: one gallery, to fill and to search. What `recue.open` gives."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from recue.core.errors import ConfigError, FingerprintError, GalleryError, VideoNotFoundError
from recue.core.moment import SearchResult
from recue.core.protocols import Source
from recue.core.record import VideoRecord
from recue.features import load_source
from recue.gallery import (
    Gallery,
    GalleryStats,
    Problem,
    SourceInfo,
    is_gallery,
    mismatch,
    open_gallery,
    resolve_location,
)
from recue.search.index import IndexOptions, choose_source, index, plan_index, require_weights
from recue.search.metadata import Metadata
from recue.search.pool import usable_cores
from recue.search.query import resolve_query
from recue.search.rebuild import rebuild as rebuild_gallery
from recue.search.report import IngestEvent, IngestPlan, IngestReport
from recue.search.spaces import stored_space

#: One path or several.
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """What a gallery is and how much it holds.

    Attributes:
        name: Its name, or that of its directory.
        location: Where it is.
        created_at: UTC, ISO 8601.
        source: What made its features.
        stats: How much it holds.
        verified: Whether it was checked; if not, `problems` is empty for that reason.
        problems: What the check found.
    """

    name: str
    location: str
    created_at: str
    source: SourceInfo
    stats: GalleryStats
    verified: bool = False
    problems: tuple[Problem, ...] = ()


class Library:
    """One gallery of videos. Nothing is read or made until a method is called.

    Args:
        location: A gallery's name, or its directory; None is the default gallery.
    """

    def __init__(self, location: str | os.PathLike[str] | None = None) -> None:
        self._location = resolve_location(location)
        self._opened: Gallery | None = None
        self._source: Source | None = None

    def __repr__(self) -> str:
        return f"Library({str(self._location)!r})"

    @property
    def location(self) -> Path:
        """The gallery's directory; it need not exist yet."""
        return self._location

    @property
    def gallery(self) -> Gallery:
        """The gallery itself.

        Raises:
            GalleryError: there is none yet; `index` makes it.
        """
        if self._opened is None:
            self._opened = open_gallery(self._location)
        return self._opened

    def plan(
        self,
        paths: Paths = (),
        *,
        profile: str | None = None,
        backbone: str | None = None,
        rebuild: bool = False,
    ) -> IngestPlan:
        """What `index` would do with these files, how long it would take and how much disk it would need.

        Args:
            paths: Video files and folders of them.
            profile: As in `index`.
            backbone: As in `index`.
            rebuild: As in `index`.

        Raises:
            ConfigError: no path, or a profile and a backbone.
        """
        gallery = self._existing()
        source = choose_source(gallery, profile=profile, backbone=backbone)
        return plan_index(self._location, gallery, _listed(paths), source, rebuild=rebuild)

    def index(
        self,
        paths: Paths | IngestPlan = (),
        *,
        profile: str | None = None,
        backbone: str | None = None,
        metadata: Metadata | None = None,
        rebuild: bool = False,
        prune: bool = False,
        workers: int | None = None,
        threads: int | None = None,
        progress: Callable[[IngestEvent], None] | None = None,
    ) -> IngestReport:
        """Put videos into the gallery, or bring it up to date with them.

        Unchanged files are skipped, moved ones keep their features, changed ones are encoded again. Each video is
        in the gallery whole or not at all, and stays there whatever happens to the others. Searching goes on
        meanwhile.

        Args:
            paths: Video files and folders of them, or a plan. May be empty with `rebuild`.
            profile: `fast`, `balanced` or `accurate`. By default what the gallery has; for a new one `balanced`.
            backbone: Instead of a profile, a backbone's spec: `i3d:rate=16,size=160`.
            metadata: A mapping for every video, or a function from its path to its mapping. Over what it had.
            rebuild: Make all features again, from the files the gallery knows, and with the backbone that is asked
                for. The old ones stay searchable until all new ones are there.
            prune: Remove the videos whose file lay under `paths` and is gone. With `rebuild`, also let go of those
                that cannot be encoded again.
            workers: Processes that encode; by default one a core.
            threads: Of each worker; by default the cores divided by the workers.
            progress: Called with the news, in this thread.

        Returns:
            What was done. Files that could not be read are in `failed` and do not stop the others.

        Raises:
            IngestInterrupted: Ctrl-C or SIGTERM; a KeyboardInterrupt that carries the report.
            MediaError: no video was found at all, or none for a new gallery that can be read.
            FingerprintError: the gallery holds features of another backbone; `rebuild` is the way out.
            WeightsError: the backbone's weights are not on this machine.
            GalleryError: the disk is too small, or the gallery cannot be written.
            ConfigError: options that do not go together.
        """
        gallery = self._existing()
        source = choose_source(gallery, profile=profile, backbone=backbone)
        tell = progress or (lambda event: None)
        options = IndexOptions(metadata, prune, workers, threads, tell)
        try:
            if isinstance(paths, IngestPlan):
                if rebuild:
                    raise ConfigError("a rebuild makes its own plan: give the paths, not a plan")
                return index(self._location, gallery, paths, source, options)
            if rebuild and gallery is not None:
                return rebuild_gallery(self._location, gallery, _listed(paths), source, options)
            return index(self._location, gallery, _listed(paths), source, options)
        finally:
            self._opened = self._source = None

    def search(
        self,
        source: str | os.PathLike[str],
        *,
        from_s: float | None = None,
        to_s: float | None = None,
        image: bool = False,
        videos: Sequence[str] = (),
        top: int = 10,
        min_confidence: float | None = None,
        where: Sequence[str] = (),
        localizer: str = "align",
        per_video: int | None = None,
        near_misses: bool = False,
        curve: bool = False,
        exclude_self: bool = False,
    ) -> SearchResult:
        """Find every moment like the query.

        Args:
            source: A video, image or feature file, or the id or name of a video of the gallery.
            from_s: Start of the stretch to look for, or the instant of the picture, on the video's clock.
            to_s: End of that stretch.
            image: Take one picture of `source` as the query; implied for an image file.
            videos: Search only these: ids, names or paths.
            top: Most moments to return.
            min_confidence: The threshold; by default the gallery's calibrated one.
            where: Search only videos that meet these conditions: `camera=2`, `year>=2020`.
            localizer: What finds the moments: a registry name, or a checkpoint directory.
            per_video: Most moments of one video.
            near_misses: Return also the best below the threshold.
            curve: Return also each video's similarity over time.
            exclude_self: Leave out the place that the query was taken from.

        Raises:
            GalleryError: there is no gallery, or it is empty.
            VideoNotFoundError: the query is neither a file nor a video of the gallery; or no video is left to
                search.
            NotAVideoError: the file holds no video.
            MediaError: the file cannot be read.
            ConfigError: a stretch outside the video, or an option that makes no sense.
            WeightsError: the gallery's backbone is needed and its weights are not on this machine.
            FingerprintError: the query must be encoded, and this version encodes otherwise than the gallery's did.
        """
        started = perf_counter()
        gallery = self.gallery
        from recue.search.engine import find_moments  # compiles kernels: not for those who only index

        ids = self._chosen(gallery, videos, where)
        found = resolve_query(
            source if isinstance(source, str) else Path(source),
            gallery=gallery,
            load=self._load_source,
            from_s=from_s,
            to_s=to_s,
            image=image,
            threads=usable_cores(),
        )
        result = find_moments(
            found.query,
            found.features,
            gallery,
            localizer=localizer,
            videos=ids,
            top=top,
            min_confidence=min_confidence,
            per_video=per_video,
            near_misses=near_misses,
            curve=curve,
            exclude_self=exclude_self,
            started=started,
            warnings=found.warnings,
        )
        gone = dict.fromkeys(moment.video for moment in result.moments if not os.path.exists(moment.video))
        news = tuple(f"'{path}' is gone; run `recue index` on the folder it moved to" for path in gone)
        return replace(result, warnings=(*result.warnings, *news)) if news else result

    def videos(self, where: Sequence[str] = ()) -> list[VideoRecord]:
        """The gallery's videos, by name; those that meet all conditions.

        Raises:
            GalleryError: there is no gallery.
            ConfigError: a condition cannot be read.
        """
        return self.gallery.videos(where)

    def remove(self, names: str | Iterable[str]) -> list[VideoRecord]:
        """Take videos out of the gallery, all or none; the files stay.

        Args:
            names: Ids, names or paths.

        Raises:
            GalleryError: there is no gallery.
            VideoNotFoundError: one of them names no video, or several.
        """
        wanted = [names] if isinstance(names, str) else list(names)
        gallery = self.gallery
        return gallery.remove(dict.fromkeys(gallery.find(name).id for name in wanted))

    def info(self, *, verify: bool = False) -> LibraryInfo:
        """What the gallery is and how much it holds.

        Args:
            verify: Check every video's features and file too; takes a pass over all of it.

        Raises:
            GalleryError: there is no gallery.
        """
        gallery = self.gallery
        about = gallery.info
        return LibraryInfo(
            name=about.name,
            location=about.location,
            created_at=about.created_at,
            source=about.source,
            stats=gallery.stats(),
            verified=verify,
            problems=tuple(gallery.verify([space] if (space := stored_space(gallery)) else [])) if verify else (),
        )

    def _existing(self) -> Gallery | None:
        return self.gallery if is_gallery(self._location) else None

    def _load_source(self) -> Source:
        made_by = self.gallery.info.source
        if self._source is None or self._source.fingerprint != made_by.fingerprint:
            self._source = load_source(made_by.name, threads=usable_cores())
        if self._source.fingerprint != made_by.fingerprint:
            raise FingerprintError(mismatch(self._location, made_by, SourceInfo.of(self._source)))
        require_weights(self._source)
        return self._source

    def _chosen(self, gallery: Gallery, names: Sequence[str], where: Sequence[str]) -> list[str] | None:
        """Ids to search; None for all."""
        if not gallery.videos():
            raise GalleryError(f"the gallery {self._location} is empty; `recue index VIDEOS` fills it")
        if not names and not where:
            return None
        meeting = [record.id for record in gallery.videos(where)]
        wanted = {gallery.find(name).id for name in names} if names else set(meeting)
        chosen = [each for each in meeting if each in wanted]
        if not chosen:
            raise VideoNotFoundError(f"no video is left to search: none meets {', '.join(where)}")
        return chosen


def _listed(paths: Paths) -> list[str | os.PathLike[str]]:
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)
