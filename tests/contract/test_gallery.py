"""What every gallery engine must do. A second engine adds one entry to ENGINES."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recue.gallery import Gallery, open_gallery
from support.galleries import SOURCE, make_features, make_record

ENGINES: dict[str, Callable[[Path], Gallery]] = {
    "lance": lambda directory: open_gallery(directory / "gallery", create=True, source=SOURCE),
}


@pytest.fixture(params=sorted(ENGINES))
def gallery(request: pytest.FixtureRequest, tmp_path: Path) -> Gallery:
    return ENGINES[request.param](tmp_path)


def test_what_was_added_is_there(gallery: Gallery) -> None:
    added = {}
    for number in range(3):
        record, features = make_record(number), make_features(number, 5 + number)
        gallery.add(record, features)
        added[record.id] = features
    bank = gallery.bank()
    assert sorted(bank.video_ids) == sorted(added)
    for position, video_id in enumerate(bank.video_ids):
        expected = added[video_id]
        kept = gallery.features(video_id)
        for values in (kept.values, bank.values[bank.rows(position)]):
            np.testing.assert_array_equal(values, expected.values.astype(np.float16))
        np.testing.assert_array_equal(kept.times_s, expected.times_s)
        np.testing.assert_array_equal(bank.bounds_s[bank.rows(position), 0], expected.times_s[:-1])
        np.testing.assert_array_equal(bank.bounds_s[bank.rows(position), 1], expected.times_s[1:])
