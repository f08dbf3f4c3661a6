"""Amounts as people read them."""

from recue.core.clock import format_hms


def hms(seconds: float) -> str:
    """`h:mm:ss`, for lengths where milliseconds say nothing.

    >>> hms(3725.4)
    '1:02:05'
    """
    return format_hms(float(round(seconds))).partition(".")[0]


def about(seconds: float) -> str:
    """A rough time.

    >>> about(0.4), about(42), about(250), about(9000)
    ('a second', '42 s', '4 min', '2 h 30 min')
    """
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def size(n_bytes: float) -> str:
    """A size in decimal units.

    >>> size(999), size(51_200_000), size(2.5e9)
    ('999 B', '51.2 MB', '2.5 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes:.0f} B"


def trouble(path: str, reason: str) -> str:
    """A file and what is wrong with it; most reasons name the file themselves.

    >>> trouble("/v/a.mp4", "'/v/a.mp4' is empty"), trouble("/v/a.mp4", "of another size")
    ("'/v/a.mp4' is empty", '/v/a.mp4: of another size')
    """
    return reason if f"'{path}'" in reason else f"{path}: {reason}"


def count(n: int, what: str) -> str:
    """A number of things; names that take an s.

    >>> count(1, "video"), count(3, "video")
    ('1 video', '3 videos')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"
