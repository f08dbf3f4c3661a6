"""Cutting a stretch out of a video."""

import os
from pathlib import Path
from typing import Literal

import av

from recue.core.errors import ConfigError, MediaError
from recue.core.segment import Segment
from recue.media.packets import measured_end
from recue.media.recode import recode
from recue.media.remux import remux
from recue.media.source import opened
from recue.media.span import declared_span
from recue.media.timeline import exact, require_inside

#: `exact` encodes again and is right to the frame; `copy` takes the packets as they are, from a key frame on.
CutMode = Literal["exact", "copy"]

#: Containers that hold H.264 and AAC.
_RECODED_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")


def cut(
    path: str | os.PathLike[str],
    segment: Segment,
    out: str | os.PathLike[str],
    *,
    mode: CutMode = "exact",
) -> Segment:
    """Write a stretch of a video to a file of its own, sound included; its clock starts at 0 (MPEG streams: near 0).

    The file appears under its name when it is complete; one that exists is replaced. The stored orientation and
    pixel shape are kept.

    Args:
        path: The video.
        segment: What to cut; clipped to the video.
        out: Where. The folder exists. The suffix decides the container: with `exact` one of .mp4, .m4v, .mov,
            .mkv; with `copy` any that takes the codecs as they are, such as the input's own.
        mode: `exact` encodes again (H.264, crf 18; AAC), right to the frame. `copy` takes the packets as they
            are, without loss and some hundred times faster, but starts at the key frame before.

    Returns:
        What was really cut, on the input's clock. With `exact` the stretch asked for, clipped to the video; with
        `copy` from the key frame at or before its start to the end of the last copied picture.

    Raises:
        ConfigError: the segment is empty or does not touch the video, `out` is the input, or has a suffix that
            cannot hold the result.
        MediaError: the input cannot be read, nothing in the segment can be decoded, or `out` cannot be written.
        NotAVideoError: there is no video in the input.

    Cost: `exact` decodes and encodes the segment, about real time x 1 to 5 for 720p on one core.
    """
    target = Path(out)
    if mode not in ("exact", "copy"):
        raise ConfigError(f"a cut is 'exact' or 'copy', got '{mode}'")
    if segment.duration_s <= 0:
        raise ConfigError(f"the cut from {segment.start_s} s is empty; give an end after the start")
    if not target.parent.is_dir():
        raise MediaError(f"'{target}' cannot be written: there is no folder '{target.parent}'; make it first")
    if target.exists() and Path(path).exists() and target.samefile(path):
        raise ConfigError(f"'{target}' is the input itself; name another file")
    if mode == "exact" and target.suffix.lower() not in _RECODED_SUFFIXES:
        raise ConfigError(
            f"an exact cut is written as {', '.join(_RECODED_SUFFIXES)}, got '{target.name}'; change the suffix"
        )
    with opened(path) as source:
        start, end = declared_span(source)
        end = measured_end(source) if end is None else end
        require_inside(path, segment, start or exact(0.0), end)
        begin = max(exact(segment.start_s), start or exact(0.0))
        stop = min(exact(segment.end_s), end)
        partial = target.with_name(f".{target.stem}.partial{target.suffix}")
        try:
            taken = recode(source, begin, stop, partial) if mode == "exact" else remux(source, begin, stop, partial)
            partial.replace(target)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if isinstance(error, (MediaError, ConfigError)):
                raise
            hint = "is the disk full?" if mode == "exact" else "try the input's own suffix, .mkv, or an exact cut"
            raise MediaError(f"'{target}' cannot be written: {error}; {hint}") from error
        finally:
            partial.unlink(missing_ok=True)
    return Segment(float(taken[0]), float(taken[1]))
