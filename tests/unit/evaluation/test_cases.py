import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from recue.core import FeatureSequence, ScoredSegment, Segment
from recue.core.errors import ConfigError
from recue.datasets.task import Clip, Question
from recue.evaluation import benchmark
from recue.evaluation.cases import choose, render_page, write_page
from recue.evaluation.results import Answered, Asked
from recue.evaluation.timeline import timeline_svg
from recue.localize.align import Align
from recue.localize.frame_level import FrameLevel
from support.relocalization import MadeDataset, planted_dataset


def asked(video: str, *, present: bool = True) -> Asked:
    truths = ((2, 4),) if present else ()
    question = Question(Clip("q", 0, 2, "a"), video, (0, 10), truths)
    return Asked(question, Segment(0.0, 2.0), Segment(0.0, 10.0), tuple(Segment(float(a), float(b)) for a, b in truths))


def answered(tiou: float, score: float = 0.5) -> Answered:
    return Answered(Clip("q", 0, 2, "a"), (ScoredSegment(Segment(2.0, 3.0), score),), tiou)


def test_best_middling_and_worst() -> None:
    tious = [0.5, 1.0, 0.0, 0.9, 0.52, 0.1, 0.45, 0.8, 0.2]
    questions = [asked("absent", present=False), *(asked(f"r{k}") for k in range(9))]
    chosen = choose(questions, [answered(0.0, 9.0), *map(answered, tious)], n=2)
    assert chosen.best == (2, 4)
    assert chosen.worst == (3, 6)
    assert chosen.middle == (1, 5)


def test_of_equals_the_surest_and_none_twice() -> None:
    questions = [asked(f"r{k}") for k in range(6)]
    chosen = choose(questions, [answered(0.0, score) for score in (1, 5, 3, 2, 6, 4)], n=2)
    assert chosen.best == (4, 1)
    assert chosen.worst == (5, 2)
    assert chosen.middle == (3, 0)


def test_one_of_each_reference_while_there_are_others() -> None:
    questions = [asked(video) for video in ("r", "r", "s", "t", "u", "v")]
    chosen = choose(questions, [answered(t) for t in (1.0, 0.9, 0.8, 0.3, 0.2, 0.1)], n=2)
    assert chosen.best == (0, 2)
    assert len(choose([asked("r")] * 6, [answered(0.1 * k) for k in range(6)], n=2).best) == 2


def test_nothing_to_choose_from() -> None:
    chosen = choose([asked("r", present=False)], [answered(0.0)])
    assert chosen.best == chosen.middle == chosen.worst == ()
    one = choose([asked("r")], [answered(0.5)])
    assert (one.best, one.middle, one.worst) == ((0,), (), ())


def test_a_timeline_is_to_scale_and_the_best_on_top() -> None:
    svg = timeline_svg(
        Segment(10.0, 20.0),
        truths=[Segment(12.0, 14.0)],
        found=[Segment(15.0, 16.0), Segment(19.0, 25.0)],
        label='a "label" <b>',
    )
    root = ElementTree.fromstring(svg)
    boxes = [(box.get("class"), float(box.get("x", "")), float(box.get("width", ""))) for box in root]
    assert boxes == [
        ("lane", 0.0, 1000.0),
        ("lane", 0.0, 1000.0),
        ("truth", 200.0, 200.0),
        ("answer", 900.0, 100.0),
        ("answer", 500.0, 100.0),
    ]
    assert [box.get("opacity") for box in root][-2:] == ["0.45", "1.00"]
    assert root.get("aria-label") == 'a "label" <b>'


def test_an_answer_of_no_length_can_still_be_seen() -> None:
    root = ElementTree.fromstring(timeline_svg(Segment(0.0, 10.0), truths=[], found=[Segment(10.0, 10.0)], label="x"))
    assert (root[-1].get("x"), root[-1].get("width")) == ("998.0", "2.0")


def test_the_page_holds_each_localizer_its_cases_and_curves(tmp_path: Path) -> None:
    dataset = planted_dataset()
    report = benchmark.run({"align": Align(), "frames": FrameLevel()}, dataset, n_seeds=1, n_resamples=10)
    path = write_page(report, tmp_path / "new" / "cases.html", dataset=dataset, n=2)
    page = path.read_text()
    assert page == render_page(report, dataset=dataset, n=2)
    assert re.findall(r'<h2 class="localizer">(.*)</h2>', page) == ["align", "frames"]
    assert re.findall(r"<h2>(.*)</h2>", page) == ["Best", "Middling", "Worst"] * 2
    assert page.count('class="timeline"') == 12
    # A baseline has no curve; without videos there are no pictures, and nothing says there should be.
    assert page.count('class="curve"') == 6
    assert "<img" not in page
    assert "No pictures" not in page
    assert "://" not in page
    assert render_page(report).count('class="curve"') == 0
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="page of cases"):
        write_page(report, tmp_path / "file" / "cases.html")


def test_names_are_escaped_and_no_answer_is_said() -> None:
    class Silent:
        name = "silent <i>"

        def localize(self, query: FeatureSequence, reference: FeatureSequence) -> list[ScoredSegment]:
            return []

    dataset = planted_dataset()
    report = benchmark.run({"silent <i>": Silent()}, dataset, n_seeds=1, n_resamples=10)
    page = render_page(report, dataset=dataset)
    assert "<i>," not in page
    assert "silent &lt;i&gt;" in page
    assert "no answer" in page


def test_film_strips_where_the_dataset_has_the_videos(tmp_path: Path) -> None:
    from support.videos import write_video

    class Filmed(MadeDataset):
        @property
        def videos(self) -> dict[str, Path]:
            return dict.fromkeys(self.store.videos(), clip)

    clip = write_video(tmp_path / "clip.mp4", seconds=30, rate=2, size=(64, 48)).path
    base = planted_dataset()
    dataset = Filmed(base.store, base.split_items, base.split_questions)
    report = benchmark.run({"frames": FrameLevel()}, dataset, n_seeds=1, n_resamples=10)
    page = render_page(report, dataset=dataset, n=1)
    assert page.count('class="lane-name"') == 9
    assert "data:image/jpeg" in page
