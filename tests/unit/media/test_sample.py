import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from recue.core.errors import ConfigError, MediaError
from recue.core.frames import Fit, Frame, FrameSampling, Skip
from recue.core.segment import Segment
from recue.media import probe, sample
from support.variants import VARIANTS, Variant
from support.videos import Written, counter, read_number, repeat_video, stamp, write_video


def whole(variant: Variant, rate: Fraction | None, *, skip: Skip = "none") -> FrameSampling:
    width, height = variant.size
    return FrameSampling(rate, height, width, fit="squash", skip=skip)


def numbers(frames: list[Frame]) -> list[int]:
    return [read_number(frame.image) for frame in frames]


def test_every_variant_is_tried() -> None:
    assert len(VARIANTS) == 30


def test_every_picture_comes_once_at_its_time(variant: Variant) -> None:
    info = probe(variant.path)
    frames = list(sample(variant.path, whole(variant, None)))
    assert numbers(frames) == list(range(len(variant.written.times_s)))
    origin = variant.written.times_s[0]
    expected = [float(time - origin) + info.start_s for time in variant.written.times_s]
    tolerance = 0.0011 if variant.rounds else 1e-9
    assert [frame.shown_s for frame in frames] == pytest.approx(expected, abs=tolerance)
    assert all(frame.due_s == frame.shown_s for frame in frames)
    assert all(earlier.until_s == later.due_s for earlier, later in pairwise(frames))
    # MP4 keeps lengths in decoding order: with B-frames at uneven distances the end is true to a frame only.
    tolerance = 0.04 if variant.name == "variable-rate" else tolerance
    assert frames[-1].until_s == pytest.approx(float(variant.written.end_s - origin) + info.start_s, abs=tolerance)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(7), Fraction(1, 3)])
