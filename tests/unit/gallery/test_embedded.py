import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest

from recue.core.errors import GalleryError
from recue.gallery import Gallery, embedded, open_gallery, store
from recue.gallery.lock import exclusive
from recue.gallery.store import Store
from recue.gallery.tables import UnsteadyReadError
from support.galleries import SOURCE, Doubled, make_features, make_record


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "gallery"


@pytest.fixture
def gallery(place: Path) -> Gallery:
    gallery = open_gallery(place, create=True, source=SOURCE)
    for number in range(3):
        gallery.add(make_record(number), make_features(number, 4 + number))
    return gallery


def steps_table(place: Path) -> Any:
    return lancedb.connect(next(place.glob("tables-*"))).open_table("steps")


def damage_of(gallery: Gallery) -> list[tuple[str, str | None]]:
    return [(problem.kind, problem.video_id) for problem in gallery.verify([Doubled()]) if problem.kind != "file"]


class KilledError(BaseException):
    """Stands for a process that ends in the middle of a transaction."""


@pytest.mark.parametrize("moment", ["before publish", "after publish", "between appends"])
@pytest.mark.parametrize("number", [1, 7], ids=["replace", "new"])
def test_death_inside_an_add(
    gallery: Gallery, place: Path, monkeypatch: pytest.MonkeyPatch, moment: str, number: int
) -> None:
    video_id, before = make_record(number).id, {record.id for record in gallery.videos()}
    real_publish, real_append = Store.publish, Store.append_steps

    def publish(self: Store, rows: Any) -> None:
        if moment == "after publish":
            real_publish(self, rows)
        raise KilledError

    def append(self: Store, block: Any) -> None:
        real_append(self, block)
        if moment == "between appends":
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Store, "publish", publish)
        patch.setattr(Store, "append_steps", append)
        with pytest.raises(KilledError):
            gallery.add(make_record(number), make_features(50, 9))
    published = moment == "after publish"
    for client in (gallery, open_gallery(place)):
        assert {record.id for record in client.videos()} == (before | {video_id} if published else before)
        if video_id in client.bank().video_ids:
            seed, n_steps = (50, 9) if published else (1, 5)
            np.testing.assert_array_equal(
                client.features(video_id).values, make_features(seed, n_steps).values.astype(np.float16)
            )
        left_over = [] if published and number == 7 else [("orphan", None)]
        assert damage_of(client) == left_over
    open_gallery(place).add(make_record(8), make_features(8, 3))
    assert damage_of(gallery) == []
    assert steps_table(place).count_rows() == sum(record.n_steps for record in gallery.videos())


