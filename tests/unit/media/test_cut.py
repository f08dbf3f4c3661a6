from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from recue.core.errors import ConfigError, MediaError, NotAVideoError
from recue.core.frames import Frame, FrameSampling
from recue.core.segment import Segment
from recue.media import CutMode, cut, film_strip, probe, sample
from support.variants import Variant
from support.videos import overwrite, read_number, write_tone, write_video

#: These have no key frame to copy from, or no timestamps.
NOT_COPIED = {"gif", "animated-png", "bare-stream", "avi-b-frames"}


def frames_of(path: Path, size: tuple[int, int]) -> list[Frame]:
    return list(sample(path, FrameSampling(None, size[1], size[0], fit="squash")))


@pytest.mark.parametrize("mode", ["exact", "copy"])
def test_the_cut_shows_what_it_says(variant: Variant, tmp_path: Path, mode: CutMode) -> None:
    start_s = probe(variant.path).start_s
    wanted = Segment(start_s + 1.3, start_s + 2.7)
    suffix = ".mp4" if mode == "exact" else variant.path.suffix.replace(".webm", ".mkv")
    if mode == "copy" and variant.name in NOT_COPIED:
        with pytest.raises(MediaError, match="exact cut"):
            cut(variant.path, wanted, tmp_path / "out.mkv", mode=mode)
        assert list(tmp_path.iterdir()) == []
        return
    taken = cut(variant.path, wanted, tmp_path / f"out{suffix}", mode=mode)
    if mode == "exact":
        assert (taken.start_s, taken.end_s) == pytest.approx((wanted.start_s, wanted.end_s))
    else:
        assert taken.start_s <= wanted.start_s
        assert taken.end_s >= wanted.end_s - 0.05
        key_interval_s = {"one-key-frame": 4, "mpeg1": 0.5, "mpeg2-stream": 0.5}.get(variant.name, 1.1)
        assert wanted.start_s - taken.start_s <= key_interval_s
    cut_frames = frames_of(tmp_path / f"out{suffix}", variant.size)
    first_s = cut_frames[0].shown_s
    slack = 0.0021 if variant.rounds else 1e-4
    origin = float(variant.written.times_s[0])
    shown_s = [float(time) - origin + start_s for time in variant.written.times_s]
    for frame in cut_frames:
        # Back on the input's clock: the last picture not after it.
        instant_s = frame.shown_s - first_s + taken.start_s
        assert read_number(frame.image) == sum(time <= instant_s + slack for time in shown_s) - 1
    numbers = [read_number(frame.image) for frame in cut_frames]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert cut_frames[-1].until_s - first_s == pytest.approx(taken.duration_s, abs=0.045 if mode == "copy" else 0.0011)
    if suffix in (".mp4", ".mkv", ".mov"):
        assert first_s == pytest.approx(0, abs=0.0011)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert min(packet.pts for packet in container.demux(video=0) if packet.pts is not None) >= 0
    info, original = probe(tmp_path / f"out{suffix}"), probe(variant.path)
    assert (info.width, info.height, info.rotation_deg) == (original.width, original.height, original.rotation_deg)
    assert info.has_audio == original.has_audio
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


@pytest.mark.parametrize("mode", ["exact", "copy"])
def test_sound_is_cut_where_the_pictures_are(tmp_path: Path, mode: CutMode) -> None:
    # The tone swells once, at 2 s: the swell must stay in step with the pictures.
    path = tmp_path / "a.mp4"
    write_video(path, seconds=4, size=(64, 48), audio=True, loud=(2.0, 2.2))
    taken = cut(path, Segment(1.3, 3.1), tmp_path / "b.mp4", mode=mode)
    with av.open(str(tmp_path / "b.mp4")) as container:
        sound = container.streams.audio[0]
        blocks = [(frame.pts * frame.time_base, frame.to_ndarray()[0]) for frame in container.decode(sound)]
    loud = [float(time) + taken.start_s for time, block in blocks if np.abs(block).max() > 0.6]
    assert loud[0] == pytest.approx(2.0, abs=0.04)
    assert loud[-1] == pytest.approx(2.2, abs=0.04)
    assert float(blocks[-1][0]) == pytest.approx(taken.duration_s, abs=0.06)