def test_each_instant_of_the_grid_gets_the_picture_on_screen(variant: Variant, rate: Fraction) -> None:
    start_s = probe(variant.path).start_s
    frames = list(sample(variant.path, whole(variant, rate)))
    length = variant.written.end_s - variant.written.times_s[0]
    assert len(frames) == -(-(length - (variant.name == "variable-rate") * Fraction(1, 50)) // (1 / rate))
    assert [frame.due_s for frame in frames] == pytest.approx([start_s + k / float(rate) for k in range(len(frames))])
    for frame in frames:
        assert read_number(frame.image) in variant.numbers_at(frame.due_s, start_s=start_s)
    assert all(earlier.until_s == later.due_s for earlier, later in pairwise(frames))
    assert frames[-1].until_s == pytest.approx(
        start_s + float(length), abs=0.04 if variant.name == "variable-rate" else 0.0011
    )
    assert all(frame.shown_s <= frame.due_s + 0.0010001 * variant.rounds for frame in frames)


def test_a_segment_gives_the_frames_that_the_whole_gives(variant: Variant) -> None:
    info = probe(variant.path)
    everything = list(sample(variant.path, whole(variant, Fraction(10))))
    for begin, end in ((1.3, 2.7), (2.0, 2.5), (3.5, 3.52), (0.0, 0.1), (3.0, 99.0)):
        wanted = Segment(info.start_s + begin, info.start_s + end)
        inside = [frame for frame in everything if wanted.start_s - 1e-9 <= frame.due_s < wanted.end_s - 1e-9]
        expected = inside or [frame for frame in everything if frame.due_s <= wanted.start_s + 1e-9][-1:]
        frames = list(sample(variant.path, whole(variant, Fraction(10)), segment=wanted))
        assert [(f.due_s, f.shown_s) for f in frames] == [(f.due_s, f.shown_s) for f in expected]
        assert numbers(frames) == numbers(expected)
        tolerance = 0.04 if variant.name == "variable-rate" else 1e-6
        assert frames[-1].until_s == pytest.approx(min(wanted.end_s, everything[-1].until_s), abs=tolerance)


def test_reading_in_leaps_makes_no_false_complaint(variant: Variant) -> None:
    start_s = probe(variant.path).start_s
    made_up = ["the file has no timestamps; times are made from its frame rate of 25 a second"]
    for rate, skip, segment in (
        (Fraction(1, 3), "none", None),
        (Fraction(4, 5), "nonref", None),
        (Fraction(1), "nonkey", None),
        (None, "none", Segment(start_s + 1.9, start_s + 2.1)),
        (Fraction(5), "none", Segment(start_s + 2.5, start_s + 4)),
    ):
        warnings: list[str] = []
        assert list(sample(variant.path, whole(variant, rate, skip=skip), segment=segment, warnings=warnings))  # type: ignore[arg-type]
        assert warnings == (made_up if variant.name == "bare-stream" else [])


def test_at_the_rate_of_the_video_each_picture_comes_once(variants: dict[str, Variant]) -> None:
    # Rounded to milliseconds, a third of the pictures are stamped a little after their instant of the grid.
    for name in ("ntsc", "matroska"):
        frames = list(sample(variants[name].path, whole(variants[name], Fraction(30000, 1001))))
        assert numbers(frames) == list(range(120))


@pytest.mark.parametrize("skip", ["nonref", "nonkey"])
def test_left_out_pictures_are_replaced_by_earlier_ones(variant: Variant, skip: Skip) -> None:
    start_s = probe(variant.path).start_s
    frames = list(sample(variant.path, whole(variant, Fraction(10), skip=skip)))
    assert 40 <= len(frames) <= 41
    for frame in frames:
        assert read_number(frame.image) in variant.numbers_at(frame.shown_s, start_s=start_s)
        assert frame.shown_s <= max(frame.due_s + 0.0010001 * variant.rounds, frames[0].shown_s)


def test_leaving_out_really_leaves_out(variants: dict[str, Variant]) -> None:
    video = variants["b-frames"]
    shown = {
        skip: len(list(sample(video.path, whole(video, None, skip=skip)))) for skip in ("none", "nonref", "nonkey")
    }
    assert shown["none"] == 100
    assert 25 < shown["nonref"] < 100
    assert shown["nonkey"] == 4


def test_a_held_picture_is_shared_not_copied(variants: dict[str, Variant]) -> None:
    video = variants["plain"]
    frames = list(sample(video.path, whole(video, Fraction(10), skip="nonkey")))
    assert len({id(frame.image) for frame in frames}) == 4


def test_fast_decode_shows_the_same_pictures(variants: dict[str, Variant]) -> None:
    video = variants["b-frames"]
    sampling = FrameSampling(Fraction(5), 72, 96, fast_decode=True)
    exact = list(sample(video.path, FrameSampling(Fraction(5), 72, 96)))
    fast = list(sample(video.path, sampling))
    assert numbers(fast) == numbers(exact)
    differences = [np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(exact, fast, strict=True)]
    assert 0 < max(differences) < 6


def test_threads_change_nothing(variants: dict[str, Variant]) -> None:
    for name in ("b-frames", "open-gop", "webm"):
        video = variants[name]
        for skip, rate in (("none", Fraction(9)), ("nonkey", Fraction(2)), ("none", Fraction(1, 2))):
            one = list(sample(video.path, whole(video, rate, skip=skip)))
            two = list(sample(video.path, whole(video, rate, skip=skip), threads=2))
            assert [(f.due_s, f.shown_s, f.until_s) for f in one] == [(f.due_s, f.shown_s, f.until_s) for f in two]
            assert numbers(one) == numbers(two)


@pytest.mark.parametrize(
    ("fit", "height", "width"),
    [("crop", 48, 48), ("crop", 40, 96), ("pad", 60, 60), ("pad", 30, 99), ("squash", 50, 33)],
)
def test_fits(variants: dict[str, Variant], fit: Fit, height: int, width: int) -> None:
    video = variants["plain"]
    frame = list(sample(video.path, FrameSampling(Fraction(1), height, width, fit=fit)))[2]
    assert frame.image.shape == (height, width, 3)
    assert frame.image.dtype == np.uint8
    assert frame.image.flags["C_CONTIGUOUS"]
    if fit == "squash":
        assert read_number(frame.image, of=video.size) == 50
    if fit == "crop" and height == width:
        assert read_number(frame.image) == 50
    if fit == "pad":
        # 4:3 into 60x60 leaves 7 or 8 black rows above and below; into 30x99, 29 or 30 black columns.
        rows, columns = (frame.image.max(axis=(1, 2)) > 8), (frame.image.max(axis=(0, 2)) > 8)
        assert rows.sum() == (45 if height == 60 else 30)
        assert columns.sum() == (60 if height == 60 else 40)
        assert read_number(frame.image[rows][:, columns]) == 50


def test_turned_pictures_are_upright_and_keep_their_shape(tmp_path: Path) -> None:
    left_right = np.zeros((96, 128, 3), np.uint8)
    left_right[:, 64:] = 255
    left_right[:48, :, 0] = 200
    for rotation in (0, 90, 180, 270):
        for mirrored in (False, True):
            path = tmp_path / f"{rotation}{mirrored}.mp4"
            write_video(
                path,
                seconds=0.2,
                pattern=lambda _n, _t: left_right,
                rotation=rotation,
                mirrored=mirrored,
                size=(128, 96),
            )
            image = next(iter(sample(path, FrameSampling(None, 48, 64, fit="pad")))).image
            reference = left_right[::2, ::2]
            assert np.abs(image.astype(int) - reference).mean() < 4, (rotation, mirrored)
            info = probe(path)
            assert (info.width, info.height, info.rotation_deg) == (128, 96, rotation)


def test_wide_pixels_are_shown_wide(variants: dict[str, Variant]) -> None:
    # 96x72 stored with pixels twice as wide is shown 192x72: cropped to a square, 36 stored columns remain.
    video = variants["wide-pixels"]
    assert (probe(video.path).width, probe(video.path).height) == (192, 72)
    cropped = list(sample(video.path, FrameSampling(Fraction(1), 72, 72)))[1].image
    squashed = list(sample(video.path, FrameSampling(Fraction(1), 72, 192, fit="squash")))[1].image
    assert np.abs(cropped.astype(int) - squashed[:, 60:132]).mean() < 2


@pytest.mark.parametrize(("space", "wide"), [(5, False), (1, False), (5, True), (1, True)])
def test_colours_survive_matrix_and_range(tmp_path: Path, space: int, wide: bool) -> None:
    import av

    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [200, 90, 30]], np.uint8)
    image = np.repeat(np.repeat(colours[np.newaxis], 32, axis=0), 16, axis=1)
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "4", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = 32, 96, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = space, 2 if wide else 1
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv444p", dst_colorspace=space, dst_color_range=2 if wide else 1
        )
        frame.pts = 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    seen = next(iter(sample(tmp_path / "a.mp4", FrameSampling(None, 32, 96)))).image
    assert np.abs(seen[8:24, 8::16].astype(int).mean(axis=0) - colours).max() <= 5


