"""A file to its features. Ingest and queries both go this way: the same clip gives the same features."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from recue.core.errors import MediaError, ShapeError
from recue.core.features import FeatureSequence
from recue.core.frames import Frame
from recue.core.protocols import Backbone, FileSource, Source
from recue.core.segment import Segment
from recue.media import probe, sample
from recue.search.prefetch import prefetched


@dataclass(frozen=True, slots=True)
class Encoded:
    """The features of one file and what was learned on the way.

    Attributes:
        features: Of the whole file or the asked stretch.
        start_s: First presentation time of the file.
        duration_s: Length of the file.
        width: Columns, upright; 0 for a feature file.
        height: Rows, upright; 0 for a feature file.
        rate: Average frame rate as a fraction, `30000/1001`; empty for a feature file.
        warnings: What went wrong without stopping: damaged spots, a truncated end.
    """

    features: FeatureSequence
    start_s: float
    duration_s: float
    width: int = 0
    height: int = 0
    rate: str = ""
    warnings: tuple[str, ...] = ()


def encode_file(
    path: Path,
    source: Source,
    *,
    segment: Segment | None = None,
    threads: int = 1,
    on_progress: Callable[[float], None] = lambda done_s: None,
) -> Encoded:
    """Decode a video and encode it, or read a feature file; whichever the source asks for.

    Args:
        path: The file.
        source: A `Backbone` or a `FileSource`.
        segment: Only that stretch, on the video's clock.
        threads: For decoding. The backbone has its own.
        on_progress: Told now and then how many seconds are done.

    Raises:
        MediaError: the file cannot be read, or nothing of it decoded.
        NotAVideoError: there is no video in it.

    Memory: a window of frames, and the features.
    """
    if isinstance(source, FileSource):
        features = source.read(path)
        span = features.span
        kept = features if segment is None else features.between(segment)
        return Encoded(kept, start_s=span.start_s, duration_s=span.duration_s)
    if not isinstance(source, Backbone):
        raise TypeError(f"a source is a Backbone or a FileSource, got {type(source).__name__}")
    info = probe(path)
    warnings: list[str] = []
    frames = sample(path, source.sampling, segment=segment, warnings=warnings, threads=threads)
    counted = _Counted(frames, on_progress)
    try:
        features = source.encode(prefetched(counted))
    except ShapeError as error:
        if counted.n_frames:
            raise
        reason = f" ({'; '.join(warnings)})" if warnings else ""
        raise MediaError(f"no picture of '{path}' was decoded{reason}; check that it plays elsewhere") from error
    return Encoded(
        features,
        start_s=info.start_s,
        duration_s=info.duration_s,
        width=info.width,
        height=info.height,
        rate=f"{info.rate.numerator}/{info.rate.denominator}",
        warnings=tuple(warnings),
    )


class _Counted:
    """Frames passed on, with the seconds they cover reported a few times a second."""

    def __init__(self, frames: Iterator[Frame], on_progress: Callable[[float], None]) -> None:
        self.n_frames = 0
        self._frames = frames
        self._on_progress = on_progress

    def __iter__(self) -> Iterator[Frame]:
        started_s: float | None = None
        told = 0.0
        for frame in self._frames:
            self.n_frames += 1
            started_s = frame.due_s if started_s is None else started_s
            now = monotonic()
            if now - told > 0.25:
                told = now
                self._on_progress(frame.due_s - started_s)
            yield frame