def test_the_exact_cut_is_close_to_the_original(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=2, size=(128, 96), b_frames=2).path
    cut(path, Segment(0.5, 1.5), tmp_path / "b.mp4")
    before = list(sample(path, FrameSampling(Fraction(25), 96, 128), segment=Segment(0.52, 1.5)))
    after = list(sample(tmp_path / "b.mp4", FrameSampling(None, 96, 128)))[1:]
    assert len(before) == len(after) == 25
    for one, two in zip(before, after, strict=True):
        assert np.abs(one.image.astype(int) - two.image).mean() < 2.5


def test_an_odd_size_with_shared_colour_loses_a_line(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", codec="libvpx-vp9", seconds=1, size=(101, 77)).path
    cut(path, Segment(0.2, 0.8), tmp_path / "b.mp4")
    info = probe(tmp_path / "b.mp4")
    assert (info.width, info.height, info.duration_s) == (100, 76, pytest.approx(0.6, abs=0.002))


def test_a_cut_beyond_the_end_is_clipped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=2).path
    assert cut(path, Segment(1.5, 9), tmp_path / "b.mp4") == Segment(1.5, 2.0)
    assert probe(tmp_path / "b.mp4").duration_s == 0.5


def test_a_whole_video_can_be_cut(tmp_path: Path) -> None:
    written = write_video(tmp_path / "a.mp4", seconds=2, b_frames=2)
    for mode in ("exact", "copy"):
        assert cut(written.path, Segment(0, 2), tmp_path / "b.mp4", mode=mode) == Segment(0, 2)
        assert [read_number(frame.image) for frame in frames_of(tmp_path / "b.mp4", (128, 96))] == list(range(50))


def test_what_cannot_be_cut_says_why(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=2).path
    before = path.read_bytes()
    for mode in ("exact", "copy"):
        with pytest.raises(ConfigError, match="the input itself"):
            cut(path, Segment(0, 1), tmp_path / "." / "a.mp4", mode=mode)
        with pytest.raises(ConfigError, match="outside"):
            cut(path, Segment(5, 6), tmp_path / "b.mp4", mode=mode)
        with pytest.raises(ConfigError, match="empty"):
            cut(path, Segment(1, 1), tmp_path / "b.mp4", mode=mode)
        with pytest.raises(MediaError, match="no folder"):
            cut(path, Segment(0, 1), tmp_path / "none" / "b.mp4", mode=mode)
        with pytest.raises(NotAVideoError):
            cut(write_tone(tmp_path / "t.m4a"), Segment(0, 1), tmp_path / "b.mp4", mode=mode)
        with pytest.raises(MediaError, match="check the path"):
            cut(tmp_path / "none.mp4", Segment(0, 1), tmp_path / "b.mp4", mode=mode)
    with pytest.raises(ConfigError, match=r"\.webm"):
        cut(path, Segment(0, 1), tmp_path / "b.webm")
    with pytest.raises(MediaError, match=r"b\.webm.*exact cut"):
        cut(path, Segment(0, 1), tmp_path / "b.webm", mode="copy")
    with pytest.raises(ConfigError, match="'exact' or 'copy'"):
        cut(path, Segment(0, 1), tmp_path / "b.mp4", mode="fast")  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.mp4", "t.m4a"}


def test_a_damaged_video_is_cut_all_the_same(tmp_path: Path) -> None:
    path = overwrite(write_video(tmp_path / "a.mp4", seconds=4, audio=True).path, at=0.4)
    for mode in ("exact", "copy"):
        cut(path, Segment(1, 3.5), tmp_path / "b.mp4", mode=mode)
        strip = film_strip(tmp_path / "b.mp4", Segment(2, 2.4), n=1, height=96)
        assert read_number(strip) in range(74, 84)
