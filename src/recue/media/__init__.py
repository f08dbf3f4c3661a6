"""Everything that touches media files: probe, decode, sample, cut, thumbnails. PyAV has no other user."""

from recue.media.cut import CutMode, cut
from recue.media.files import VIDEO_SUFFIXES, find_videos
from recue.media.image import is_image, read_image
from recue.media.jpeg import encode_jpeg
from recue.media.probe import VideoInfo, probe
from recue.media.sample import sample
from recue.media.strip import film_strip, thumbnail

__all__ = [
    "VIDEO_SUFFIXES",
    "CutMode",
    "VideoInfo",
    "cut",
    "encode_jpeg",
    "film_strip",
    "find_videos",
    "is_image",
    "probe",
    "read_image",
    "sample",
    "thumbnail",
]
