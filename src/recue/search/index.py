"""`Library.plan` and `Library.index`: look at the files, say what it costs, encode, report."""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from recue.core.errors import ConfigError, MediaError, RecueError, WeightsError, suggest
from recue.core.protocols import FileSource, Source
from recue.core.record import VideoRecord
from recue.features import PROFILES, load_source, weights_needed
from recue.gallery import Gallery, SourceInfo, open_gallery, reset_gallery
from recue.media import find_videos, probe
from recue.models.weights import is_ready
from recue.search.estimate import learn_speed, learnt_speed, require_room, with_estimates
from recue.search.ingest import Ingest
from recue.search.interrupt import StopSignals
from recue.search.measure import measured_speed
from recue.search.metadata import Metadata
from recue.search.plan import make_plan
from recue.search.pool import WorkerPool, default_workers, usable_cores
from recue.search.report import IngestEvent, IngestInterrupted, IngestPlan, IngestReport
from recue.search.schedule import encode_files

DEFAULT_PROFILE = "balanced"


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How to index.

    Attributes:
        metadata: For each video, over what it had.
        prune: Remove the videos whose file is gone.
        workers: Processes; by default one a core, no more than files, no more than fit into memory.
        threads: Of each worker; by default the cores divided by the workers.
        tell: Hears the news.
    """

    metadata: Metadata | None = None
    prune: bool = False
    workers: int | None = None
    threads: int | None = None
    tell: Callable[[IngestEvent], None] = lambda event: None

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("threads", self.threads)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is 1 or more, got {value}")


def choose_source(gallery: Gallery | None, *, profile: str | None, backbone: str | None) -> Source:
    """What to make features with: as asked, else the gallery's own, else the default profile. Loads no weights.

    Raises:
        ConfigError: both were asked for, or an option makes no sense.
        UnknownNameError: there is no such backbone.
    """
    if profile is not None and backbone is not None:
        raise ConfigError(f"give a profile or a backbone, not both: got '{profile}' and '{backbone}'")
    if profile is not None and profile not in PROFILES:
        raise ConfigError(f"no profile is called '{profile}'; {suggest(profile, PROFILES)}")
    own = gallery.info.source.name if gallery is not None else DEFAULT_PROFILE
    return load_source(profile or backbone or own)


def plan_index(
    location: Path,
    gallery: Gallery | None,
    paths: Iterable[str | os.PathLike[str]],
    source: Source,
    *,
    rebuild: bool = False,
) -> IngestPlan:
    """What `index` would do. Reads files and catalogue, may measure the speed of encoding, changes nothing."""
    catalogue = gallery.videos() if gallery is not None else []
    if rebuild:
        paths, catalogue = [*(record.path for record in catalogue), *paths], []
    plan = scan(paths, catalogue, source)
    return _estimated(plan, source, location, IndexOptions(), stop=lambda: False)


def index(
    location: Path,
    gallery: Gallery | None,
    paths: Iterable[str | os.PathLike[str]] | IngestPlan,
    source: Source,
    options: IndexOptions,
) -> IngestReport:
    """Bring the gallery at `location` up to date with the files under `paths`.

    Raises:
        IngestInterrupted: Ctrl-C or SIGTERM; carries the report.
        MediaError: no video was found at all, or none for a new gallery that can be read.
        WeightsError: the source's weights are not on this machine.
        FingerprintError: the gallery was made with another source.
        GalleryError: not enough disk, or the gallery cannot be written.
    """
    started = perf_counter()
    if gallery is not None and gallery.videos():
        open_gallery(location, source=SourceInfo.of(source))  # refuses another source before any work
    require_weights(source)
    with StopSignals() as signals:
        try:
            if isinstance(paths, IngestPlan):
                plan = paths
            else:
                catalogue = gallery.videos() if gallery is not None else []
                plan = scan(paths, catalogue, source, tell=options.tell, stop=signals.asked)
        except InterruptedError as error:
            elapsed_s = perf_counter() - started
            raise IngestInterrupted(IngestReport(elapsed_s=elapsed_s, interrupted=True)) from error
        if not plan.files and not plan.missing:
            looked_in = "" if isinstance(paths, IngestPlan) else ", ".join(f"'{path}'" for path in paths)
            raise MediaError(f"no video was found in {looked_in or 'the plan'}; name video files, or folders of them")
        if gallery is None and plan.n_bad == len(plan.files):  # no gallery is made of nothing
            first = plan.files[0].reason
            raise MediaError(first if plan.n_bad == 1 else f"none of {plan.n_bad} files can be indexed: {first}")
        plan = announce(plan, source, location, options, stop=signals.asked)
        ingest = carry_out(_writable(location, gallery, source, plan), plan, source, options, stop=signals.asked)
        report = ingest.report(elapsed_s=perf_counter() - started, interrupted=signals.asked())
    options.tell(closing_event(plan, report))
    if report.interrupted:
        raise IngestInterrupted(report)
    return report


def require_weights(source: Source) -> None:
    """Refuse early what could not encode a single file.

    Raises:
        WeightsError: names what is absent and how to get it.
    """
    absent = [name for name in weights_needed(source.name) if not is_ready(name)]
    if absent:
        usual = set(absent) <= set(weights_needed(DEFAULT_PROFILE))
        raise WeightsError(
            f"'{source.name}' needs weights that are not on this machine ({', '.join(absent)}); "
            f"get them once with: recue prepare{'' if usual else f' --backbone {source.name}'}"
        )


def scan(
    paths: Iterable[str | os.PathLike[str]],
    catalogue: Sequence[VideoRecord],
    source: Source,
    *,
    tell: Callable[[IngestEvent], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> IngestPlan:
    """Compare files with a catalogue, looking for what the source can encode.

    Raises:
        ConfigError: no path was given.
        InterruptedError: `stop` said so.
    """
    given = [Path(path) for path in paths]
    if not given:
        raise ConfigError("nothing to index: name video files or folders")

    def find(present: Sequence[Path]) -> Iterable[Path]:
        return _find_files(present, source.suffixes) if isinstance(source, FileSource) else find_videos(present)

    def duration_s(path: Path) -> float:
        return 0.0 if isinstance(source, FileSource) else probe(path).duration_s

    def on_scan(path: Path, n_done: int, n_total: int) -> None:
        tell(IngestEvent("scan", path=str(path), n_done=n_done, n_total=n_total))

    return make_plan(given, catalogue, find=find, duration_s=duration_s, on_scan=on_scan, stop=stop)


def announce(
    plan: IngestPlan, source: Source, location: Path, options: IndexOptions, *, stop: Callable[[], bool]
) -> IngestPlan:
    """Fill in the estimates, say them, and refuse what cannot fit.

    Raises:
        GalleryError: the disk is too small.
    """
    plan = _estimated(plan, source, location, options, stop=stop)
    options.tell(IngestEvent("planned", total_s=plan.total_s, n_total=len(plan.to_encode), plan=plan))
    require_room(plan, location)
    return plan


def carry_out(
    gallery: Gallery, plan: IngestPlan, source: Source, options: IndexOptions, *, stop: Callable[[], bool]
) -> Ingest:
    """Do what the plan says, until it is done or `stop` says so."""
    ingest = Ingest(gallery, plan, options.metadata, options.tell)
    ingest.tidy(prune=options.prune)
    files = plan.to_encode
    if files:
        started = perf_counter()
        n_workers, threads = _hands(plan, options)
        with (
            WorkerPool(source.name, threads=threads) as pool,
            closing(
                encode_files(files, pool, n_workers=n_workers, fingerprint=source.fingerprint, stop=stop)
            ) as outcomes,
        ):
            ingest.carry_out(outcomes)
        learn_speed(source.fingerprint, indexed_s=ingest.indexed_s, elapsed_s=perf_counter() - started)
    return ingest


def closing_event(plan: IngestPlan, report: IngestReport) -> IngestEvent:
    """The last event of an ingest."""
    n_done = len(report.added) + len(report.replaced) + len(report.failed) - plan.n_bad
    return IngestEvent(
        "finished",
        done_s=report.indexed_s if report.interrupted else plan.total_s,
        total_s=plan.total_s,
        n_done=n_done,
        n_total=len(plan.to_encode),
        message="interrupted" if report.interrupted else "",
    )


def source_info(source: Source, plan: IngestPlan) -> SourceInfo:
    """What the gallery keeps of the source. Feature files may be the only ones to know their dimension.

    Raises:
        MediaError: none of them can be read.
    """
    info = SourceInfo.of(source)
    if info.dim or not isinstance(source, FileSource):
        return info
    reasons = [file.reason for file in plan.with_status("bad")]
    for file in plan.to_encode:
        try:
            return replace(info, dim=source.read(file.path).dim)
        except RecueError as error:
            reasons.append(str(error))
    raise MediaError(f"none of {len(plan.files)} feature files can be read: {reasons[0] if reasons else 'all gone'}")


def _writable(location: Path, gallery: Gallery | None, source: Source, plan: IngestPlan) -> Gallery:
    if gallery is not None and gallery.info.source.fingerprint == source.fingerprint:
        return gallery
    info = source_info(source, plan)
    if gallery is not None and not gallery.videos():
        return reset_gallery(location, info)  # an empty gallery has nothing to lose
    return open_gallery(location, create=True, source=info)


def _hands(plan: IngestPlan, options: IndexOptions) -> tuple[int, int]:
    """How many workers, and how many threads each."""
    n_workers = options.workers or default_workers([file.duration_s for file in plan.to_encode])
    return n_workers, options.threads or max(1, usable_cores() // n_workers)


def _estimated(
    plan: IngestPlan, source: Source, location: Path, options: IndexOptions, *, stop: Callable[[], bool]
) -> IngestPlan:
    speed = learnt_speed(source.fingerprint)
    if speed is None:
        n_workers, threads = _hands(plan, options)
        speed = measured_speed(source, plan, n_workers=n_workers, threads=threads, stop=stop)
    return with_estimates(plan, dim=source.dim or None, step_s=source.step_s, times_real_time=speed, location=location)


def _find_files(paths: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            for root, folders, names in os.walk(path):
                folders[:] = [name for name in folders if not name.startswith(".")]
                found.update(
                    Path(root, name)
                    for name in names
                    if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes
                )
        else:
            found.add(path)
    return sorted(found)
