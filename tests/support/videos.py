"""Small synthetic videos whose every picture tells its own number.

`write_video` draws on each frame a 4x4 bar code of its number in the middle square of the picture: it survives
lossy coding, scaling, centre cropping and 8-bit colour. `read_number` reads it back from any upright picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
#: From frame number and exact presentation time (s, from the first frame) to `[height, width, 3]` RGB, upright.
Pattern = Callable[[int, Fraction], Image]

_CELLS = 4
#: Distances between frames in quarters of the nominal one, repeated: never two alike in a row, mean 1.
_UNEVEN = (2, 7, 3, 4, 1, 6, 5)


@dataclass(frozen=True)
class Written:
    """The truth about a written video.

    Attributes:
        path: The file.
        times_s: Exact presentation time of each frame on the video's clock.
        end_s: When the last frame ends.
    """

    path: Path
    times_s: tuple[Fraction, ...]
    end_s: Fraction

    def on_screen(self, instant_s: float | Fraction) -> int:
        """Number of the frame shown at an instant: the last one not after it."""
        return max(sum(time <= instant_s for time in self.times_s) - 1, 0)


def write_video(
    path: str | Path,
    *,
    seconds: float | Fraction = 2,
    rate: float | Fraction = 25,
    size: tuple[int, int] = (128, 96),
    codec: str = "libx264",
    pattern: Pattern | None = None,
    b_frames: int = 0,
    start_s: float | Fraction = 0,
    rotation: int = 0,
    mirrored: bool = False,
    variable_rate: bool = False,
    pixel_format: str | None = None,
    keyint: int = 25,
    audio: bool = False,
    loud: tuple[float, float] | None = None,
    container: str | None = None,
    pixel_aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Written:
    """Write a video with known content and known times.

    Args:
        path: Where; the suffix decides the container unless `container` names one.
        seconds: Nominal length: `round(seconds * rate)` frames are written.
        rate: Nominal frames a second; exact when a Fraction.
        size: Columns and rows of the *upright* picture.
        codec: Encoder.
        pattern: Draws frame n; the bar code on a drifting gradient by default.
        b_frames: Consecutive B-frames (libx264 and the like).
        start_s: Presentation time of the first frame, rounded to the frame clock.
        rotation: Clockwise degrees a player must turn the stored picture by: 0, 90, 180, 270. The stored picture
            is drawn turned the other way, so that a right player shows it upright.
        mirrored: A player must also mirror it left to right (after turning).
        variable_rate: Uneven distances between frames.
        pixel_format: Stored format; what the encoder likes by default.
        keyint: Largest distance between key frames.
        audio: Add a tone of the same length.
        loud: From when to when, in seconds from the first picture, the tone is three times as loud.
        container: Format name, such as `mpegts`.
        pixel_aspect: Shape of a stored pixel, width over height.
        options: More encoder options.
        container_options: Options of the container's writer.

    Returns:
        The truth: the exact time of every frame.
    """
    path = Path(path)
    rate = Fraction(rate).limit_denominator(1001)
    n_frames = max(1, round(Fraction(seconds) * rate))
    quarters = [4] * n_frames if not variable_rate else [_UNEVEN[i % len(_UNEVEN)] for i in range(n_frames)]
    tick = 1 / (4 * rate)
    first = round(Fraction(start_s) / tick)
    if not variable_rate:
        tick, first, quarters = 1 / rate, round(Fraction(start_s) * rate), [1] * n_frames
    pts = [first + sum_before for sum_before in np.cumsum([0, *quarters]).tolist()]
    width, height = size
    draw = pattern or counter(size)

    with av.open(str(path), "w", format=container, options=container_options or {}) as output:
        stream = output.add_stream(codec, rate=rate)
        turned = rotation % 180 != 0
        stream.width, stream.height = (height, width) if turned else (width, height)
        stream.pix_fmt = pixel_format or _default_pixel_format(codec)
        stream.codec_context.time_base = tick
        stream.codec_context.gop_size = keyint
        stream.codec_context.thread_count = 1
        stream.codec_context.max_b_frames = b_frames
        stream.options = _encoder_options(codec, b_frames, keyint) | (options or {})
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation or mirrored:
            stream.set_display_matrix(_display_matrix(rotation, mirrored))
        tone = output.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48000) if audio else None
        lengths = dict(zip(pts, quarters, strict=False))
        for number in range(n_frames):
            upright = draw(number, (pts[number] - first) * tick)
            stored = upright[:, ::-1] if mirrored else upright
            stored = np.ascontiguousarray(np.rot90(stored, rotation // 90))
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            frame.pts, frame.time_base, frame.duration = pts[number], tick, quarters[number]
            _mux(output, stream.encode(frame), lengths)
        _mux(output, stream.encode(None), lengths)
        if tone is not None:
            _write_tone(output, tone, first * tick, (pts[-1] - first) * tick, loud)
    return Written(path, tuple(time * tick for time in pts[:-1]), pts[-1] * tick)


def _mux(output: "av.container.OutputContainer", packets: list[av.Packet], lengths: dict[int, int]) -> None:
    for packet in packets:
        # Encoders give every packet the nominal length; the last one's decides where the video ends.
        packet.duration = lengths.get(packet.pts, packet.duration)
        output.mux(packet)


def write_tone(path: str | Path, *, seconds: float = 1.0) -> Path:
    """Write a file that holds sound alone."""
    with av.open(str(path), "w") as output:
        tone = output.add_stream("aac" if Path(path).suffix != ".mp3" else "libmp3lame", rate=48000)
        _write_tone(output, tone, Fraction(0), Fraction(seconds))
    return Path(path)


def repeat_video(path: str | Path, out: str | Path, *, times: int) -> int:
    """Write a video that shows another one many times, without encoding again: hours in a second.

    Takes constant-rate videos without B-frames that start at 0.

    Returns:
        The number of frames written.
    """
    with av.open(str(path)) as source, av.open(str(out), "w") as output:
        stream = source.streams.video[0]
        copy = output.add_stream_from_template(stream)
        packets = [
            (bytes(packet), packet.pts, packet.duration, packet.is_keyframe)
            for packet in source.demux(stream)
            if packet.size
        ]
        length = packets[-1][1] + packets[-1][2]
        for turn in range(times):
            for data, pts, duration, is_key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = copy, stream.time_base
                packet.pts = packet.dts = pts + turn * length
                packet.duration, packet.is_keyframe = duration, is_key
                output.mux(packet)
    return times * len(packets)


def overwrite(path: str | Path, *, at: float, n_bytes: int = 400, seed: int = 0) -> Path:
    """Fill a stretch of a file with noise; `at` is where, as a share of its length."""
    data = bytearray(Path(path).read_bytes())
    first = int(at * len(data))
    noise = np.random.default_rng(seed).integers(0, 256, n_bytes, np.uint8).tobytes()
    data[first : first + n_bytes] = noise[: len(data) - first]
    Path(path).write_bytes(bytes(data))
    return Path(path)


def write_image(path: str | Path, image: Image, *, codec: str = "png", pixel_format: str = "rgb24") -> Path:
    """Write a still image: `png` with `rgb24`, `mjpeg` with `yuvj444p`."""
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = image.shape[:2]
    context.pix_fmt, context.time_base = pixel_format, Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format=pixel_format)
    frame.pts = 0
    packets = [*context.encode(frame), *context.encode(None)]
    Path(path).write_bytes(b"".join(bytes(packet) for packet in packets))
    return Path(path)


def counter(size: tuple[int, int]) -> Pattern:
    """The default pattern: the bar code of the frame number on a gradient that drifts."""
    width, height = size
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))

    def draw(number: int, _time_s: Fraction) -> Image:
        red = (columns * 160 // width + 3 * number) % 160 + 40
        green = rows * 160 // height + 40
        blue = np.full_like(red, 40 + (5 * number) % 160)
        return stamp(np.stack([red, green, blue], axis=-1).astype(np.uint8), number)

    return draw


def stamp(image: Image, number: int) -> Image:
    """Draw the bar code of a number, 0 to 65535, on a copy of a picture."""
    image = image.copy()
    for cell, (rows, columns) in enumerate(_cells(image.shape[0], image.shape[1])):
        image[rows, columns] = 235 if number >> cell & 1 else 16
    return image


def read_number(image: Image, *, of: tuple[int, int] | None = None) -> int:
    """The number on an upright picture, whole or centre-cropped to a square.

    Args:
        image: `[height, width, 3]` or `[height, width]`.
        of: Columns and rows of the original, when the picture was squashed to another shape.

    Raises:
        ValueError: a cell is neither dark nor bright: no bar code, or not where it should be.
    """
    light = image.mean(axis=2) if image.ndim == 3 else image.astype(float)
    height, width = light.shape
    if of is None:
        boxes = _cells(height, width)
    else:
        scale_y, scale_x = height / of[1], width / of[0]
        boxes = [
            (
                slice(round(rows.start * scale_y), round(rows.stop * scale_y)),
                slice(round(columns.start * scale_x), round(columns.stop * scale_x)),
            )
            for rows, columns in _cells(of[1], of[0])
        ]
    number = 0
    for cell, (rows, columns) in enumerate(boxes):
        middle = light[_inner(rows), _inner(columns)].mean()
        if 90 < middle < 160:
            raise ValueError(f"cell {cell} is neither dark nor bright ({middle:.0f}); is there a bar code?")
        number |= int(middle > 125) << cell
    return number


def read_numbers(images: Sequence[Image]) -> list[int]:
    """`read_number` of each."""
    return [read_number(image) for image in images]


def _cells(height: int, width: int) -> list[tuple[slice, slice]]:
    side = min(height, width)
    top, left = (height - side) / 2, (width - side) / 2
    edges = [side * cell / _CELLS for cell in range(_CELLS + 1)]
    return [
        (
            slice(round(top + edges[row]), round(top + edges[row + 1])),
            slice(round(left + edges[column]), round(left + edges[column + 1])),
        )
        for row in range(_CELLS)
        for column in range(_CELLS)
    ]


def _inner(bounds: slice) -> slice:
    margin = (bounds.stop - bounds.start) // 4
    return slice(bounds.start + margin, max(bounds.stop - margin, bounds.start + margin + 1))


def _default_pixel_format(codec: str) -> str:
    return {"gif": "rgb8", "mjpeg": "yuvj420p", "png": "rgb24", "ffv1": "yuv420p"}.get(codec, "yuv420p")


def _encoder_options(codec: str, b_frames: int, keyint: int) -> dict[str, str]:
    if codec == "libx264":
        return {"preset": "veryfast", "crf": "20", "sc_threshold": "0", "bf": str(b_frames), "threads": "1"}
    if codec == "libx265":
        return {
            "preset": "ultrafast",
            "x265-params": f"log-level=none:pools=1:frame-threads=1:scenecut=0:bframes={b_frames}:keyint={keyint}",
        }
    if codec in ("libvpx", "libvpx-vp9"):
        return {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "1M"}
    if codec in ("mpeg4", "mpeg1video", "mpeg2video", "wmv2", "mjpeg"):
        return {"qmin": "2", "qmax": "5", "b": "4M"}
    return {}


def _display_matrix(rotation: int, mirrored: bool) -> list[int]:
    """The matrix of the MP4 format: stored (p, q) is shown at (a p + c q, b p + d q)."""
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation]
    a, b, c, d = cosine, sine, -sine, cosine
    if mirrored:
        a, c = -a, -c
    one, unit = 1 << 16, 1 << 30
    return [a * one, b * one, 0, c * one, d * one, 0, 0, 0, unit]


def _write_tone(
    output: "av.container.OutputContainer",
    tone: object,
    start_s: Fraction,
    seconds: Fraction,
    loud: tuple[float, float] | None = None,
) -> None:
    n_samples, chunk = round(seconds * 48000), 1024
    instants_s = np.arange(n_samples) / 48000
    wave = (np.sin(instants_s * 2 * np.pi * 440) * 0.3).astype(np.float32)
    if loud is not None:
        wave[(instants_s >= loud[0]) & (instants_s < loud[1])] *= 3
    for begin in range(0, n_samples, chunk):
        piece = wave[begin : begin + chunk][np.newaxis]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, round(start_s * 48000) + begin
        frame.time_base = Fraction(1, 48000)
        output.mux(tone.encode(frame))  # type: ignore[attr-defined]
    output.mux(tone.encode(None))  # type: ignore[attr-defined]
