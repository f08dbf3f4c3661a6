from fractions import Fraction
from pathlib import Path

import pytest

from recue.core.frames import FrameSampling
from recue.media import find_videos, probe, sample

pytestmark = pytest.mark.shared


def test_real_clips_are_read_without_a_complaint(shared_data: Path) -> None:
    clips = [*find_videos([shared_data / "clips"]), *find_videos([shared_data / "jhmdb"])[::30]]
    assert len(clips) >= 10
    for clip in clips:
        info = probe(clip)
        warnings: list[str] = []
        frames = list(sample(clip, FrameSampling(Fraction(2), 64, 64, skip="nonref"), warnings=warnings))
        assert warnings == []
        assert len(frames) == -(-info.duration_s // 0.5)
        assert frames[-1].until_s == pytest.approx(info.end_s)
