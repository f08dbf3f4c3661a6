from fractions import Fraction
from pathlib import Path

import pytest

from recue.core.errors import MediaError
from recue.core.frames import Frame, FrameSampling
from recue.core.segment import Segment
from recue.media import cut, sample
from support.variants import VARIANTS, Variant
from support.videos import overwrite, read_number, write_video

WHOLE = FrameSampling(Fraction(10), 72, 96)


def read(path: Path, sampling: FrameSampling = WHOLE, segment: Segment | None = None) -> tuple[list[Frame], list[str]]:
    warnings: list[str] = []
    return list(sample(path, sampling, segment=segment, warnings=warnings)), warnings


@pytest.mark.parametrize("file", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_spot_in_the_middle_is_survived_and_said(tmp_path: Path, file: str, b_frames: int) -> None:
    path = write_video(tmp_path / file, seconds=6, b_frames=b_frames, size=(96, 72)).path
    assert read(path)[1] == []
    start_s = read(path)[0][0].due_s
    overwrite(path, at=0.5, n_bytes=600)
    frames, warnings = read(path)
    assert len(frames) == 60
    assert [frame.due_s for frame in frames] == pytest.approx([start_s + k / 10 for k in range(60)])
    sound = [frame for frame in frames if not 2 < frame.due_s - start_s < 5]
    assert [read_number(frame.image) for frame in sound] == [
        int((frame.due_s - start_s) * 25 + 1e-6) for frame in sound
    ]
    assert 1 <= len(warnings) <= 2
    assert "damaged spot" in warnings[0] or (file != "a.mp4" and "no pictures between" in warnings[0])
    assert "0:00:" in warnings[0]


def test_many_spots_make_one_sentence(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=6, size=(96, 72)).path
    for share in (0.3, 0.5, 0.7):
        overwrite(path, at=share, n_bytes=300)
    frames, warnings = read(path)
    assert len(frames) == 60
    assert len(warnings) == 1
    assert int(warnings[0].split()[0]) >= 3


def test_damage_outside_the_segment_is_not_met(tmp_path: Path) -> None:
    path = overwrite(write_video(tmp_path / "a.mp4", seconds=6, size=(96, 72)).path, at=0.3)
    frames, warnings = read(path, segment=Segment(4, 5))
    assert [read_number(frame.image) for frame in frames] == [100, 102, 105, 107, 110, 112, 115, 117, 120, 122]
    assert warnings == []


@pytest.mark.parametrize("name", ["fast-start", "matroska", "avi", "flash", "windows-media"])
def test_a_file_cut_short_gives_what_it_holds(tmp_path: Path, variants: dict[str, Variant], name: str) -> None:
    if name == "fast-start":
        path = write_video(
            tmp_path / "a.mp4", seconds=4, size=(96, 72), container_options={"movflags": "faststart"}
        ).path
        start_s = 0.0
    else:
        path = tmp_path / variants[name].path.name
        path.write_bytes(variants[name].path.read_bytes())
        start_s = read(path)[0][0].due_s
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    frames, warnings = read(path)
    assert 12 < len(frames) < 32
    assert [frame.due_s for frame in frames] == pytest.approx([start_s + k / 10 for k in range(len(frames))])
    if name == "windows-media":  # this one forgets its length when it is cut
        assert all("cut short" not in sentence for sentence in warnings)
    else:
        rate = float(VARIANTS.get(name, ("", {}))[1].get("rate", 25))
        read_back = [read_number(frame.image) for frame in frames[:-3]]
        expected = [int((frame.shown_s - start_s) * rate + 0.1) for frame in frames[:-3]]
        assert read_back == expected
        [said] = [sentence for sentence in warnings if "cut short" in sentence]
        assert "the file says 0:00:0" + str(round(start_s + 4)) in said


def test_a_stretch_that_was_cut_off_is_an_error(tmp_path: Path, variants: dict[str, Variant]) -> None:
    data = variants["matroska"].path.read_bytes()
    path = tmp_path / "a.mkv"
    path.write_bytes(data[: len(data) // 2])
    for attempt in (
        lambda: read(path, segment=Segment(6.5, 6.9)),
        lambda: cut(path, Segment(6.5, 6.9), tmp_path / "b.mp4"),
    ):
        with pytest.raises(MediaError, match=r"a\.mkv.*cut short"):
            attempt()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mkv"]


def test_a_gap_in_a_steady_stream_is_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", seconds=12, size=(96, 72), start_s=1).path
    packets = path.read_bytes()
    packets = [packets[i : i + 188] for i in range(0, len(packets), 188)]
    hole = range(len(packets) // 2, len(packets) * 3 // 5)
    (tmp_path / "b.ts").write_bytes(b"".join(packet for n, packet in enumerate(packets) if n not in hole))
    frames, warnings = read(tmp_path / "b.ts")
    assert len(frames) == 120
    assert any(sentence.startswith("no pictures between 0:00:06.9") for sentence in warnings)


def test_uneven_pictures_are_no_gap(variants: dict[str, Variant]) -> None:
    assert read(variants["matroska-variable"].path)[1] == []


def test_a_clock_that_jumps_back_is_counted_through(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.ts", seconds=3, size=(96, 72), start_s=20).path.read_bytes()
    (tmp_path / "b.ts").write_bytes(data + data)
    frames, warnings = read(tmp_path / "b.ts", FrameSampling(None, 72, 96))
    assert [read_number(frame.image) for frame in frames] == [*range(75), *range(75)]
    assert [frame.shown_s for frame in frames] == pytest.approx([20 + k / 25 for k in range(150)])
    assert warnings == ["the clock jumps once; times from there on are counted through"]


@pytest.mark.parametrize("to_s", [2, 40_000])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_one_wild_timestamp_moves_nothing_else(tmp_path: Path, to_s: int, b_frames: int) -> None:
    path = write_video(tmp_path / "a.ts", seconds=3, size=(96, 72), start_s=10, b_frames=b_frames).path
    path.write_bytes(_with_stamp(path.read_bytes(), picture=40, stamp=to_s * 90_000))
    frames, warnings = read(path)
    assert len(frames) == 30
    for frame in frames:
        # With B-frames the picture has a decoding time too; what is shown around it may be off by the reordering.
        assert abs(read_number(frame.image) - int((frame.due_s - 10) * 25 + 1e-6)) <= (3 if b_frames else 0)
    assert 1 <= len(warnings) <= 2
    assert warnings[0].startswith("1 damaged spot")


def _with_stamp(stream: bytes, *, picture: int, stamp: int) -> bytes:
    """A transport stream with another presentation time on one picture: 33 bits, spread over five bytes."""
    data = bytearray(stream)
    heads = [place for place in range(len(data) - 4) if data[place : place + 4] == b"\0\0\1\xe0"]
    first = heads[picture] + 9
    data[first : first + 5] = (
        data[first] & 0xF0 | 1 | (stamp >> 30 & 7) << 1,
        stamp >> 22 & 0xFF,
        1 | (stamp >> 15 & 0x7F) << 1,
        stamp >> 7 & 0xFF,
        1 | (stamp & 0x7F) << 1,
    )
    return bytes(data)


def test_made_up_times_are_said(variants: dict[str, Variant]) -> None:
    frames, warnings = read(variants["bare-stream"].path)
    assert len(frames) == 40
    assert warnings == ["the file has no timestamps; times are made from its frame rate of 25 a second"]


def test_damage_from_the_first_picture_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=4, size=(96, 72)).path
    data = path.read_bytes()
    overwrite(path, at=data.index(b"mdat") / len(data) + 0.001, n_bytes=2500)
    frames, warnings = read(path)
    assert len(frames) == 40
    assert frames[0].due_s == 0
    assert warnings
    sound = [frame for frame in frames if frame.due_s >= 2]
    assert [read_number(frame.image) for frame in sound] == [int(frame.due_s * 25 + 1e-6) for frame in sound]


def test_all_noise_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=1, size=(96, 72)).path
    data = path.read_bytes()
    first, last = data.index(b"mdat") + 4, data.index(b"moov") - 4
    overwrite(path, at=(first + 0.5) / len(data), n_bytes=last - first)
    with pytest.raises(MediaError, match=r"a\.mp4"):
        read(path)
