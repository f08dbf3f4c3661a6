"""From what the user points at to features, on a real small gallery with the cheap backbone."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recue.core.errors import ConfigError, MediaError, NotAVideoError, VideoNotFoundError
from recue.core.protocols import Source
from recue.core.segment import Segment
from recue.features import BACKBONES, load_source
from recue.gallery import Gallery, SourceInfo, open_gallery
from recue.search.encode import encode_file
from recue.search.hashing import content_hash, video_id
from recue.search.query import ResolvedQuery, checked_segment, resolve_query
from support.library import PLUGINS, colours, write_colours
from support.videos import write_image, write_video


@dataclass(frozen=True)
class World:
    """A gallery with `kept.mp4` (4 s) and `late.mp4` (4 s, its clock begins at 10); `outside.mp4` is not in it."""

    folder: Path
    gallery: Gallery
    source: Source

    def resolve(self, given: str | Path, **options: Any) -> ResolvedQuery:
        def load() -> Source:
            return self.source

        return resolve_query(given, gallery=self.gallery, load=options.pop("load", load), **options)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGINS))
        patch.setattr(BACKBONES, "_entries", dict(BACKBONES._entries))
        patch.setattr(BACKBONES, "_outside_read", False)
        folder = tmp_path_factory.mktemp("query")
        source = load_source("histogram")
        gallery = open_gallery(folder / "gallery", create=True, source=SourceInfo.of(source))
        write_colours(folder / "kept.mp4", 1)
        write_video(folder / "late.mp4", seconds=4, rate=16, size=(64, 48), pattern=colours(2), start_s=10)
        write_colours(folder / "outside.mp4", 3, seconds=6)
        write_video(folder / "outside-late.mp4", seconds=6, rate=16, size=(64, 48), pattern=colours(3), start_s=10)
        for name in ("kept.mp4", "late.mp4"):
            add(gallery, folder / name, source)
        yield World(folder, gallery, source)


def add(gallery: Gallery, path: Path, source: Source) -> None:
    from recue.core.record import VideoRecord

    encoded, digest, stat = encode_file(path, source), content_hash(path), path.stat()
    gallery.add(
        VideoRecord(
            id=video_id(digest),
            name=path.name,
            path=str(path),
            content_hash=digest,
            size_bytes=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            duration_s=encoded.duration_s,
            start_s=encoded.start_s,
            width=encoded.width,
            height=encoded.height,
            rate=encoded.rate,
            n_steps=len(encoded.features),
            added_at="",
        ),
        encoded.features,
    )


def never() -> Source:
    raise AssertionError("nothing needs to be encoded")


class TestWhatIsMeant:
    def test_a_file_of_the_gallery_is_not_encoded_again(self, world: World) -> None:
        found = world.resolve(world.folder / "kept.mp4", load=never)
        record = world.gallery.find("kept.mp4")
        assert (found.query.kind, found.query.video_id) == ("clip", record.id)
        assert found.query.segment == Segment(0.0, 4.0)
        assert np.array_equal(found.features.values, world.gallery.features(record.id).values)

    @pytest.mark.parametrize("touch", [False, True])
    def test_a_copy_of_it_is_known_by_its_content(self, world: World, tmp_path: Path, touch: bool) -> None:
        copy = tmp_path / "copy.mp4"
        shutil.copy2(world.folder / "kept.mp4", copy)
        if touch:
            os.utime(copy)
        found = world.resolve(copy, load=never)
        assert found.query.video_id == world.gallery.find("kept.mp4").id
        assert found.query.source == str(copy)

    def test_by_name_and_by_id(self, world: World) -> None:
        record = world.gallery.find("kept.mp4")
        for given in ("kept", "kept.mp4", record.id):
            assert world.resolve(given, load=never).query.video_id == record.id

    def test_an_outside_file_is_encoded(self, world: World) -> None:
        found = world.resolve(world.folder / "outside.mp4")
        assert (found.query.kind, found.query.video_id) == ("clip", None)
        expected = encode_file(world.folder / "outside.mp4", world.source).features
        assert np.array_equal(found.features.values, expected.values)
        assert found.features.fingerprint == world.gallery.info.source.fingerprint

    def test_a_changed_file_is_encoded_and_warned_of(self, world: World, tmp_path: Path) -> None:
        path = write_colours(tmp_path / "x.mp4", 8)
        add(world.gallery, path, world.source)
        try:
            write_colours(path, 9)
            found = world.resolve(path)
            assert found.query.video_id is None
            assert "x.mp4 has changed since it was indexed" in found.warnings[0]
        finally:
            world.gallery.remove([world.gallery.find("x.mp4").id])

    def test_neither_file_nor_video(self, world: World) -> None:
        with pytest.raises(VideoNotFoundError, match=r"'keptt\.mp4' is no file, and no video.*did you mean 'kept"):
            world.resolve("keptt.mp4")

    def test_a_folder(self, world: World) -> None:
        with pytest.raises(ConfigError, match="is a folder"):
            world.resolve(world.folder)

    def test_a_text_file(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no video")
        with pytest.raises(NotAVideoError, match=r"notes\.txt"):
            world.resolve(tmp_path / "notes.txt")

    def test_warnings_of_a_damaged_gallery_video_are_passed_on(self, world: World) -> None:
        record = world.gallery.find("late.mp4")
        world.gallery.update(replace(record, warnings=("damaged at 1 s",)))
        assert world.resolve("late").warnings == ("damaged at 1 s",)
        world.gallery.update(record)


class TestStretches:
    def test_of_a_gallery_video(self, world: World) -> None:
        found = world.resolve("kept", from_s=1.0, to_s=2.5, load=never)
        assert (found.query.kind, found.query.segment) == ("range", Segment(1.0, 2.5))
        assert found.features.times_s.tolist() == [1.0, 1.5, 2.0, 2.5]

    def test_of_an_outside_file_equal_those_in_the_whole(self, world: World) -> None:
        for name, start_s in (("outside.mp4", 0.0), ("outside-late.mp4", 10.0)):
            whole = encode_file(world.folder / name, world.source).features
            for from_s, to_s in ((0.0, 1.0), (2.0, 4.5), (3.3, 3.9), (5.4, 6.0), (4.02, 4.05)):
                asked = Segment(start_s + from_s, start_s + to_s)
                found = world.resolve(world.folder / name, from_s=asked.start_s, to_s=asked.end_s)
                expected = whole.between(asked)
                assert found.features.times_s == pytest.approx(expected.times_s), (name, from_s, to_s)
                assert np.array_equal(found.features.values, expected.values), (name, from_s, to_s)
                assert found.query.segment == asked

    def test_of_an_outside_file_decode_that_stretch_alone(self, world: World, monkeypatch: Any) -> None:
        asked: list[Segment | None] = []
        original = encode_file

        def spy(*args: Any, **options: Any) -> Any:
            asked.append(options.get("segment"))
            return original(*args, **options)

        monkeypatch.setattr("recue.search.query.encode_file", spy)
        world.resolve(world.folder / "outside.mp4", from_s=3.0, to_s=3.5)
        assert asked[0] is not None
        assert asked[0].duration_s < 4

    def test_a_very_short_one_gives_a_step(self, world: World) -> None:
        assert len(world.resolve("kept", from_s=1.2, to_s=1.21).features) == 1
        assert len(world.resolve(world.folder / "outside.mp4", from_s=1.2, to_s=1.21).features) == 1

    def test_open_ends(self, world: World) -> None:
        assert world.resolve("kept", from_s=3.0).query.segment == Segment(3.0, 4.0)
        assert world.resolve("late", to_s=11.0).query.segment == Segment(10.0, 11.0)

    @pytest.mark.parametrize("given", ["late.mp4", "outside-late.mp4"])
    def test_outside_the_video_is_refused(self, world: World, given: str) -> None:
        path = world.folder / given
        end = "14.00" if given == "late.mp4" else "16.00"
        with pytest.raises(ConfigError, match=f"--to 99.00 lies after the end {end} of {given}"):
            world.resolve(path, from_s=11, to_s=99)
        with pytest.raises(ConfigError, match=f"--from 2.00 lies before the start 10.00 of {given}"):
            world.resolve(path, from_s=2)
        with pytest.raises(ConfigError, match="ends after it starts"):
            world.resolve(path, from_s=12, to_s=11)

    def test_bounds_may_be_rounded(self) -> None:
        whole = Segment(0.0, 5.28)
        assert checked_segment(-0.01, 5.3, whole=whole, name="x") == whole

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_no_number(self, bad: float) -> None:
        with pytest.raises(ConfigError, match="--from is a number of seconds"):
            checked_segment(bad, None, whole=Segment(0.0, 1.0), name="x")


class TestPictures:
    def test_a_picture_is_found_out(self, world: World, tmp_path: Path) -> None:
        image = colours(1)(0, 0)  # type: ignore[arg-type]
        path = write_image(tmp_path / "still.png", image)
        found = world.resolve(path)
        assert (found.query.kind, found.query.segment) == ("image", None)
        assert len(found.features) == 1
        first = world.gallery.features(world.gallery.find("kept").id).values[0]
        assert found.features.values[0] == pytest.approx(first, abs=0.2)

    def test_a_picture_has_no_stretch(self, world: World, tmp_path: Path) -> None:
        path = write_image(tmp_path / "still.png", colours(1)(0, 0))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="it has no --from"):
            world.resolve(path, from_s=1.0)
        with pytest.raises(ConfigError, match="leave --to out"):
            world.resolve(path, to_s=1.0)

    @pytest.mark.parametrize(("given", "at_s"), [("outside.mp4", 2.75), ("outside.mp4", 6.0), ("late.mp4", 11.75)])
    def test_a_picture_of_a_video(self, world: World, given: str, at_s: float) -> None:
        found = world.resolve(world.folder / given, from_s=at_s, image=True)
        whole = encode_file(world.folder / given, world.source).features
        at = min(at_s, float(whole.times_s[-1]) - 0.01)
        expected = whole.values[int(np.searchsorted(whole.times_s, at, side="right")) - 1]
        # Colours last as long as steps, so every picture of a step looks like its mean.
        assert found.features.values[0] == pytest.approx(expected, abs=0.05)
        assert found.query.kind == "image"
        assert found.query.segment is not None
        assert abs(found.query.segment.start_s - at_s) < 0.2
        assert (found.query.video_id is not None) == (given == "late.mp4")

    def test_the_first_picture_by_default(self, world: World) -> None:
        found = world.resolve("kept", image=True)
        assert found.query.segment is not None
        assert found.query.segment.start_s == 0.0


class TestFeatureFiles:
    @pytest.fixture
    def made_elsewhere(self, tmp_path: Path) -> Callable[..., ResolvedQuery]:
        source = load_source("precomputed:step_s=0.5")
        gallery = open_gallery(tmp_path / "gallery", create=True, source=replace(SourceInfo.of(source), dim=4))
        values = np.arange(40, dtype=np.float32).reshape(10, 4)
        np.save(tmp_path / "a.npy", values)
        np.save(tmp_path / "b.npy", values + 1)
        add(gallery, tmp_path / "a.npy", source)
        return lambda given, **options: resolve_query(given, gallery=gallery, load=lambda: source, **options)

    def test_a_feature_file(self, made_elsewhere: Any, tmp_path: Path) -> None:
        found = made_elsewhere(tmp_path / "b.npy", from_s=1.0, to_s=2.0)
        assert (found.query.kind, found.query.segment) == ("features", Segment(1.0, 2.0))
        assert found.features.values[:, 0].tolist() == [9.0, 13.0]

    def test_of_the_gallery(self, made_elsewhere: Any, tmp_path: Path) -> None:
        assert made_elsewhere(tmp_path / "a.npy").query.video_id is not None
        assert len(made_elsewhere("a").features) == 10

    def test_a_video_cannot_be_encoded(self, made_elsewhere: Any, world: World, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="give a feature file"):
            made_elsewhere(world.folder / "outside.mp4")
        with pytest.raises(ConfigError, match="cannot encode a picture"):
            made_elsewhere("a", image=True)


def test_a_video_of_which_nothing_decodes(world: World, tmp_path: Path) -> None:
    data = bytearray((world.folder / "outside.mp4").read_bytes())
    start = data.index(b"mdat") + 4
    stop = data.index(b"moov") - 4 if data.index(b"moov") > start else len(data)
    data[start:stop] = bytes(stop - start)
    (tmp_path / "blank.mp4").write_bytes(bytes(data))
    with pytest.raises(MediaError, match=r"blank\.mp4"):
        world.resolve(tmp_path / "blank.mp4")


def test_memory_is_flat_in_the_length(world: World, tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for seconds in (30, 240):  # 1,680 frames of 3 kB more
        path = tmp_path / f"{seconds}.mp4"
        write_video(path, seconds=seconds, rate=8, size=(64, 48), pattern=colours(5), keyint=64)
        tracemalloc.start()
        encode_file(path, world.source)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1_000_000
