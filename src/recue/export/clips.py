"""Found moments as video files: one exact cut each."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recue import media
from recue.core.clock import format_hms
from recue.core.errors import ConfigError, RecueError
from recue.core.moment import Moment, SearchResult
from recue.core.segment import Segment

#: Cuts `segment` out of the first path into the second and says what was really cut.
Cutter = Callable[[Path, Segment, Path], Segment]

_MAX_STEM = 80


@dataclass(frozen=True, slots=True)
class SavedClip:
    """One written clip.

    Attributes:
        rank: Place of its moment in the result, from 1.
        path: The file.
        segment: What it really holds, on the source video's clock: whole frames.
    """

    rank: int
    path: Path
    segment: Segment


@dataclass(frozen=True, slots=True)
class ClipsReport:
    """What became of every moment.

    Attributes:
        saved: In the order of the result.
        failed: Rank and reason of those that could not be cut.
    """

    saved: tuple[SavedClip, ...]
    failed: tuple[tuple[int, str], ...]


def save_clips(result: SearchResult, folder: str | Path, *, cutter: Cutter | None = None) -> ClipsReport:
    """Cut every moment of a result into a file of its own; near misses are not cut.

    Files are named by rank, video and times: `01_holiday_0-01-02.500_0-01-04.000.mp4`. One that exists is never
    written over: the new one gets the next free number at its end. A clip that cannot be cut does not stop the
    others and leaves no file.

    Args:
        result: What was found.
        folder: Made where it is absent.
        cutter: How to cut; default: exactly, frame by frame (`recue.media.cut` with mode `exact`).

    Raises:
        ConfigError: the folder cannot be made.

    Cost: decodes and encodes the length of each moment.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"'{target}' is no folder for clips: {error.strerror}; name another with --save-clips"
        ) from error
    make = cutter or _cut_exactly
    saved: list[SavedClip] = []
    failed: list[tuple[int, str]] = []
    for rank, moment in enumerate(result.moments, 1):
        path = _free_path(target, clip_name(rank, moment))
        try:
            segment = make(Path(moment.video), moment.segment, path)
        except (RecueError, OSError) as error:
            path.unlink(missing_ok=True)
            failed.append((rank, str(error)))
        else:
            saved.append(SavedClip(rank=rank, path=path, segment=segment))
    return ClipsReport(saved=tuple(saved), failed=tuple(failed))


def clip_name(rank: int, moment: Moment) -> str:
    """File name of a moment's clip.

    >>> from recue.core import Segment
    >>> clip_name(1, Moment("/v/a b.mkv", "a9", Segment(62.5, 64.0), 1.0, 0.9))
    '01_a b_0-01-02.500_0-01-04.000.mp4'
    """
    start, end = (format_hms(t).replace(":", "-") for t in (moment.start_s, moment.end_s))
    return f"{rank:02d}_{_safe(Path(moment.video).stem)}_{start}_{end}.mp4"


def _safe(stem: str) -> str:
    """The stem with what file systems refuse replaced, short enough for all of them."""
    printable = "".join("_" if unicodedata.category(letter).startswith("C") else letter for letter in stem)
    safe = re.sub(r'[\\/:*?"<>|]', "_", printable).strip(". ") or "video"
    return safe.encode("utf-8")[:_MAX_STEM].decode("utf-8", "ignore")


def _free_path(folder: Path, name: str) -> Path:
    path = folder / name
    number = 2
    while path.exists():
        path = folder / f"{Path(name).stem}-{number}.mp4"
        number += 1
    return path


def _cut_exactly(video: Path, segment: Segment, out: Path) -> Segment:
    return media.cut(video, segment, out, mode="exact")
