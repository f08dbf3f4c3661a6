"""From what the user points at to the features to look for.

A query is a file, a stretch of one, a picture, a feature file, or any of these of a video that the gallery has.
What the gallery has is not decoded again: its own features are the query.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from recue.core.errors import ConfigError, MediaError, VideoNotFoundError
from recue.core.features import FeatureSequence
from recue.core.frames import Frame
from recue.core.moment import Query
from recue.core.protocols import Backbone, FileSource, Source
from recue.core.record import VideoRecord
from recue.core.segment import Segment
from recue.gallery import Gallery
from recue.media import is_image, probe, read_image, sample
from recue.search.encode import encode_file
from recue.search.hashing import content_hash

#: An asked bound may lie this far outside: players and tables round.
_SLACK_S = 0.05

#: Steps of surroundings that are encoded with a stretch of a file, so that its features are those it has in the
#: whole video. Two cover the context of every backbone that looks at a stretch of time.
_CONTEXT_STEPS = 2


@dataclass(frozen=True, slots=True)
class ResolvedQuery:
    """What is looked for, and its features.

    Attributes:
        query: For the result.
        features: Of the asked stretch, from the gallery's own backbone.
        warnings: What the user should know: damaged spots, a file that has changed since it was indexed.
    """

    query: Query
    features: FeatureSequence
    warnings: tuple[str, ...] = ()


def resolve_query(
    given: str | Path,
    *,
    gallery: Gallery,
    load: Callable[[], Source],
    from_s: float | None = None,
    to_s: float | None = None,
    image: bool = False,
    threads: int = 1,
) -> ResolvedQuery:
    """Find out what is meant and get its features.

    Args:
        given: A file, or an id or name of a gallery video; a file that exists goes first.
        gallery: What is searched.
        load: Gives the gallery's backbone; called only if something must be encoded.
        from_s: Start of the stretch, or the instant of the picture, on the video's clock.
        to_s: End of the stretch.
        image: Take a picture as the query; implied when the file is one.
        threads: For decoding.

    Raises:
        VideoNotFoundError: neither a file nor a video of the gallery.
        NotAVideoError: the file holds no video.
        MediaError: the file cannot be read.
        ConfigError: the stretch lies outside the video, or bounds that do not go with a picture.
    """
    path = Path(given).expanduser().absolute()
    if path.is_dir():
        raise ConfigError(f"'{given}' is a folder; give one file, or the id or name of a video of the gallery")
    if path.is_file():
        record, warnings = _same_video(path, gallery)
    else:
        record, warnings = _by_name(str(given), gallery), ()
        path = Path(record.path)
    resolver = _Resolver(str(given), path, record, gallery, load, threads)
    if image or (record is None and is_image(path)):
        found = resolver.picture(from_s, to_s)
    elif record is not None:
        found = resolver.kept(record, from_s, to_s)
    else:
        found = resolver.file(from_s, to_s)
    return ResolvedQuery(found.query, found.features, (*warnings, *found.warnings))


def checked_segment(from_s: float | None, to_s: float | None, *, whole: Segment, name: str) -> Segment:
    """The asked stretch inside a video.

    >>> checked_segment(1.0, None, whole=Segment(0.0, 5.28), name="bikes.mp4")
    Segment(start_s=1.0, end_s=5.28)
    >>> checked_segment(None, 15.0, whole=Segment(0.0, 5.28), name="bikes.mp4")
    Traceback (most recent call last):
    ...
    recue.core.errors.ConfigError: --to 15.00 lies after the end 5.28 of bikes.mp4

    Raises:
        ConfigError: a bound lies outside, or the end is not after the start.
    """
    start_s = whole.start_s if from_s is None else _checked("--from", from_s, whole, name)
    end_s = whole.end_s if to_s is None else _checked("--to", to_s, whole, name)
    if end_s <= start_s:
        raise ConfigError(f"a stretch of {name} ends after it starts, got --from {start_s:.2f} --to {end_s:.2f}")
    return Segment(start_s, end_s)


def _checked(option: str, value_s: float, whole: Segment, name: str) -> float:
    """An instant of a video, brought inside where it lies out by rounding."""
    if not math.isfinite(value_s):
        raise ConfigError(f"{option} is a number of seconds, got {value_s}")
    if value_s < whole.start_s - _SLACK_S:
        raise ConfigError(f"{option} {value_s:.2f} lies before the start {whole.start_s:.2f} of {name}")
    if value_s > whole.end_s + _SLACK_S:
        raise ConfigError(f"{option} {value_s:.2f} lies after the end {whole.end_s:.2f} of {name}")
    return min(max(value_s, whole.start_s), whole.end_s)


@dataclass(frozen=True, slots=True)
class _Resolver:
    """One query on its way."""

    given: str
    path: Path
    record: VideoRecord | None
    gallery: Gallery
    load: Callable[[], Source]
    threads: int

    def kept(self, record: VideoRecord, from_s: float | None, to_s: float | None) -> ResolvedQuery:
        """A video of the gallery, or a stretch of it, from the features that are kept."""
        features = self.gallery.features(record.id)
        is_part = from_s is not None or to_s is not None
        segment = checked_segment(from_s, to_s, whole=_whole(record, features), name=record.name)
        query = Query("range" if is_part else "clip", self.given, segment, record.id)
        return ResolvedQuery(query, features.between(segment) if is_part else features, record.warnings)

    def file(self, from_s: float | None, to_s: float | None) -> ResolvedQuery:
        """A file that the gallery does not have."""
        source = self.load()
        if isinstance(source, FileSource):
            return self._feature_file(source, from_s, to_s)
        is_part = from_s is not None or to_s is not None
        if not is_part:
            encoded = encode_file(self.path, source, threads=self.threads)
            segment = Segment(encoded.start_s, encoded.start_s + encoded.duration_s)
            return ResolvedQuery(Query("clip", self.given, segment), encoded.features, encoded.warnings)
        info = probe(self.path)
        whole = Segment(info.start_s, info.start_s + info.duration_s)
        segment = checked_segment(from_s, to_s, whole=whole, name=self.path.name)
        surroundings = _with_context(segment, source.step_s, whole)
        encoded = encode_file(self.path, source, segment=surroundings, threads=self.threads)
        query = Query("range", self.given, segment)
        return ResolvedQuery(query, encoded.features.between(segment), encoded.warnings)

    def picture(self, from_s: float | None, to_s: float | None) -> ResolvedQuery:
        """A still image, or one picture of a video, as a short still clip."""
        source = self.load()
        if not isinstance(source, Backbone):
            raise ConfigError(f"this gallery holds features of '{source.name}', which cannot encode a picture")
        if to_s is not None:
            raise ConfigError("a picture has no end: leave --to out; --from names the picture of a video")
        warnings: list[str] = []
        segment = None
        if is_image(self.path):
            if from_s is not None:
                raise ConfigError(f"{self.path.name} is a picture: it has no --from")
            wanted = source.sampling
            pixels = read_image(self.path, height=wanted.height, width=wanted.width, fit=wanted.fit)
            frame = Frame(pixels, 0.0, 0.0, 0.0)
        else:
            frame = self._frame_at(source, from_s, warnings)
            segment = Segment(frame.due_s, max(frame.due_s, frame.until_s))
        features = source.encode(_still(frame, source))
        video_id = self.record.id if self.record else None
        return ResolvedQuery(Query("image", self.given, segment, video_id), features, tuple(warnings))

    def _frame_at(self, source: Backbone, at_s: float | None, warnings: list[str]) -> Frame:
        info = probe(self.path)
        whole = Segment(info.start_s, info.start_s + info.duration_s)
        rate = source.sampling.rate_fps or info.rate
        cell_s = float(1 / rate)
        start_s = whole.start_s if at_s is None else _checked("--from", at_s, whole, self.path.name)
        # A grid instant lies in any stretch one cell long; the last cell may be cut short by the end.
        start_s = max(whole.start_s, min(start_s, whole.end_s - cell_s))
        stretch = Segment(start_s, start_s + cell_s + 1e-6)
        frames = sample(self.path, source.sampling, segment=stretch, warnings=warnings, threads=self.threads)
        frame = next(iter(frames), None)
        if frame is None:
            raise MediaError(f"no picture of '{self.path}' was decoded at {start_s:.2f} s; try another instant")
        return frame

    def _feature_file(self, source: FileSource, from_s: float | None, to_s: float | None) -> ResolvedQuery:
        if self.path.suffix.lower() not in source.suffixes:
            raise ConfigError(
                f"this gallery holds features made elsewhere, so {self.path.name} cannot be encoded; give a "
                f"feature file ({', '.join(source.suffixes)}), or the id or name of a video of the gallery"
            )
        features = source.read(self.path)
        is_part = from_s is not None or to_s is not None
        segment = checked_segment(from_s, to_s, whole=features.span, name=self.path.name)
        kept = features.between(segment) if is_part else features
        return ResolvedQuery(Query("features", self.given, segment), kept)


def _same_video(path: Path, gallery: Gallery) -> tuple[VideoRecord | None, tuple[str, ...]]:
    """The gallery's record of a file's content, if it has it."""
    stat = path.stat()
    same_size = []
    changed: tuple[str, ...] = ()
    for record in gallery.videos():
        if record.path == str(path):
            if (record.size_bytes, record.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                return record, ()
            changed = (f"{path.name} has changed since it was indexed; run `recue index` again",)
        if record.size_bytes == stat.st_size:
            same_size.append(record)
    if same_size:
        digest = content_hash(path)
        for record in same_size:
            if record.content_hash == digest:
                return record, ()
    return None, changed


def _by_name(text: str, gallery: Gallery) -> VideoRecord:
    try:
        return gallery.find(text)
    except VideoNotFoundError as error:
        raise VideoNotFoundError(f"'{text}' is no file, and {error}") from error


def _whole(record: VideoRecord, features: FeatureSequence) -> Segment:
    span = features.span
    return Segment(record.start_s, max(record.start_s + record.duration_s, span.end_s))


def _with_context(segment: Segment, step_s: float, whole: Segment) -> Segment:
    """The stretch and its surroundings, begun on the video's own grid of steps."""
    n_before = max(0, math.floor((segment.start_s - whole.start_s) / step_s) - _CONTEXT_STEPS)
    # A hair early, or rounding may push the first instant of the grid out.
    start_s = max(whole.start_s, whole.start_s + n_before * step_s - 1e-6)
    return Segment(start_s, min(whole.end_s, segment.end_s + (_CONTEXT_STEPS + 1) * step_s))


def _still(frame: Frame, source: Backbone) -> Iterator[Frame]:
    """One picture held for a step, as frames on the backbone's grid."""
    rate = source.sampling.rate_fps or Fraction(25)
    for k in range(max(1, round(source.step_s * rate))):
        yield Frame(frame.image, float(k / rate), float(k / rate), float((k + 1) / rate))
