"""From when to when a video lasts, as its file declares."""

from fractions import Fraction

from recue.media.source import Source


def declared_span(source: Source) -> tuple[Fraction | None, Fraction | None]:
    """First presentation time and end as the file declares them, exact; None for what it does not."""
    stream, container = source.stream, source.container
    start = None if stream.start_time is None else stream.start_time * source.tick
    if container.format.name == "mpeg":
        return start, None  # program streams are guessed at from their bit rate, and wrong by parts of a second
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        # Its duration is scaled down to the bytes that are there; the count of frames tells what is missing.
        return start, (start or 0) + stream.frames / Fraction(stream.average_rate)
    if stream.duration:
        return start, (start or 0) + stream.duration * source.tick
    written = _written_duration(stream.metadata.get("DURATION", ""))
    if written is not None:
        # Matroska counts it from the start of the file, not of the stream.
        return start, max(written, start or Fraction(0))
    if container.duration and container.format.name.startswith("matroska"):
        return start, max(Fraction(container.duration, 1_000_000), start or Fraction(0))
    if container.duration:
        return start, Fraction((container.start_time or 0) + container.duration, 1_000_000)
    return start, None


def _written_duration(text: str) -> Fraction | None:
    parts = text.split(":")
    try:
        hours, minutes, seconds = int(parts[0]), int(parts[1]), Fraction(parts[2])
    except (IndexError, ValueError, ZeroDivisionError):
        return None
    length = 3600 * hours + 60 * minutes + seconds
    return length if length > 0 else None
