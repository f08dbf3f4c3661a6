"""What went wrong while a file was read, counted, and said in a few sentences at the end."""

from dataclasses import dataclass
from fractions import Fraction

from recue.core.clock import format_hms


@dataclass(slots=True)
class Damage:
    """A running count.

    Attributes:
        n_spots: Packets that could not be read or decoded, and pictures that the decoder itself calls damaged.
        first_s: About where the first of them is.
        n_gaps: Stretches without a picture in a stream that was steady before: a pause, or lost data that left no
            other trace.
        first_gap: From when to when the first of them lasts, in seconds.
        n_jumps: Times that the clock was set anew.
        n_disordered: Pictures left out because they came at or before the one before.
        without_times: Whether times had to be made from the frame rate.
    """

    n_spots: int = 0
    first_s: Fraction | None = None
    n_gaps: int = 0
    first_gap: tuple[Fraction, Fraction] | None = None
    n_jumps: int = 0
    n_disordered: int = 0
    without_times: Fraction | None = None

    def spot(self, near_s: Fraction) -> None:
        """Count one damaged spot."""
        self.n_spots += 1
        if self.first_s is None:
            self.first_s = near_s

    def gap(self, begin_s: Fraction, end_s: Fraction) -> None:
        """Count one stretch without pictures."""
        self.n_gaps += 1
        if self.first_gap is None:
            self.first_gap = (begin_s, end_s)

    def sentences(self, *, decoded_end: Fraction, declared_end: Fraction | None) -> list[str]:
        """What to tell the user; empty when all went well.

        Args:
            decoded_end: Where the stream really ended.
            declared_end: Where the file says it ends; None where it says nothing, or not all was read.
        """
        said = []
        if self.n_spots:
            near = format_hms(float(self.first_s or 0))
            said.append(
                f"{self.n_spots} damaged {'spot' if self.n_spots == 1 else 'spots'}, the first near {near}; "
                "pictures there may be wrong or missing"
            )
        if self.first_gap is not None:
            begin, end = (format_hms(float(instant)) for instant in self.first_gap)
            more = f", and {self.n_gaps - 1} more such gaps" if self.n_gaps > 1 else ""
            said.append(f"no pictures between {begin} and {end} (a pause or lost data){more}")
        if declared_end is not None:
            short = declared_end - decoded_end
            if short > 1:
                said.append(
                    f"cut short: pictures end at {format_hms(float(decoded_end))}, the file says "
                    f"{format_hms(float(declared_end))}"
                )
        if self.n_jumps:
            times = "once" if self.n_jumps == 1 else f"{self.n_jumps} times"
            said.append(f"the clock jumps {times}; times from there on are counted through")
        if self.n_disordered:
            said.append(f"{self.n_disordered} pictures left out: their times do not increase")
        if self.without_times is not None:
            said.append(
                f"the file has no timestamps; times are made from its frame rate of {self.without_times} a second"
            )
        return said
