"""The orientation a camera wrote into a still image's EXIF block."""

import struct
from collections.abc import Iterator

from recue.media.orientation import Orientation

#: The eight values of the tag, as turns clockwise and a mirroring afterwards.
_ORIENTATIONS = {
    1: Orientation(),
    2: Orientation(0, True),
    3: Orientation(2),
    4: Orientation(2, True),
    5: Orientation(1, True),
    6: Orientation(1),
    7: Orientation(3, True),
    8: Orientation(3),
}
_TAG = 0x0112


def exif_orientation(data: bytes) -> Orientation | None:
    """The orientation in a JPEG, PNG, WebP or TIFF file's EXIF block; None where it has none that can be read."""
    try:
        for block in _blocks(data):
            if (value := _tag(block)) is not None:
                return _ORIENTATIONS.get(value)
    except (struct.error, IndexError):
        return None  # a block that is cut off says nothing; the picture may still be fine
    return None


def _blocks(data: bytes) -> Iterator[bytes]:
    if data[:2] == b"\xff\xd8":
        place = 2
        while data[place] == 0xFF and data[place + 1] != 0xDA:
            (length,) = struct.unpack_from(">H", data, place + 2)
            if data[place + 1] == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
                yield data[place + 10 : place + 2 + length]
            place += 2 + length
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        place = 8
        while place < len(data):
            length, kind = struct.unpack_from(">I4s", data, place)
            if kind == b"eXIf":
                yield data[place + 8 : place + 8 + length]
            place += 12 + length
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        place = 12
        while place < len(data):
            kind, length = struct.unpack_from("<4sI", data, place)
            if kind == b"EXIF":
                yield data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0")
            place += 8 + length + length % 2
    elif data[:4] in (b"II*\0", b"MM\0*"):
        yield data


def _tag(block: bytes) -> int | None:
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    (place,) = struct.unpack_from(order + "I", block, 4)
    (n_entries,) = struct.unpack_from(order + "H", block, place)
    for entry in range(n_entries):
        tag, _kind, _count, value = struct.unpack_from(order + "HHIH", block, place + 2 + 12 * entry)
        if tag == _TAG:
            return int(value)
    return None