def test_memory_is_flat_over_hours(tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", seconds=50, rate=5, size=(32, 32), keyint=50)
    assert repeat_video(tmp_path / "short.mp4", tmp_path / "long.mp4", times=72) == 18_000
    assert probe(tmp_path / "long.mp4").duration_s == 3600
    seen, sizes = 0, []
    for frame in sample(tmp_path / "long.mp4", FrameSampling(Fraction(1, 2), 32, 32)):
        seen += read_number(frame.image) == round(frame.due_s * 5) % 250
        if round(frame.due_s) % 100 == 0:
            sizes.append(_resident_mb())
    assert seen == 1800
    assert max(sizes) - sizes[2] < 8


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_far_instant_is_reached_by_jumping(tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", seconds=50, rate=5, size=(64, 48), keyint=50)
    for suffix in (".mp4", ".mkv"):
        long = tmp_path / f"long{suffix}"
        repeat_video(tmp_path / "short.mp4", long, times=72)
        frames = list(sample(long, FrameSampling(Fraction(1, 201), 48, 64)))
        assert numbers(frames) == [round(frame.due_s * 5) % 250 for frame in frames]
        assert len(frames) == 18
        [frame] = sample(long, FrameSampling(Fraction(1), 48, 64), segment=Segment(3321, 3322))
        assert read_number(frame.image) == 3321 * 5 % 250


def test_a_stream_that_starts_between_key_frames(tmp_path: Path, variants: dict[str, Variant]) -> None:
    # A recording switched on mid-way: what cannot be decoded is skipped, the times stay true.
    video = variants["transport-stream"]
    data = video.path.read_bytes()
    cut = 188 * (len(data) // 188 // 3)
    (tmp_path / "late.ts").write_bytes(data[cut:])
    frames = list(sample(tmp_path / "late.ts", whole(video, None)))
    assert 40 < len(frames) < 80
    assert numbers(frames) == [round((frame.shown_s - 10) * 25) for frame in frames]


def test_a_segment_outside_is_refused(variants: dict[str, Variant]) -> None:
    for name, segment in (("plain", Segment(4, 5)), ("late-start", Segment(0, 4.9)), ("bare-stream", Segment(60, 61))):
        video = variants[name]
        with pytest.raises(ConfigError, match="outside"):
            list(sample(video.path, whole(video, Fraction(5)), segment=segment))


def test_a_picture_less_file_is_an_error(tmp_path: Path) -> None:
    written: Written = write_video(tmp_path / "a.mkv", seconds=1)
    data = written.path.read_bytes()
    first = data.index(b"\x1f\x43\xb6\x75")  # the first cluster: keep the headers and noise behind them
    (tmp_path / "b.mkv").write_bytes(data[:first] + bytes(range(256)) * 20)
    with pytest.raises(MediaError, match=r"b\.mkv"):
        list(sample(tmp_path / "b.mkv", FrameSampling(Fraction(5), 72, 96)))


def test_stopping_early_closes_the_file(variants: dict[str, Variant]) -> None:
    video = variants["plain"]
    before = len(os.listdir("/proc/self/fd"))
    frames = sample(video.path, whole(video, Fraction(5)))
    next(frames)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    frames.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_bar_code_itself() -> None:
    image = counter((101, 77))(40_000, Fraction(0))
    assert read_number(image) == 40_000
    assert read_number(stamp(image, 7)) == 7
    with pytest.raises(ValueError, match="neither"):
        read_number(np.full((40, 40, 3), 120, np.uint8))
