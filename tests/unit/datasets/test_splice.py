from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from recue.core import FrameSampling
from recue.core.errors import MediaError
from recue.datasets.splice import Part, join, splice
from recue.media import sample
from support.videos import read_number, write_video


def grey(value: int, n: int) -> list[np.ndarray]:
    return [np.full((2, 2, 3), value, np.uint8)] * n


def joined(parts: Sequence[tuple[list[np.ndarray], int]]) -> tuple[list[int], list[tuple[float, float] | None]]:
    written: list[int] = []
    spans = join(parts, lambda picture: written.append(int(picture[0, 0, 0])))
    return written, [(float(s[0]), float(s[1])) if s else None for s in spans]


def test_cuts_put_parts_end_to_end() -> None:
    assert joined([(grey(10, 3), 0), (grey(20, 2), 0)]) == ([10, 10, 10, 20, 20], [(0, 3), (3, 5)])


def test_a_fade_overlaps_and_the_border_lies_in_its_middle() -> None:
    written, spans = joined([(grey(0, 6), 3), (grey(100, 6), 0)])
    assert written == [0, 0, 0, 25, 50, 75, 100, 100, 100]
    assert spans == [(0, 4.5), (4.5, 9)]


def test_fades_on_both_sides() -> None:
    written, spans = joined([(grey(0, 4), 1), (grey(100, 5), 1), (grey(200, 4), 0)])
    assert written == [0, 0, 0, 50, 100, 100, 100, 150, 200, 200, 200]
    assert spans == [(0, 3.5), (3.5, 7.5), (7.5, 11)]


def test_a_part_without_pictures_is_skipped_and_the_fade_goes_on_to_the_next() -> None:
    written, spans = joined([(grey(0, 4), 1), ([], 0), (grey(100, 3), 0), ([], 0)])
    assert written == [0, 0, 0, 50, 100, 100]
    assert spans == [(0, 3.5), None, (3.5, 6), None]
    assert joined([([], 0), (grey(5, 1), 2)]) == ([5], [None, (0, 1)])
    assert joined([]) == ([], [])


def test_a_part_shorter_than_its_fade_shortens_the_fade() -> None:
    written, spans = joined([(grey(0, 8), 4), (grey(100, 2), 0), (grey(200, 2), 0)])
    assert written == [0, 0, 0, 0, 20, 40, 200, 200]
    assert spans == [(0, 5), (5, 6), (6, 8)]


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001)])
def test_the_written_file_shows_each_part_where_it_is_said_to_be(tmp_path: Path, rate: Fraction) -> None:
    for k in range(3):
        write_video(tmp_path / f"{k}.mp4", seconds=0.5 + 0.2 * k, rate=30, size=(64, 48))
    parts = [Part(tmp_path / f"{k}.mp4", str(k), 4 if k == 1 else 0) for k in range(3)]
    warnings: list[str] = []
    out = tmp_path / "out.mp4"
    result = splice(parts, out, width=96, height=48, rate=rate, fit="pad", warnings=warnings)
    assert warnings == []
    frames = list(sample(out, FrameSampling(None, 48, 96)))
    assert len(frames) == result.n_frames
    assert [f.shown_s for f in frames] == pytest.approx([k / float(rate) for k in range(len(frames))], abs=1e-9)
    placed = [p for p in result.placed if p]
    assert placed[0].start == 0
    assert placed[-1].end == result.n_frames / rate
    assert all(a.end == b.start for a, b in pairwise(placed))
    # Every picture is the clip's own for its time there, but for those inside the fade.
    n_read = 0
    for k, frame in enumerate(frames):
        at = k / rate
        if abs(at - placed[1].end) <= 3 / rate:
            continue
        part = max(p for p in range(3) if placed[p].start <= at)
        fade = 4 / rate / 2 if part == 2 else 0  # part 2 began that much before its start
        assert read_number(frame.image) == pytest.approx(float(at - placed[part].start + fade) * 30, abs=1.01)
        n_read += 1
    assert n_read == len(frames) - 7


def test_damaged_clips_are_recorded_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    write_video(tmp_path / "good.mp4", seconds=0.4, size=(64, 48))
    warnings: list[str] = []
    parts = [Part(tmp_path / "text.mp4", "c/text.mp4"), Part(tmp_path / "good.mp4", "c/good.mp4")]
    out = tmp_path / "out.mp4"
    result = splice(parts, out, width=64, height=48, rate=Fraction(25), fit="crop", warnings=warnings)
    assert result.placed[0] is None
    assert result.placed[1] is not None
    assert len(warnings) == 1
    assert warnings[0].startswith("out.mp4: clip c/text.mp4 left out")
    assert str(tmp_path) not in warnings[0]
    none = tmp_path / "none.mp4"
    with pytest.raises(MediaError, match="none of its clips"):
        splice(parts[:1], none, width=64, height=48, rate=Fraction(25), fit="crop", warnings=[])
    assert not none.exists()
