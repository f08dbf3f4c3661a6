"""Hashing, prefetching, metadata, stop signals: the small parts of an ingest."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recue.core.errors import ConfigError, MediaError
from recue.search.hashing import content_hash
from recue.search.interrupt import StopSignals
from recue.search.metadata import metadata_for, read_metadata_file
from recue.search.prefetch import prefetched


class TestHashing:
    def test_is_blake2b_256_of_the_bytes(self, tmp_path: Path) -> None:
        data = os.urandom(9 << 20)  # more than two pieces
        (tmp_path / "a").write_bytes(data)
        assert content_hash(tmp_path / "a") == hashlib.blake2b(data, digest_size=32).hexdigest()

    def test_an_absent_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"gone\.mp4' cannot be read"):
            content_hash(tmp_path / "gone.mp4")

    def test_can_be_stopped(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"1")
        with pytest.raises(InterruptedError):
            content_hash(tmp_path / "a", stop=lambda: True)


class TestPrefetch:
    def test_same_items_same_order(self) -> None:
        assert list(prefetched(range(100), depth=3)) == list(range(100))

    def test_runs_ahead_and_no_further_than_depth(self) -> None:
        made: list[int] = []

        def items() -> Iterator[int]:
            for n in range(50):
                made.append(n)
                yield n

        ahead = prefetched(items(), depth=4)
        next(ahead)
        deadline = time.monotonic() + 5
        while len(made) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(made) == 6  # one taken, four waiting, one in hand
        ahead.close()  # type: ignore[attr-defined]

    def test_an_error_comes_after_the_items_before_it(self) -> None:
        def items() -> Iterator[int]:
            yield 1
            raise MediaError("damaged")

        ahead = prefetched(items())
        assert next(ahead) == 1
        with pytest.raises(MediaError, match="damaged"):
            next(ahead)

    def test_closing_ends_the_thread_and_closes_the_items(self) -> None:
        closed = threading.Event()

        def items() -> Iterator[int]:
            try:
                yield from range(1_000_000)
            finally:
                closed.set()

        ahead = prefetched(items(), depth=2)
        next(ahead)
        ahead.close()  # type: ignore[attr-defined]
        assert closed.wait(2)
        assert not [thread for thread in threading.enumerate() if thread.name == "recue-prefetch"]


class TestMetadata:
    def test_none_is_empty(self) -> None:
        assert metadata_for(None, Path("a.mp4")) == {}

    @pytest.mark.parametrize("bad", [["a"], {1: 2}, {"a": {1, 2}}, {"a": float("nan")}])
    def test_what_json_cannot_hold_is_refused(self, bad: object) -> None:
        with pytest.raises(ConfigError, match=r"metadata of a\.mp4"):
            metadata_for(lambda path: bad, Path("a.mp4"))  # type: ignore[arg-type, return-value]

    def test_json_file_by_path_name_or_stem(self, tmp_path: Path) -> None:
        file = tmp_path / "m.json"
        file.write_text('{"/v/a.mp4": {"n": 1}, "a.mp4": {"n": 2}, "b": {"n": 3}}')
        look_up = read_metadata_file(file)
        found = [look_up(Path(path)) for path in ("/v/a.mp4", "/w/a.mp4", "/v/b.mov", "/v/c.mp4")]
        assert found == [{"n": 1}, {"n": 2}, {"n": 3}, {}]

    def test_csv_file(self, tmp_path: Path) -> None:
        file = tmp_path / "m.csv"
        file.write_text('﻿video,camera,note\na.mp4,2,"one, two\nlines"\nb.mp4,,\n', encoding="utf-8")
        look_up = read_metadata_file(file)
        assert look_up(Path("a.mp4")) == {"camera": "2", "note": "one, two\nlines"}
        assert look_up(Path("b.mp4")) == {}

    @pytest.mark.parametrize(
        ("name", "content"),
        [("a.json", "[1]"), ("a.json", "{"), ("a.json", '{"a": 1}'), ("a.csv", ""), ("a.csv", "v,w\na\n")],
    )
    def test_a_bad_file_is_named(self, tmp_path: Path, name: str, content: str) -> None:
        (tmp_path / name).write_text(content)
        with pytest.raises(ConfigError, match=name):
            read_metadata_file(tmp_path / name)

    def test_an_absent_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"gone\.json"):
            read_metadata_file(tmp_path / "gone.json")


class TestStopSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_first_only_asks(self, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        with StopSignals() as signals:
            assert not signals.asked()
            signal.raise_signal(number)
            assert signals.asked()
        assert signal.getsignal(number) is before

    def test_the_second_interrupts(self) -> None:
        with StopSignals():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    def test_in_another_thread_it_stays_out_of_the_way(self) -> None:
        asked: list[bool] = []

        def run() -> None:
            with StopSignals() as signals:
                asked.append(signals.asked())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert asked == [False]
