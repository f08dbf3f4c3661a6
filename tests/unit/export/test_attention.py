from pathlib import Path

import numpy as np
import pytest

from recue.core import Segment
from recue.core.errors import ConfigError, ShapeError
from recue.export.attention import draw_attention

pytest.importorskip("matplotlib", reason="drawing needs recue[research]")


def made_weights(n_reference: int = 6, n_query: int = 4) -> np.ndarray:
    weights = np.random.default_rng(0).random((n_reference, n_query))
    return weights / weights.sum(axis=1, keepdims=True)


def test_the_reference_runs_along_the_bottom_and_the_query_upwards(tmp_path: Path) -> None:
    """One weight alone is dark: where it lies in the picture says which axis is which."""
    from matplotlib.image import imread

    weights = np.zeros((6, 4))
    weights[5, 0] = 1.0
    picture = imread(draw_attention(weights, tmp_path / "a.png"))
    height, width = picture.shape[:2]
    inner = picture[: int(0.8 * height), int(0.1 * width) : int(0.8 * width), :3].sum(axis=2)
    dark = np.argwhere(inner < 0.3)
    assert dark[:, 0].mean() > 0.6 * inner.shape[0]
    block = dark[dark[:, 0] > 0.6 * inner.shape[0]]
    assert np.median(block[:, 1]) > 0.7 * inner.shape[1]


def test_an_svg_names_axes_and_marks_and_is_the_same_each_time(tmp_path: Path) -> None:
    paths = [
        draw_attention(
            made_weights(),
            tmp_path / name,
            reference_times_s=0.5 * np.arange(7),
            truths=[Segment(0.5, 1.5)],
            found=[Segment(1.0, 2.0)],
        )
        for name in ("a.svg", "b.svg")
    ]
    text = paths[0].read_text()
    for word in ("reference (s)", "query step", "truth", "found", "weight (even: 0.25)"):
        assert f"<!-- {word}" in text
    assert text == paths[1].read_text()


def test_what_is_no_attention_is_refused(tmp_path: Path) -> None:
    weights = made_weights()
    with pytest.raises(ConfigError, match=r"'a\.gif'"):
        draw_attention(weights, tmp_path / "a.gif")
    with pytest.raises(ShapeError, match="table"):
        draw_attention(weights[0], tmp_path / "a.png")
    with pytest.raises(ShapeError, match="7 bounds, got"):
        draw_attention(weights, tmp_path / "a.png", reference_times_s=np.arange(6.0))
    with pytest.raises(ConfigError, match="cannot be written"):
        draw_attention(weights, tmp_path / "none" / "a.png")
