import base64
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import av
import pytest

from recue.core import Moment, Query, Segment, SimilarityCurve
from recue.core.errors import ConfigError
from recue.export.report import render_report, write_report
from support.results import make_result
from support.videos import write_video

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "a.mp4"
    write_video(path, seconds=4, rate=10, size=(96, 48))
    return path


def moment(video: str | Path, start_s: float, end_s: float, **others: object) -> Moment:
    values: dict = {"video_id": "a9", "score": 1.5, "confidence": 0.75} | others
    return Moment(video=str(video), segment=Segment(start_s, end_s), **values)


def curve(*values: float) -> SimilarityCurve:
    return SimilarityCurve(tuple(k + 0.5 for k in range(len(values))), values)


def test_every_moment_has_times_strip_score_and_curve(video: Path) -> None:
    result = make_result(
        query=Query("clip", str(video), Segment(0, 2)),
        moments=[
            moment(video, 1, 2.5, curve=curve(0, 1, 2, 0), query_segment=Segment(0.5, 2), metadata={"year": 2020}),
            moment(video, 3, 4, curve=curve(0, 1, 2, 0), confidence=0.5, is_query=True),
        ],
        near_misses=[moment(video, 0, 1, curve=curve(0, 1, 2, 0), confidence=0.25)],
        warnings=("damaged near 3 s",),
    )

    page = Page(render_report(result))

    assert len(page.of_class("strip")) == 4  # the query's, two moments', one near miss's
    assert len(page.all("img")) == 4 * 8
    assert len(page.of_class("curve")) == 3
    assert [meter["aria-valuenow"] for meter in page.of_class("meter")] == ["0.75", "0.50", "0.25"]
    for text in (
        "2 moments like a.mp4",
        "0:00:01.000–0:00:02.500",
        "1.50 s",
        "1.500",
        "matches query 0:00:00.500 – 0:00:02.000",
        "year 2020",
        "the query itself",
        "damaged near 3 s",
        "Near misses",
        "2 videos, 0:01:30 searched in 0.25\xa0s",
    ):
        assert text in page.text
    links = [link["href"] for link in page.all("a")]
    assert links[0] == f"{video.as_uri()}#t=1.000,2.500"


def test_it_is_one_file_that_asks_for_no_other(video: Path) -> None:
    text = render_report(make_result(query=Query("clip", str(video), Segment(0, 2)), moments=[moment(video, 1, 2)]))

    page = Page(text)
    sources = [image["src"] or "" for image in page.all("img")]
    assert len(sources) == 16
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "url(" not in text
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_tiles_show_the_moment_in_its_own_shape(video: Path) -> None:
    text = render_report(make_result(query=Query("image", "q.png"), moments=[moment(video, 1, 2)]))

    tiles = re.findall(r"data:image/jpeg;base64,([^\"]+)", text)
    assert len(tiles) == 8
    with av.open(__import__("io").BytesIO(base64.b64decode(tiles[0]))) as picture:
        frame = next(picture.decode(video=0))
    assert (frame.width, frame.height) == (224, 112)
    assert "--aspect: 2.0000" in text


NASTY = [
    "<script>alert(1)</script>.mp4",
    '"onload="x.mp4',
    "'&amp;<u>.mp4",
    "{{ 7*7 }}{% raw %}.mp4",
    "ünï 日本 \U0001f3ac.mp4",
    "\u202egpj.mp4",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_and_metadata_are_text_whatever_they_hold(name: str) -> None:
    gone = moment(f"/gone/{name}", 1, 2, metadata={name: name}, curve=curve(1, 2))
    result = make_result(query=Query("clip", f"/q/{name}", Segment(0, 1)), moments=[gone], warnings=(name,))

    page = Page(render_report(result))

    assert page.text.count(name) >= 6
    assert not {"script", "u"} & {tag for tag, _ in page.elements}
    assert all("onload" not in attributes for _, attributes in page.elements)
    assert len(page.of_class("curve")) == 1
    label = next(iter(page.of_class("curve")))["aria-label"]
    assert label is not None
    assert Path(name).name in label


def test_names_that_are_no_utf8_are_written_readably(tmp_path: Path) -> None:
    page = write_report(make_result(moments=[moment("/gone/\udcff.mp4", 1, 2)]), tmp_path / "page.html")

    assert r"\udcff.mp4" in page.read_text(encoding="utf-8")


def test_a_video_that_is_gone_leaves_a_card_that_says_so() -> None:
    page = Page(render_report(make_result(moments=[moment("/gone/a.mp4", 1, 2)])))

    assert "No pictures: '/gone/a.mp4'" in page.text
    assert "0:00:01.000" in page.text


def test_no_match_says_so_and_how_to_see_more() -> None:
    page = Page(render_report(make_result(moments=[])))

    assert "No moment like q.mp4" in page.text
    assert "Nothing in 2 videos reaches a confidence of 0.50." in page.text
    assert "--near-misses" in page.text


def test_an_image_query_is_shown_whole_in_its_own_shape(tmp_path: Path, video: Path) -> None:
    from recue.media import encode_jpeg, thumbnail

    still = tmp_path / "still.jpg"
    still.write_bytes(encode_jpeg(thumbnail(video, 1.0, height=48), quality=90))

    page = Page(render_report(make_result(query=Query("image", str(still)), moments=[])))

    (strip,) = page.of_class("strip")
    assert "single" in (strip["class"] or "")
    assert "--aspect: 2.0000" in (strip["style"] or "")
    assert len(page.all("img")) == 1


def test_a_query_from_the_gallery_takes_its_pictures_from_its_file(video: Path) -> None:
    query = Query("range", "holiday", Segment(1, 2), "h9")

    assert "No pictures" in render_report(make_result(query=query, moments=[]))
    assert "No pictures" not in render_report(make_result(query=query, moments=[]), query_path=video)


def test_curves_are_drawn_along_the_whole_video(video: Path) -> None:
    result = make_result(query=Query("features", "q.npy"), moments=[moment(video, 1, 2, curve=curve(0, 1))])

    text = render_report(result, spans={"a9": Segment(0.0, 4.0)})

    svg = ET.fromstring(re.search(r"<svg.*?</svg>", text, re.DOTALL).group())  # type: ignore[union-attr]
    (band,) = svg.iter("rect")
    assert (float(band.attrib["x"]), float(band.attrib["width"])) == (250.0, 250.0)
    assert "<span>0:00:00</span>" in text
    assert "<span>0:00:04</span>" in text


def test_it_replaces_an_older_page_whole_and_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"

    assert write_report(make_result(moments=[]), path) == path
    first = path.read_text()
    write_report(make_result(moments=[], n_videos=7), path)

    assert path.read_text() != first
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written to .*; name another file"):
        write_report(make_result(moments=[]), tmp_path)
    assert list(tmp_path.iterdir()) == []
