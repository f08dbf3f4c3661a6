from pathlib import Path

import numpy as np
import pytest

from recue.core.errors import ConfigError, MediaError
from recue.core.segment import Segment
from recue.media import film_strip, probe, thumbnail
from support.variants import Variant
from support.videos import read_number


def test_a_thumbnail_is_the_picture_on_screen(variant: Variant) -> None:
    info = probe(variant.path)
    for offset_s in (0.0, 1.234, 2.56, 3.9):
        image = thumbnail(variant.path, info.start_s + offset_s, height=48)
        assert image.shape == (48, round(48 * info.width / info.height), 3)
        if variant.name != "wide-pixels":
            assert read_number(image) in variant.numbers_at(info.start_s + offset_s, start_s=info.start_s)


def test_the_end_of_the_video_shows_its_last_picture(variant: Variant) -> None:
    info = probe(variant.path)
    image = thumbnail(variant.path, info.end_s, height=48)
    if variant.name != "wide-pixels":
        assert read_number(image) == len(variant.written.times_s) - 1


def test_a_strip_shows_the_middles_of_equal_parts(variants: dict[str, Variant]) -> None:
    video = variants["plain"]
    strip = film_strip(video.path, Segment(1, 3), n=4, height=36)
    assert strip.shape == (36, 4 * 48, 3)
    assert strip.dtype == np.uint8
    # Middles at 1.25, 1.75, 2.25 and 2.75 s.
    assert [read_number(part) for part in np.split(strip, 4, axis=1)] == [31, 43, 56, 68]


def test_a_strip_is_cut_to_the_video(variants: dict[str, Variant]) -> None:
    video = variants["late-start"]  # 5 to 9 s, pictures that nothing leans on may be replaced by the one before
    parts = np.split(film_strip(video.path, Segment(0, 60), n=4, height=72), 4, axis=1)
    for part, expected in zip(parts, (12, 37, 62, 87), strict=True):
        assert 0 <= expected - read_number(part) <= 2


def test_a_strip_of_an_instant_repeats_it(variants: dict[str, Variant]) -> None:
    parts = np.split(film_strip(variants["plain"].path, Segment(2, 2), n=3, height=72), 3, axis=1)
    assert [read_number(part) for part in parts] == [50, 50, 50]


def test_turned_videos_give_upright_strips(variants: dict[str, Variant]) -> None:
    for name in ("turned", "upside-down", "turned-mirrored"):
        strip = film_strip(variants[name].path, Segment(0, 4), n=2, height=72)
        assert [read_number(part) for part in np.split(strip, 2, axis=1)] == [25, 75]


def test_what_cannot_be_shown_says_why(variants: dict[str, Variant], tmp_path: Path) -> None:
    path = variants["plain"].path
    with pytest.raises(ConfigError, match="outside"):
        thumbnail(path, 4.2, height=48)
    with pytest.raises(ConfigError, match="outside"):
        thumbnail(variants["late-start"].path, 1.0, height=48)
    with pytest.raises(ConfigError, match="outside"):
        film_strip(path, Segment(7, 8), n=2, height=48)
    with pytest.raises(ConfigError, match="n=0"):
        film_strip(path, Segment(0, 1), n=0, height=48)
    with pytest.raises(ConfigError, match="height=0"):
        thumbnail(path, 0, height=0)
    with pytest.raises(MediaError, match="check the path"):
        thumbnail(tmp_path / "none.mp4", 0, height=10)
