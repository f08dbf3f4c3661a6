"""What every gallery engine must do. A second engine adds one entry to ENGINES."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recue.core import FeatureBank, FeatureSequence, VideoRecord
from recue.core.errors import ConfigError, FingerprintError, ShapeError, VideoNotFoundError
from recue.gallery import Gallery, open_gallery
from support.galleries import SOURCE, Doubled, make_features, make_record


@dataclass(frozen=True)
class Engine:
    """How to make an empty gallery of `SOURCE` in a place, and how another client opens the same one."""

    create: Callable[[Path], Gallery]
    reopen: Callable[[Path], Gallery]


ENGINES = {
    "lance": Engine(
        create=lambda place: open_gallery(place / "gallery", create=True, source=SOURCE),
        reopen=lambda place: open_gallery(place / "gallery"),
    ),
}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@pytest.fixture
def gallery(engine: Engine, tmp_path: Path) -> Gallery:
    return engine.create(tmp_path)


def assert_holds(gallery: Gallery, expected: dict[str, tuple[VideoRecord, FeatureSequence]]) -> None:
    """The gallery holds exactly these videos, whichever way one looks."""
    records = {record.id: record for record in gallery.videos()}
    assert set(records) == set(expected)
    for video_id, (record, features) in expected.items():
        n_steps, added_at = len(features), records[video_id].added_at
        assert records[video_id] == replace(record, n_steps=n_steps, added_at=added_at)
        assert gallery.get(video_id) == records[video_id]
        assert_same_features(gallery.features(video_id), features)
    assert_bank(gallery.bank(), {video_id: features for video_id, (_, features) in expected.items()})
    assert [problem for problem in gallery.verify() if problem.kind != "file"] == []
    stats = gallery.stats()
    assert (stats.n_videos, stats.n_steps) == (len(expected), sum(len(f) for _, f in expected.values()))


def assert_same_features(kept: FeatureSequence, given: FeatureSequence) -> None:
    np.testing.assert_array_equal(kept.values, given.values.astype(np.float16))
    np.testing.assert_array_equal(kept.times_s, given.times_s)
    assert kept.fingerprint == given.fingerprint


def assert_bank(
    bank: FeatureBank,
    expected: dict[str, FeatureSequence],
    change: Callable[[NDArray[np.float16]], NDArray[Any]] = lambda values: values,
) -> None:
    """The bank is these sequences end to end."""
    assert sorted(bank.video_ids) == sorted(expected)
    assert bank.n_steps == sum(len(features) for features in expected.values())
    for position, video_id in enumerate(bank.video_ids):
        rows, features = bank.rows(position), expected[video_id]
        np.testing.assert_array_equal(bank.values[rows], change(features.values.astype(np.float16)))
        np.testing.assert_array_equal(bank.bounds_s[rows, 0], features.times_s[:-1])
        np.testing.assert_array_equal(bank.bounds_s[rows, 1], features.times_s[1:])


def add(gallery: Gallery, number: int, *, seed: int | None = None, n_steps: int = 5, **fields: Any) -> VideoRecord:
    record = make_record(number, **fields)
    gallery.add(record, make_features(number if seed is None else seed, n_steps))
    return record


def test_engines_speak_the_protocol(gallery: Gallery) -> None:
    assert isinstance(gallery, Gallery)
    assert gallery.info.source == SOURCE


def test_an_empty_gallery_answers(gallery: Gallery) -> None:
    assert_holds(gallery, {})
    assert gallery.bank().values.shape == (0, SOURCE.dim)
    assert gallery.bank(Doubled()).values.shape == (0, 2)
    assert gallery.remove([]) == []


def test_what_was_added_is_there_for_everyone(engine: Engine, gallery: Gallery, tmp_path: Path) -> None:
    expected = {}
    for number in range(3):
        metadata = {"camera": number, "place": {"city": "Zürich"}, "tags": ["a", "b"], "none": None}
        record = make_record(number, metadata=metadata, warnings=("damaged at 0:00:01.000",))
        features = make_features(number, 5 + number)
        gallery.add(record, features)
        expected[record.id] = (record, features)
    assert_holds(gallery, expected)
    assert_holds(engine.reopen(tmp_path), expected)
    assert all(record.added_at.endswith("+00:00") for record in gallery.videos())


def test_what_does_not_fit_adds_nothing(gallery: Gallery) -> None:
    good = make_features(1, 4)
    other = FeatureSequence(good.values, good.times_s, "other", "other-1")
    with pytest.raises(FingerprintError, match=r"made-1.*other-1.*--rebuild"):
        gallery.add(make_record(1), other)
    narrow = FeatureSequence(good.values[:, :3], good.times_s, SOURCE.name, SOURCE.fingerprint)
    with pytest.raises(ShapeError, match="16"):
        gallery.add(make_record(1), narrow)
    large = FeatureSequence(good.values * 1e6, good.times_s, SOURCE.name, SOURCE.fingerprint)
    with pytest.raises(ShapeError, match="65504"):
        gallery.add(make_record(1), large)
    with pytest.raises(ShapeError, match="retrieval vectors"):
        gallery.add(make_record(1), good, np.ones(3, np.float32))
    for metadata in ({"x": float("nan")}, {"x": {1, 2}}, {"x": b"bytes"}):
        with pytest.raises(ConfigError, match="JSON"):
            gallery.add(make_record(1, metadata=metadata), good)
    assert_holds(gallery, {})


def test_the_same_id_replaces(gallery: Gallery) -> None:
    add(gallery, 1, metadata={"old": 1})
    second = add(gallery, 2)
    replacement = make_record(1, metadata={"new": 2}, name="renamed.mp4")
    features = make_features(99, 8)
    gallery.add(replacement, features)
    assert_holds(gallery, {replacement.id: (replacement, features), second.id: (second, make_features(2, 5))})


def test_removed_videos_are_gone(gallery: Gallery) -> None:
    records = [add(gallery, number) for number in range(4)]
    removed = gallery.remove([records[1].id, records[2].id, records[1].id])
    assert [record.id for record in removed] == [records[1].id, records[2].id]
    kept = {records[n].id: (records[n], make_features(n, 5)) for n in (0, 3)}
    assert_holds(gallery, kept)
    with pytest.raises(VideoNotFoundError, match="nothing-like-it"):
        gallery.remove([records[0].id, "nothing-like-it"])
    assert_holds(gallery, kept)


def test_an_update_changes_the_row_alone(gallery: Gallery) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    first, second = make_record(1), make_record(2)
    gallery.add(first, make_features(1, 5), vectors)
    gallery.add(second, make_features(2, 5))
    version, added_at = gallery.version, gallery.get(first.id).added_at
    moved = [
        replace(first, path="/else/where.mp4", name="where.mp4", metadata={"k": [1]}),
        replace(second, name="b"),
    ]
    gallery.update(*moved)
    assert_holds(gallery, {moved[0].id: (moved[0], make_features(1, 5)), moved[1].id: (moved[1], make_features(2, 5))})
    assert gallery.get(first.id).added_at == added_at
    np.testing.assert_array_equal(gallery.vectors(first.id), vectors)
    assert gallery.version == version
    with pytest.raises(VideoNotFoundError, match="abc"):
        gallery.update(first, replace(second, id="abc"))
    with pytest.raises(ConfigError, match="JSON"):
        gallery.update(replace(first, metadata={"x": float("inf")}))
    assert gallery.get(first.id).name == "where.mp4"


def test_the_version_tells_content(engine: Engine, gallery: Gallery, tmp_path: Path) -> None:
    seen = [gallery.version]
    add(gallery, 1)
    seen.append(gallery.version)
    add(gallery, 1, seed=5)
    seen.append(gallery.version)
    add(gallery, 2)
    seen.append(gallery.version)
    gallery.remove([make_record(2).id])
    assert len(set(seen)) == 4
    assert gallery.version == seen[2]  # the same videos with the same features again
    gallery.compact()
    assert gallery.version == seen[2]
    assert engine.reopen(tmp_path).version == seen[2]


def test_retrieval_vectors(gallery: Gallery) -> None:
    vectors = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    gallery.add(make_record(1), make_features(1, 5), vectors)
    gallery.add(make_record(2), make_features(2, 5))
    np.testing.assert_array_equal(gallery.vectors(make_record(1).id), vectors)
    assert gallery.vectors(make_record(2).id) is None
    for read in (gallery.vectors, gallery.features, gallery.get):
        with pytest.raises(VideoNotFoundError, match="no-such-id"):
            read("no-such-id")


def test_listing(gallery: Gallery) -> None:
    add(gallery, 1, name="b.mp4", metadata={"camera": 2, "year": 2021})
    add(gallery, 2, name="a.mp4", metadata={"camera": 1, "year": 2019})
    add(gallery, 3, name="c.mp4", metadata={"camera": 2, "year": 2019})
    assert [record.name for record in gallery.videos()] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [record.name for record in gallery.videos(["camera=2", "year<2020"])] == ["c.mp4"]
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        gallery.videos(["camera"])


def test_finding_by_what_people_say(gallery: Gallery) -> None:
    record = add(gallery, 1, name="beach day.mp4", path="/films/beach day.mp4")
    for text in (record.id, record.id[:8], "beach day.mp4", "beach day", "/films/beach day.mp4"):
        assert gallery.find(text).id == record.id
    with pytest.raises(VideoNotFoundError, match=r"did you mean 'beach day.mp4'"):
        gallery.find("beech day.mp4")


def test_a_video_longer_than_one_append(gallery: Gallery) -> None:
    record, features = make_record(1), make_features(1, 40_000)
    gallery.add(record, features)
    assert_holds(gallery, {record.id: (record, features)})


def test_a_transformed_bank(gallery: Gallery) -> None:
    features = {add(gallery, number).id: make_features(number, 5) for number in range(3)}
    doubled = Doubled()
    bank = gallery.bank(doubled)
    assert (bank.values.dtype, bank.fingerprint) == (np.float32, SOURCE.fingerprint)
    assert_bank(bank, features, doubled.apply)
    assert gallery.bank(doubled, dtype="float16").values.dtype == np.float16
    assert gallery.bank(dtype="float32").values.dtype == np.float32
    assert gallery.bank().values.dtype == np.float16
    features[add(gallery, 7).id] = make_features(7, 5)
    assert_bank(gallery.bank(doubled), features, doubled.apply)
    assert [problem for problem in gallery.verify([doubled]) if problem.kind != "file"] == []


def test_a_bank_stays_what_it_was(engine: Engine, gallery: Gallery, tmp_path: Path) -> None:
    before = {add(gallery, number).id: make_features(number, 5) for number in range(3)}
    held = gallery.bank()
    other = engine.reopen(tmp_path)
    add(other, 1, seed=50, n_steps=9)
    other.remove([make_record(0).id])
    assert_bank(other.bank(), {make_record(1).id: make_features(50, 9), make_record(2).id: make_features(2, 5)})
    assert_bank(held, before)
    assert_bank(gallery.bank(), {make_record(1).id: make_features(50, 9), make_record(2).id: make_features(2, 5)})
    assert not held.values.flags.writeable


@pytest.mark.parametrize("seed", [0, 1])
def test_any_history_ends_as_a_dictionary_would(engine: Engine, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    clients = [engine.create(tmp_path), engine.reopen(tmp_path)]
    expected: dict[str, tuple[VideoRecord, FeatureSequence]] = {}
    for moment in range(40):
        client = clients[int(rng.integers(2))]
        action = rng.choice(["add", "add", "add", "remove", "update", "bank", "compact"])
        known = sorted(expected)
        if action == "add":
            record = make_record(int(rng.integers(12)), metadata={"moment": moment})
            features = make_features(1000 + moment, int(rng.integers(1, 30)))
            client.add(record, features)
            expected[record.id] = (record, features)
        elif action == "remove" and known:
            gone = [str(video_id) for video_id in rng.choice(known, size=min(2, len(known)), replace=False)]
            client.remove(gone)
            for video_id in gone:
                del expected[video_id]
        elif action == "update" and known:
            record, features = expected[str(rng.choice(known))]
            record = replace(record, name=f"{moment}.mp4")
            client.update(record)
            expected[record.id] = (record, features)
        elif action == "bank":
            assert_bank(client.bank(), {video_id: features for video_id, (_, features) in expected.items()})
        elif action == "compact":
            client.compact()
    for client in clients:
        assert_holds(client, expected)


def test_readers_see_whole_videos_while_another_writes(engine: Engine, gallery: Gallery, tmp_path: Path) -> None:
    sizes = {3: 17, 4: 33}  # every version of video 1 has one of two lengths, told by its values
    add(gallery, 1, seed=3, n_steps=17)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            writer = engine.reopen(tmp_path)
            for turn in range(12):
                seed = 3 + turn % 2
                add(writer, 1, seed=seed, n_steps=sizes[seed])
                add(writer, 2 + turn)
                if turn % 5 == 4:
                    writer.compact()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    reader = engine.reopen(tmp_path)
    n_reads = 0
    while thread.is_alive() or n_reads < 3:
        n_reads += 1
        kept = reader.features(make_record(1).id)
        seed = {17: 3, 33: 4}[len(kept)]
        assert_same_features(kept, make_features(seed, len(kept)))
        bank = reader.bank()
        for position, video_id in enumerate(bank.video_ids):
            rows = bank.rows(position)
            if video_id == make_record(1).id:
                n_rows = rows.stop - rows.start
                given = make_features({17: 3, 33: 4}[n_rows], n_rows)
                np.testing.assert_array_equal(bank.values[rows], given.values.astype(np.float16))
    thread.join()
    assert failures == []
    assert len(reader.videos()) == 13
