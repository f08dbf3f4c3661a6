"""Times as people write and read them."""

import math

from recue.core.errors import ConfigError


def format_hms(seconds: float) -> str:
    """`h:mm:ss.mmm`, rounded to the millisecond.

    >>> format_hms(3723.0415)
    '1:02:03.042'
    >>> format_hms(-0.5)
    '-0:00:00.500'
    """
    total_ms = round(abs(seconds) * 1000 + 1e-9)
    hours, rest = divmod(total_ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, ms = divmod(rest, 1000)
    sign = "-" if seconds < 0 and total_ms else ""
    return f"{sign}{hours}:{minutes:02d}:{whole:02d}.{ms:03d}"


def parse_time(text: str) -> float:
    """Seconds from `12.5`, `1:02.5` or `1:02:03.5`.

    >>> parse_time("1:02:03.5")
    3723.5

    Raises:
        ConfigError: it reads as no time.
    """
    parts = text.strip().split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    finite = bool(numbers) and all(math.isfinite(n) and n >= 0 for n in numbers)
    if not finite or len(numbers) > 3 or any(n >= 60 for n in numbers[1:]):
        raise ConfigError(f"'{text}' is no time; write seconds (12.5), m:ss (1:02.5) or h:mm:ss (1:02:03.5)")
    seconds = 0.0
    for number in numbers:
        seconds = seconds * 60 + number
    return seconds
