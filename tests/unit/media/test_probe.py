from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from recue.core.errors import MediaError, NotAVideoError
from recue.core.frames import FrameSampling
from recue.media import VideoInfo, probe, sample
from support.variants import Variant
from support.videos import counter, write_image, write_tone, write_video


def test_the_facts_of_every_variant(variant: Variant) -> None:
    info = probe(variant.path)
    origin, wide = variant.written.times_s[0], variant.options.get("pixel_aspect", 1)
    length = float(variant.written.end_s - origin)
    assert info.path == variant.path
    assert info.duration_s == pytest.approx(length, abs=0.04 if variant.name == "variable-rate" else 0.0011)
    assert info.end_s == pytest.approx(info.start_s + info.duration_s)
    if variant.path.suffix in (".mp4", ".mov", ".mkv"):
        assert info.start_s == float(origin)
    assert (info.width, info.height) == (variant.size[0] * wide, variant.size[1])
    if not variant.options.get("variable_rate"):
        assert info.rate == variant.options.get("rate", 25)
    assert info.rotation_deg == variant.options.get("rotation", 0)
    assert info.codec == {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9"}.get(
        variant.options.get("codec", "libx264"), variant.options.get("codec")
    )
    assert info.has_audio == variant.options.get("audio", False)
    assert info.n_frames in (None, len(variant.written.times_s))


def test_what_only_an_index_tells(variants: dict[str, Variant]) -> None:
    assert [probe(variants[name].path).variable_rate for name in ("plain", "ntsc", "variable-rate", "webm")] == [
        False,
        False,
        True,
        None,
    ]
    assert probe(variants["plain"].path).key_interval_s == 1.0
    assert probe(variants["one-key-frame"].path).key_interval_s == pytest.approx(4, abs=0.05)
    assert probe(variants["avi-mjpeg"].path).key_interval_s == pytest.approx(0.04)
    assert probe(variants["transport-stream"].path).key_interval_s is None
    assert probe(variants["plain"].path).pixel_format == "yuv420p"
    assert probe(variants["ten-bit"].path).pixel_format == "yuv420p10le"


def test_a_video_without_any_length_in_its_headers_is_read_through(variants: dict[str, Variant]) -> None:
    info = probe(variants["bare-stream"].path)
    assert (info.start_s, info.duration_s, info.rate) == (0.0, 4.0, Fraction(25))


def _text(folder: Path) -> Path:
    (folder / "notes.txt").write_text("a day at the beach\n" * 40)
    return folder / "notes.txt"


def _renamed_text(folder: Path) -> Path:
    (folder / "notes.mp4").write_text("a day at the beach\n" * 40)
    return folder / "notes.mp4"


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _noise(folder: Path) -> Path:
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).integers(0, 256, 9000, np.uint8).tobytes())
    return folder / "noise.mp4"


def _cut_before_index(folder: Path) -> Path:
    whole = write_video(folder / "whole.mp4", seconds=1).path.read_bytes()
    (folder / "half.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    return folder / "half.mp4"


def _sound(folder: Path) -> Path:
    return write_tone(folder / "tone.m4a")


def _sound_with_cover(folder: Path) -> Path:
    cover = write_image(folder / "cover.jpg", counter((64, 64))(1, Fraction(0)), codec="mjpeg", pixel_format="yuvj420p")
    write_tone(folder / "tone.mp3")
    with av.open(str(folder / "tone.mp3")) as tone, av.open(str(folder / "album.mp3"), "w") as output:
        sound = output.add_stream_from_template(tone.streams.audio[0])
        with av.open(str(cover)) as picture:
            art = output.add_stream_from_template(picture.streams.video[0])
            art.disposition = av.stream.Disposition.attached_pic
            [packet] = [packet for packet in picture.demux() if packet.size]
            packet.stream = art
            output.mux(packet)
        for packet in tone.demux():
            if packet.size:
                packet.stream = sound
                output.mux(packet)
    return folder / "album.mp3"


def _still(folder: Path) -> Path:
    return write_image(folder / "still.png", counter((64, 64))(1, Fraction(0)))


def _playlist(folder: Path) -> Path:
    write_video(folder / "a.mp4", seconds=0.2)
    (folder / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    return folder / "list.ffconcat"


def _remote_playlist(folder: Path) -> Path:
    (folder / "a.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://localhost:9/x.ts\n#EXT-X-ENDLIST\n"
    )
    return folder / "a.m3u8"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_text, "text file"),
        (_renamed_text, "text file"),
        (_empty, "empty"),
        (_noise, "not a video"),
        (_cut_before_index, "index"),
        (_sound, "sound"),
        (_sound_with_cover, "sound"),
        (_still, "--image"),
        (_playlist, "playlist"),
        (_remote_playlist, "not a video"),
    ],
)
def test_what_is_no_video_says_so(tmp_path: Path, make: object, says: str) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    for attempt in (lambda: probe(path), lambda: list(sample(path, FrameSampling(Fraction(1), 32, 32)))):
        with pytest.raises(NotAVideoError, match=says) as caught:
            attempt()
        assert str(path) in str(caught.value)


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"none\.mp4.*check the path"):
        probe(tmp_path / "none.mp4")
    with pytest.raises(MediaError, match="folder"):
        probe(tmp_path)


def test_a_name_is_only_a_name(tmp_path: Path) -> None:
    for name in ("a:b.mp4", "concat:a.mp4", "100%.mp4", "a%03d.mp4", "#1 ä é.mp4", "-x.mp4"):
        write_video(tmp_path / "x.mp4", seconds=0.2).path.rename(tmp_path / name)
        assert isinstance(probe(tmp_path / name), VideoInfo)


def test_nothing_decodable_is_an_error(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mkv", seconds=1).path.read_bytes()
    first = data.index(b"\x1f\x43\xb6\x75")  # the first cluster
    (tmp_path / "b.mkv").write_bytes(data[:first] + bytes(range(256)) * 20)
    with pytest.raises(MediaError, match=r"b\.mkv"):
        probe(tmp_path / "b.mkv")