def test_death_inside_a_removal(gallery: Gallery, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drop(self: Store, revisions: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Store, "drop_steps", drop)
        with pytest.raises(KilledError):
            gallery.remove([make_record(1).id])
    assert [record.id for record in open_gallery(place).videos()] == [make_record(0).id, make_record(2).id]
    assert damage_of(gallery) == [("orphan", None)]
    gallery.compact()
    assert damage_of(gallery) == []


def test_a_second_writer_is_told(gallery: Gallery, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WRITER_TIMEOUT_S", 0.05)
    with exclusive(place / "writer.lock", timeout_s=1, what="test"):
        with pytest.raises(GalleryError, match="another process"):
            gallery.add(make_record(9), make_features(9, 3))
        assert len(gallery.videos()) == 3  # reading goes on
        assert gallery.bank().n_steps == 15


def test_many_small_adds_are_merged_and_found_by_an_index(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_VIDEO_FRAGMENTS", 5)
    monkeypatch.setattr(store, "MAX_STEP_FRAGMENTS", 7)
    monkeypatch.setattr(store, "MIN_INDEXED_ROWS", 20)
    gallery = open_gallery(place, create=True, source=SOURCE)
    for number in range(20):
        gallery.add(make_record(number), make_features(number, 4))
    table = steps_table(place)
    assert len(table.list_indices()) == 1
    assert table.stats()["fragment_stats"]["num_fragments"] <= 8
    for number in range(20):
        expected = make_features(number, 4).values.astype(np.float16)
        np.testing.assert_array_equal(gallery.features(make_record(number).id).values, expected)
    gallery.remove([make_record(number).id for number in range(15)])
    gallery.compact()
    assert damage_of(gallery) == []
    assert gallery.bank().n_steps == 20


def test_compaction_frees_what_was_replaced(place: Path) -> None:
    gallery = open_gallery(place, create=True, source=SOURCE)
    for seed in range(6):
        gallery.add(make_record(1), make_features(seed, 2000))
    before = gallery.stats().features_bytes
    gallery.compact()
    after = gallery.stats().features_bytes
    assert after < 1.5 * 2000 * (SOURCE.dim * 2 + 28) < before


def test_a_reader_whose_files_are_cleaned_up_looks_again(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = Store.steps, [True, True]

    def steps(self: Store, revisions: Any = None) -> Any:
        if failures:
            failures.pop()
            raise UnsteadyReadError("file not found")
        return real(self, revisions)

    monkeypatch.setattr(Store, "steps", steps)
    assert len(gallery.features(make_record(0).id)) == 4


def lose_a_step(place: Path) -> None:
    steps_table(place).delete("step = 1 AND start_s < 2")


def damage_rows(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Rewrite the rows of the second video, changed."""

    def damage(place: Path) -> None:
        table = steps_table(place)
        database = lancedb.connect(next(place.glob("tables-*")))
        n_steps = make_record(1).n_steps or 5
        rows = database.open_table("videos").search().where(f"id = '{make_record(1).id}'").to_list()
        revision = rows[0]["revision"]
        old = table.search().where(f"revision = {revision}").to_arrow().to_pylist()
        assert len(old) == n_steps
        for row in old:
            change(row)
        table.delete(f"revision = {revision}")
        import pyarrow as pa

        table.add(pa.Table.from_pylist(old, schema=table.schema))

    return damage


def not_finite(row: dict[str, Any]) -> None:
    if row["step"] == 2:
        row["vector"] = [float("inf")] * SOURCE.dim


def twice(row: dict[str, Any]) -> None:
    row["step"] = min(row["step"], 3)


def backwards(row: dict[str, Any]) -> None:
    row["start_s"], row["end_s"] = -row["end_s"], -row["start_s"]


def beyond(row: dict[str, Any]) -> None:
    row["step"] += 1


@pytest.mark.parametrize("change", [not_finite, twice, backwards, beyond])
def test_verify_finds_damage(gallery: Gallery, place: Path, change: Callable[[dict[str, Any]], None]) -> None:
    damage_rows(change)(place)
    assert damage_of(gallery) == [("features", make_record(1).id)]
    with pytest.raises(GalleryError, match=r"video-1\.mp4.*recue remove"):
        gallery.features(make_record(1).id)


def test_verify_finds_lost_steps(gallery: Gallery, place: Path) -> None:
    lose_a_step(place)
    assert {kind for kind, _ in damage_of(gallery)} == {"features"}
    with pytest.raises(GalleryError, match="damaged"):
        gallery.bank()


def test_a_lost_file_of_the_database_is_told_with_the_way_out(gallery: Gallery, place: Path) -> None:
    for path in next(place.glob("tables-*")).glob("steps.lance/data/*"):
        path.unlink()
    with pytest.raises(GalleryError, match=r"reading features.*recue index --rebuild") as told:
        open_gallery(place).features(make_record(1).id)
    assert ".rs:" not in str(told.value)


def test_verify_compares_the_banks(gallery: Gallery, place: Path) -> None:
    gallery.bank()
    gallery.bank(Doubled())
    assert damage_of(gallery) == []
    for path in gallery.derived_dir.glob("banks/*/values-*"):
        with open(path, "r+b") as file:
            file.seek(20)
            file.write(b"\x00\x40\x00\x40")
    assert damage_of(gallery) == [("derived", None), ("derived", None)]
    shutil.rmtree(gallery.derived_dir)
    assert damage_of(gallery) == []
    open_gallery(place).bank()
    for path in gallery.derived_dir.glob("banks/*/bounds-*"):
        with open(path, "r+b") as file:
            file.write(b"\x01")
    assert damage_of(gallery) == [("derived", None)]


def test_verify_looks_at_the_files(gallery: Gallery, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"1234")
    gallery.remove([make_record(n).id for n in range(3)])
    stat = film.stat()
    record = make_record(5, path=str(film), size_bytes=4, mtime_ns=stat.st_mtime_ns)
    gallery.add(record, make_features(5, 3))
    assert gallery.verify() == []
    os.utime(film, ns=(1, 1))
    [problem] = gallery.verify()
    assert (problem.kind, problem.path, problem.is_damage) == ("file", str(film), False)
    assert "changed" in problem.message
    film.unlink()
    assert "gone" in gallery.verify()[0].message


def test_statistics(gallery: Gallery) -> None:
    gallery.bank()
    stats = gallery.stats()
    assert (stats.n_videos, stats.n_steps, stats.duration_s) == (3, 15, 60.0 + 61.0 + 62.0)
    assert stats.derived_bytes >= 15 * (SOURCE.dim * 2 + 16)
    assert stats.features_bytes > 15 * SOURCE.dim * 2
    assert stats.total_bytes == stats.catalogue_bytes + stats.features_bytes + stats.derived_bytes
