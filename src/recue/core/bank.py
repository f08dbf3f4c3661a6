"""FeatureBank: the steps of many videos end to end, ready for one pass over all of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recue.core.errors import ShapeError
from recue.core.features import FeatureSequence
from recue.core.segment import Segment


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBank:
    """The steps of many videos, one after another, usually memory-mapped.

    Attributes:
        values: `[step, dim]`, float32 or float16: the (transformed) features.
        bounds_s: `[step, 2]`, float64: start and end of each step on its own video's clock.
        offsets: `[video + 1]`, int64, increasing: video v holds rows `offsets[v]` to `offsets[v+1] - 1`.
        video_ids: One id a video, in the order of `offsets`.
        fingerprint: Of the backbone, as in `FeatureSequence`.
    """

    values: NDArray[np.floating]
    bounds_s: NDArray[np.float64]
    offsets: NDArray[np.int64]
    video_ids: tuple[str, ...]
    fingerprint: str

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.video_ids) + 1 or int(self.offsets[-1]) != len(self.values):
            raise ShapeError(
                f"a bank of {len(self.video_ids)} videos and {len(self.values)} steps needs fitting offsets, "
                f"got {len(self.offsets)} ending at {int(self.offsets[-1]) if len(self.offsets) else None}"
            )

    def __len__(self) -> int:
        return len(self.video_ids)

    @property
    def n_steps(self) -> int:
        """Steps of all videos together."""
        return len(self.values)

    def rows(self, video: int) -> slice:
        """The rows of the video at that position."""
        return slice(int(self.offsets[video]), int(self.offsets[video + 1]))

    def segment(self, video: int, first: int, stop: int) -> Segment:
        """The seconds covered by steps `first` to `stop - 1` of the video at that position."""
        base = int(self.offsets[video])
        return Segment(float(self.bounds_s[base + first, 0]), float(self.bounds_s[base + stop - 1, 1]))

    def sequence(self, video: int, backbone: str) -> FeatureSequence:
        """The steps of the video at that position as a feature sequence.

        Args:
            video: Position in the bank.
            backbone: Name of what made the features, which a bank does not keep.
        """
        rows = self.rows(video)
        times_s = np.append(self.bounds_s[rows, 0], self.bounds_s[rows.stop - 1, 1])
        return FeatureSequence(np.asarray(self.values[rows]), times_s, backbone, self.fingerprint)
