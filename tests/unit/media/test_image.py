import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from recue.core.errors import ConfigError, MediaError, ShapeError
from recue.media import encode_jpeg, is_image, read_image
from support.videos import Image, counter, read_number, write_image, write_tone, write_video

PICTURE: Image = counter((96, 72))(1234, Fraction(0))
KINDS = {"png": "rgb24", "mjpeg": "yuvj444p", "libwebp": "yuv420p", "bmp": "bgr24", "tiff": "rgb24"}


def _oriented(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF block that says how it is turned."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("codec", list(KINDS))
def test_images_of_every_kind(tmp_path: Path, codec: str) -> None:
    path = write_image(tmp_path / "image", PICTURE, codec=codec, pixel_format=KINDS[codec])
    assert is_image(path)
    image = read_image(path, height=72, width=96, fit="squash")
    assert image.shape == (72, 96, 3)
    assert np.abs(image.astype(int) - PICTURE).mean() < 5
    assert read_number(read_image(path, height=50, width=50)) == 1234
    assert read_image(path, height=36, width=None).shape == (36, 48, 3)


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, lambda image: image),
        (2, lambda image: image[:, ::-1]),
        (3, lambda image: image[::-1, ::-1]),
        (4, lambda image: image[::-1]),
        (5, lambda image: image.transpose(1, 0, 2)),
        (6, lambda image: np.rot90(image, 1)),
        (7, lambda image: image[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda image: np.rot90(image, -1)),
    ],
)
def test_exif_orientations_are_undone(tmp_path: Path, orientation: int, undo: object) -> None:
    # `undo` makes what the camera stored out of the upright picture.
    stored = np.ascontiguousarray(undo(PICTURE))  # type: ignore[operator]
    (tmp_path / "a.jpg").write_bytes(_oriented(encode_jpeg(stored, 100), orientation))
    image = read_image(tmp_path / "a.jpg", height=72, width=96, fit="squash")
    assert np.abs(image.astype(int) - PICTURE).mean() < 8
    assert read_number(image) == 1234
    assert read_image(tmp_path / "a.jpg", height=72, width=None).shape == (72, 96, 3)


def test_names_are_not_patterns(tmp_path: Path) -> None:
    for name in ("a%03d.png", "a:b.png", "a*.png", "[1].png"):
        path = write_image(tmp_path / name, PICTURE)
        assert is_image(path)
        assert read_number(read_image(path, height=72, width=96)) == 1234


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "t.jpg").write_text("no picture at all\n" * 9)
    (tmp_path / "e.jpg").touch()
    for path in (
        write_tone(tmp_path / "a.m4a"),
        tmp_path / "t.jpg",
        tmp_path / "e.jpg",
        tmp_path / "none.jpg",
        tmp_path,
    ):
        assert not is_image(path)
        with pytest.raises(MediaError, match=path.name):
            read_image(path, height=9, width=9)
    assert not is_image(write_video(tmp_path / "a.mp4", seconds=0.2).path)


def test_a_cut_off_image_is_an_error_or_its_beginning(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", PICTURE)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MediaError, match=r"a\.png"):
        read_image(path, height=9, width=9)


def test_jpeg_quality_trades_size_for_likeness(tmp_path: Path) -> None:
    sizes, errors = [], []
    for quality in (10, 50, 85, 100):
        data = encode_jpeg(PICTURE, quality)
        assert data[:3] == b"\xff\xd8\xff"
        assert data[-2:] == b"\xff\xd9"
        (tmp_path / "a.jpg").write_bytes(data)
        image = read_image(tmp_path / "a.jpg", height=72, width=96)
        sizes.append(len(data))
        errors.append(np.abs(image.astype(int) - PICTURE).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 5


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (16, 16), (90, 1280)])
def test_jpeg_of_any_size_and_memory_layout(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), (200, 60, 20), np.uint8)
    (tmp_path / "a.jpg").write_bytes(encode_jpeg(image[::-1, ::-1]))
    seen = read_image(tmp_path / "a.jpg", height=shape[0], width=shape[1])
    assert np.abs(seen.reshape(-1, 3).mean(axis=0) - (200, 60, 20)).max() < 6


def test_what_is_no_picture_is_refused() -> None:
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ShapeError, match="uint8"):
            encode_jpeg(bad)
    with pytest.raises(ConfigError, match="1 to 100"):
        encode_jpeg(PICTURE, 0)
