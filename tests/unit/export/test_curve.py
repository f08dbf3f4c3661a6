import xml.etree.ElementTree as ET

import pytest

from recue.core import Segment, SimilarityCurve
from recue.export.curve import Scale, curve_svg

FOUND = Segment(2, 4)


def draw(curve: SimilarityCurve, found: Segment = FOUND, **others: object) -> ET.Element:
    options: dict = {"bounds": Segment(0, 10), "scale": Scale(0.0, 2.0), "label": "a label"} | others
    return ET.fromstring(curve_svg(curve, found=found, **options))


def points(svg: ET.Element) -> list[list[tuple[float, float]]]:
    path = svg.find("path[@class='line']")
    assert path is not None
    runs = path.attrib["d"].split("M")[1:]
    return [[tuple(float(x) for x in point.split(",")) for point in run.split("L")] for run in runs]  # type: ignore[misc]


def test_points_lie_where_time_and_value_say() -> None:
    svg = draw(SimilarityCurve((0.0, 5.0, 10.0), (0.0, 1.0, 2.0)))

    assert points(svg) == [[(0.0, 100.0), (500.0, 50.0), (1000.0, 0.0)]]


def test_bands_mark_the_found_segment_and_the_others() -> None:
    svg = draw(SimilarityCurve((5.0,), (1.0,)), others=[Segment(8, 9), Segment(50, 60)])

    bands = [(rect.attrib["class"], float(rect.attrib["x"]), float(rect.attrib["width"])) for rect in svg.iter("rect")]
    assert bands == [("band other", 800.0, 100.0), ("band other", 1000.0, 3.0), ("band", 200.0, 200.0)]


def test_what_is_not_a_number_leaves_a_gap() -> None:
    nan = float("nan")
    svg = draw(SimilarityCurve((0.0, 1.0, 2.0, 3.0, 4.0), (1.0, 1.0, nan, 1.0, nan)))

    assert [len(run) for run in points(svg)] == [2, 1]


def test_long_curves_are_thinned_and_keep_their_peak() -> None:
    values = [0.0] * 100_000
    values[54_321] = 2.0
    times = [k / 10_000 for k in range(100_000)]

    (run,) = points(draw(SimilarityCurve(tuple(times), tuple(values))))

    assert 400 <= len(run) <= 500
    assert (pytest.approx(543.2), 0.0) in run


def test_the_label_is_escaped() -> None:
    svg = draw(SimilarityCurve((1.0,), (1.0,)), label='<script>"x"&')

    assert svg.attrib["aria-label"] == '<script>"x"&'


def test_a_scale_holds_every_finite_value() -> None:
    scale = Scale.of([SimilarityCurve((0.0, 1.0), (-1.0, float("nan"))), SimilarityCurve((0.0,), (3.0,))])

    assert scale.low < -1.0
    assert scale.high > 3.0


@pytest.mark.parametrize("values", [(), (float("nan"),), (1.5, 1.5)])
def test_flat_or_empty_curves_have_a_scale_and_a_picture(values: tuple[float, ...]) -> None:
    curve = SimilarityCurve(tuple(float(k) for k in range(len(values))), values)
    scale = Scale.of([curve])

    assert scale.high > scale.low
    assert draw(curve, scale=scale).tag == "svg"
