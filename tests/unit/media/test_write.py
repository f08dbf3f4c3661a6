from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from recue.core.errors import ConfigError, MediaError
from recue.media.write import VideoWriter
from support.videos import counter, read_number


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(25)])
def test_frames_come_back_at_their_exact_times(tmp_path: Path, rate: Fraction) -> None:
    draw = counter((128, 96))
    with VideoWriter(tmp_path / "a.mp4", width=128, height=96, rate=rate) as writer:
        for n in range(60):
            writer.write(draw(n, n / rate))
    assert writer.n_frames == 60
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        shown = [(f.pts * f.time_base, read_number(f.to_ndarray(format="rgb24"))) for f in container.decode(stream)]
        assert stream.duration * stream.time_base == 60 / rate
        assert stream.average_rate == rate
    assert shown == [(n / rate, n) for n in range(60)]


def test_same_pictures_same_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (10, 48, 64, 3), np.uint8)
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(tmp_path / name, width=64, height=48, rate=Fraction(25)) as writer:
            for picture in pictures:
                writer.write(picture)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="64x48"),
        VideoWriter(tmp_path / "a.mp4", width=64, height=48, rate=Fraction(25)) as writer,
    ):
        [writer.write(np.zeros((48, width, 3), np.uint8)) for width in (64, 60)]
    with (
        pytest.raises(MediaError, match="without a picture"),
        VideoWriter(tmp_path / "a.mp4", width=64, height=48, rate=Fraction(25)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    rate = Fraction(25)
    with pytest.raises(ConfigError, match="even sizes"):
        VideoWriter(tmp_path / "a.mp4", width=63, height=48, rate=rate)
    with pytest.raises(ConfigError, match="rate above 0"):
        VideoWriter(tmp_path / "a.mp4", width=64, height=48, rate=Fraction(0))
    with pytest.raises(ConfigError, match=r"\.mp4"):
        VideoWriter(tmp_path / "a.avi", width=64, height=48, rate=rate)
    with pytest.raises(MediaError, match="cannot be written"):
        VideoWriter(tmp_path / "absent" / "a.mp4", width=64, height=48, rate=rate)
