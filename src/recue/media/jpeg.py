"""JPEG bytes of a picture, for pages and previews."""

from fractions import Fraction

import av
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from recue.core.errors import ConfigError, MediaError, ShapeError

#: The codec's own scale of coarseness.
_BEST, _WORST = 2, 31


def encode_jpeg(image: UInt8[NDArray[np.uint8], "height width 3"], quality: int = 85) -> bytes:
    """Encode an RGB picture as baseline JPEG, colour at half resolution.

    Args:
        image: uint8 `[height, width, 3]`.
        quality: 1 (smallest) to 100 (best). 85 is hard to tell from the original.

    Raises:
        ShapeError: it is no uint8 RGB picture.
        ConfigError: the quality is not within 1 to 100.

    Cost: about 1 ms for 160 x 284.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ShapeError(f"a JPEG is made from uint8 [height, width, 3], got {image.dtype} {image.shape}")
    if not 1 <= quality <= 100:
        raise ConfigError(f"JPEG quality runs from 1 to 100, got {quality}")
    try:
        context = av.CodecContext.create("mjpeg", "w")
        context.height, context.width = image.shape[:2]
        context.pix_fmt, context.time_base, context.thread_count = "yuvj420p", Fraction(1), 1
        context.color_range = 2
        context.qmin = context.qmax = _coarseness(quality)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG", threads=1)
        frame.pts = 0
        packets = [*context.encode(frame), *context.encode(None)]
    except av.error.FFmpegError as error:
        raise MediaError(f"a picture of shape {image.shape} could not be made into a JPEG: {error}") from error
    return b"".join(bytes(packet) for packet in packets)


def _coarseness(quality: int) -> int:
    """The codec's scale for the customary one of the reference encoder (which quantises 16 times S / 100).

    >>> [_coarseness(quality) for quality in (1, 50, 85, 100)]
    [31, 16, 5, 2]
    """
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    return min(max(round(16 * percent / 100), _BEST), _WORST)
