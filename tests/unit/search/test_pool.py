"""How many workers, and what happens when none can be started; what it costs, said beforehand."""

import json
from pathlib import Path

import pytest

from recue.core.errors import GalleryError, MissingExtraError, RecueError, UnknownNameError, WeightsError
from recue.features import load_source
from recue.search.estimate import learn_speed, learnt_speed, require_room, with_estimates
from recue.search.ingest import Ingest
from recue.search.measure import measured_speed
from recue.search.messages import Died, Done, Failed, LoadFailed, Progress
from recue.search.pool import WorkerPool, default_workers, usable_cores
from recue.search.report import IngestEvent, IngestPlan, PlannedFile
from recue.search.schedule import Retried, encode_files
from support.library import grey, write_colours
from support.videos import write_video

GB = 1 << 30
FILE = PlannedFile(Path("/v/a.mp4"), "new", size_bytes=10, duration_s=100.0)


class TestHowManyWorkers:
    def test_one_a_core_for_many_files(self) -> None:
        assert default_workers([10.0] * 50, n_cores=4, free_bytes=64 * GB) == 4

    def test_no_more_than_files(self) -> None:
        assert default_workers([10.0] * 2, n_cores=8, free_bytes=64 * GB) == 2

    def test_one_for_one_long_file_among_short_ones(self) -> None:
        assert default_workers([1000.0, 10.0, 10.0], n_cores=2, free_bytes=64 * GB) == 1

    def test_two_for_two_that_are_about_as_long(self) -> None:
        assert default_workers([100.0, 90.0], n_cores=2, free_bytes=64 * GB) == 2

    def test_no_more_than_fit_into_memory(self) -> None:
        assert default_workers([10.0] * 50, n_cores=30, free_bytes=5 * GB) == 5
        assert default_workers([10.0] * 50, n_cores=32, free_bytes=GB // 2) == 1

    def test_files_of_unknown_length_count_alike(self) -> None:
        assert default_workers([0.0] * 9, n_cores=4, free_bytes=64 * GB) == 4

    def test_at_least_one(self) -> None:
        assert default_workers([]) == 1
        assert usable_cores() >= 1


def test_an_idle_worker_goes_with_its_parent() -> None:
    with WorkerPool("i3d", threads=1) as pool:
        worker = pool.start()
        while not worker.ready:
            list(pool.listen(1.0))
        worker.connection.close()
        assert worker.process.wait(timeout=10) == 1
        pool.workers.remove(worker)


def test_the_news_never_goes_back() -> None:
    events: list[IngestEvent] = []
    ingest = Ingest(None, IngestPlan((FILE,), total_s=100.0), None, events.append)  # type: ignore[arg-type]
    ingest.carry_out([(FILE, Progress(60.0)), (FILE, Retried("died")), (FILE, Progress(10.0)), (FILE, Failed("bad"))])
    assert [event.kind for event in events] == ["progress", "retried", "progress", "failed"]
    assert [event.done_s for event in events] == [60.0, 60.0, 60.0, 100.0]
    assert [event.n_done for event in events] == [0, 0, 0, 1]


def test_a_worker_that_hangs_costs_its_file_alone(tmp_path: Path, histogram: str) -> None:
    hanging, good = tmp_path / "hanging.mp4", tmp_path / "good.mp4"
    write_video(hanging, seconds=3, rate=16, size=(64, 48), pattern=grey(200))
    write_colours(good, 1)
    files = [
        PlannedFile(path, "new", size_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns, duration_s=3.0)
        for path in (hanging, good)
        for stat in [path.stat()]
    ]
    source = load_source("histogram:hang_on=200")
    with WorkerPool(source.name, threads=1) as pool:
        told = encode_files(files, pool, n_workers=1, fingerprint=source.fingerprint, stop=lambda: False, stalled_s=1.5)
        ends = {file.path: outcome for file, outcome in told if isinstance(outcome, Done | Failed)}
    assert isinstance(ends[good], Done)
    failed = ends[hanging]
    assert isinstance(failed, Failed)
    assert "nothing came of it for 1.5 s" in failed.reason
    assert str(hanging) in failed.reason


class TestWorkersThatDoNotStart:
    def test_an_unknown_backbone_is_the_same_error_as_here(self) -> None:
        with WorkerPool("nonsense", threads=1) as pool, pytest.raises(UnknownNameError, match="nonsense"):
            list(encode_files([FILE], pool, n_workers=1, fingerprint="x", stop=lambda: False))

    def test_workers_that_die_at_once_end_the_ingest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.executable", "/bin/false")
        with WorkerPool("i3d", threads=1) as pool, pytest.raises(RecueError, match="cannot be started"):
            list(encode_files([FILE], pool, n_workers=2, fingerprint="x", stop=lambda: False))

    @pytest.mark.parametrize(
        "error", [WeightsError("w"), UnknownNameError("n"), MissingExtraError("onnx", "onnx", "this")]
    )
    def test_errors_survive_the_journey(self, error: RecueError) -> None:
        again = LoadFailed.of(error).error()
        assert type(again) is type(error)
        assert str(again) == str(error)

    def test_other_errors_become_ours(self) -> None:
        assert str(LoadFailed.of(KeyError("x")).error()) == "KeyError: 'x'"

    def test_how_a_worker_died_is_said(self) -> None:
        assert "signal 9; the system may have run out of memory" in Died(-9).reason
        assert "signal 11" in Died(-11).reason
        assert "status 3" in Died(3).reason


class TestMeasuring:
    def plan(self, path: Path, *, total_s: float) -> IngestPlan:
        stat = path.stat()
        file = PlannedFile(path, "new", size_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns, duration_s=4.0)
        return IngestPlan((file,), total_s=total_s)

    def test_a_long_ingest_is_measured_first(self, tmp_path: Path, histogram: str) -> None:
        path = write_colours(tmp_path / "a.mp4", 1)  # 32 frames of 20 ms: no faster than 6.25 times real time
        source = load_source("histogram:delay_ms=20")
        speed = measured_speed(source, self.plan(path, total_s=1000.0), n_workers=2, threads=1)
        assert speed is not None
        assert 0.5 < speed < 12.5

    def test_a_short_one_is_not(self, tmp_path: Path, histogram: str) -> None:
        path = write_colours(tmp_path / "a.mp4", 1)
        assert measured_speed(load_source(histogram), self.plan(path, total_s=4.0), n_workers=1, threads=1) is None

    @pytest.mark.parametrize("content", ["no video", ""])
    def test_a_bad_file_tells_nothing(self, tmp_path: Path, histogram: str, content: str) -> None:
        (tmp_path / "a.mp4").write_text(content)
        plan = self.plan(tmp_path / "a.mp4", total_s=1000.0)
        assert measured_speed(load_source(histogram), plan, n_workers=1, threads=1) is None


class TestEstimates:
    def test_disk_is_steps_times_dim_times_two_bytes_and_a_little(self, tmp_path: Path) -> None:
        plan = IngestPlan((FILE,), total_s=100.0)
        made = with_estimates(plan, dim=1024, step_s=0.5, times_real_time=10.0, location=tmp_path / "not" / "yet")
        assert made.estimated_s == pytest.approx(10.0)
        assert made.estimated_bytes is not None
        assert 200 * 1024 * 2 < made.estimated_bytes < 200 * 1024 * 2 * 1.1
        assert made.free_bytes is not None

    def test_unknown_stays_unknown(self, tmp_path: Path) -> None:
        plan = IngestPlan((FILE,), total_s=100.0)
        made = with_estimates(plan, dim=None, step_s=None, times_real_time=None, location=tmp_path)
        assert (made.estimated_s, made.estimated_bytes) == (None, None)
        require_room(made, tmp_path)

    def test_nothing_to_do_takes_no_time(self, tmp_path: Path) -> None:
        made = with_estimates(IngestPlan(()), dim=4, step_s=1.0, times_real_time=None, location=tmp_path)
        assert (made.estimated_s, made.estimated_bytes) == (0.0, 0)

    def test_too_little_room_says_how_much(self, tmp_path: Path) -> None:
        plan = IngestPlan((FILE,), estimated_bytes=80_000_000, free_bytes=100_000_000)
        with pytest.raises(GalleryError, match="1 videos need about 160 MB, but only 100 MB are free"):
            require_room(plan, tmp_path)

    def test_speed_is_learnt_from_longer_runs(self, recue_home: Path) -> None:
        assert learnt_speed("a") is None
        learn_speed("a", indexed_s=5.0, elapsed_s=1.0)
        assert learnt_speed("a") is None
        learn_speed("a", indexed_s=100.0, elapsed_s=10.0)
        learn_speed("b", indexed_s=100.0, elapsed_s=50.0)
        assert (learnt_speed("a"), learnt_speed("b")) == (10.0, 2.0)

    @pytest.mark.parametrize("content", ["{", "[]", '{"a": "x"}', '{"a": -1.0}'])
    def test_a_damaged_memory_of_speed_is_no_error(self, recue_home: Path, content: str) -> None:
        (recue_home / "ingest-speed.json").write_text(content)
        assert learnt_speed("a") is None
        learn_speed("a", indexed_s=100.0, elapsed_s=10.0)
        assert learnt_speed("a") == 10.0
        assert json.loads((recue_home / "ingest-speed.json").read_text())["a"] == 10.0
