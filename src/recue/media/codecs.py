"""Which of the usual codecs this machine's video library decodes."""

import av

_USUAL = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg", "prores", "dnxhd", "ffv1", "wmv3")


def decoders() -> dict[str, bool]:
    """The codecs that videos usually come in, and whether each can be decoded here."""
    return {name: name in av.codecs_available for name in _USUAL}


def library_version() -> str:
    """Name and version of the video library, and of the FFmpeg it carries."""
    major, minor, patch = av.library_versions["libavcodec"]
    return f"PyAV {av.__version__}, libavcodec {major}.{minor}.{patch}"
