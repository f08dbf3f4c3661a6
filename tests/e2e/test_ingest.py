"""Ingest with real worker processes: whole or not at all, resumed after a kill, outliving bad files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import recue
from recue.core.errors import ConfigError, FingerprintError, GalleryError, MediaError, WeightsError
from recue.search.library import Library
from recue.search.report import IngestEvent
from support.library import PLUGINS, grey, histogram, write_colours
from support.videos import write_video

__all__ = ["histogram"]

TESTS = Path(__file__).resolve().parents[1]

#: Index a folder in a process of its own, saying what happens; the report, or what interrupted it, comes last.
SCRIPT = """
import dataclasses, json, sys, recue
def tell(event):
    print(event.kind, event.path.rpartition("/")[2], flush=True)
library = recue.open(sys.argv[2])
try:
    report = library.index(sys.argv[1], backbone=sys.argv[3], workers=2, threads=1, progress=tell)
except recue.IngestInterrupted as stop:
    report = stop.report
print(json.dumps(dataclasses.asdict(report)), flush=True)
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve videos of two seconds."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(12):
        write_colours(folder / f"{seed:02}.mp4", seed, seconds=2)
    return folder


@pytest.fixture
def few(clips: Path, tmp_path: Path) -> Path:
    """Four of them, to change at will."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("00.mp4", "01.mp4", "02.mp4", "03.mp4"):
        shutil.copy2(clips / name, folder)
    return folder


def environment() -> dict[str, str]:
    """Ours, with the cheap backbone on the import path."""
    inherited = os.environ.get("PYTHONPATH")
    path = [str(TESTS), str(PLUGINS), *([inherited] if inherited else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


@contextmanager
def indexing(folder: Path, gallery: Path, spec: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(gallery), spec],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], kind: str, n: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        n -= line.startswith(kind)
        if n == 0:
            return
    raise AssertionError(f"it ended before '{kind}'")


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids: list[int], *, within_s: float) -> bool:
    def running(pid: int) -> bool:
        try:
            return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False

    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(running(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def names(paths: tuple[str, ...]) -> list[str]:
    return [Path(path).name for path in paths]


def assert_whole(library: Library) -> None:
    """Every listed video has all its features, and they are what encoding it gives."""
    assert [problem for problem in library.info(verify=True).problems if problem.is_damage] == []
    for record in library.videos():
        features = library.gallery.features(record.id)
        assert len(features) == record.n_steps == 4


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks processes up in /proc")
def test_killed_half_way_it_goes_on_from_there(clips: Path, tmp_path: Path, histogram: str) -> None:
    gallery = tmp_path / "gallery"
    with indexing(clips, gallery, "histogram:delay_ms=40") as process:
        wait_for(process, "added", 3)
        workers = children(process.pid)
        assert len(workers) == 2
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)  # or they would be done before we have looked
        # A search may run meanwhile: what it sees is whole.
        reader = recue.open(gallery)
        assert len(reader.videos()) >= 3
        assert_whole(reader)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        assert gone(workers, within_s=5)

    library = recue.open(gallery)
    kept = {record.name for record in library.videos()}
    assert 3 <= len(kept) < 12
    assert_whole(library)
    report = library.index(clips, threads=1)
    assert set(names(report.unchanged)) == kept
    assert len(report.added) == 12 - len(kept)
    assert len(library.videos()) == 12
    assert_whole(library)


def test_interrupted_it_stops_at_once_and_keeps_what_it_has(clips: Path, tmp_path: Path, histogram: str) -> None:
    with indexing(clips, tmp_path / "gallery", "histogram:delay_ms=30") as process:
        wait_for(process, "added", 1)
        workers = children(process.pid)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert time.monotonic() - asked < 5
        assert process.returncode == 0
        report = json.loads(out.splitlines()[-1])
        assert gone(workers, within_s=1)
    assert report["interrupted"]
    library = recue.open(tmp_path / "gallery")
    assert sorted(report["added"]) == sorted(record.path for record in library.videos())
    assert 1 <= len(report["added"]) < 12
    assert_whole(library)


def test_a_bad_file_does_not_stop_the_others(few: Path, tmp_path: Path, histogram: str) -> None:
    (few / "empty.mp4").touch()
    (few / "text.mp4").write_text("no video at all")
    whole = (few / "03.mp4").read_bytes()
    (few / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    library = recue.open(tmp_path / "gallery")
    report = library.index(few, backbone=histogram, threads=1)
    assert {"00.mp4", "01.mp4", "02.mp4", "03.mp4"} <= set(names(report.added))
    assert {Path(failed.path).name for failed in report.failed} >= {"empty.mp4", "text.mp4"}
    assert all(Path(failed.path).name in failed.reason for failed in report.failed)
    # They are tried again, and the others are not.
    write_colours(few / "text.mp4", 77, seconds=2)
    assert names(library.index(few).added) == ["text.mp4"]


def test_a_worker_that_dies_costs_its_file_alone(few: Path, tmp_path: Path, histogram: str) -> None:
    write_video(few / "deadly.mp4", seconds=3, rate=16, size=(64, 48), pattern=grey(200))
    events: list[IngestEvent] = []
    library = recue.open(tmp_path / "gallery")
    report = library.index(few, backbone="histogram:die_on=200", workers=2, threads=1, progress=events.append)
    assert len(report.added) == 4
    (failed,) = report.failed
    assert Path(failed.path).name == "deadly.mp4"
    assert "ended by signal 9" in failed.reason
    assert [Path(event.path).name for event in events if event.kind == "retried"] == ["deadly.mp4"]
    assert_whole(library)


def test_a_worker_that_dies_once_costs_nothing(
    few: Path, tmp_path: Path, histogram: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(few / "deadly.mp4", seconds=2, rate=16, size=(64, 48), pattern=grey(200))
    monkeypatch.setenv("RECUE_TEST_DIE_ONCE", str(tmp_path / "died"))
    library = recue.open(tmp_path / "gallery")
    report = library.index(few, backbone="histogram:die_on=200", workers=2, threads=1)
    assert (len(report.added), report.failed) == (5, ())
    assert_whole(library)


def test_moved_changed_missing_and_duplicate(few: Path, tmp_path: Path, histogram: str) -> None:
    library = recue.open(tmp_path / "gallery")
    library.index(few, backbone=histogram, threads=1, metadata=lambda path: {"was": path.name})
    before = {record.name: record for record in library.videos()}
    version = library.gallery.version

    (few / "00.mp4").rename(few / "moved.mp4")
    write_colours(few / "01.mp4", 99, seconds=3)
    (few / "02.mp4").unlink()
    shutil.copy(few / "03.mp4", few / "copy.mp4")
    report = library.index(few, threads=1, metadata={"run": 2})

    assert names(report.moved) == ["moved.mp4"]
    assert names(report.replaced) == ["01.mp4"]
    assert names(report.missing) == ["02.mp4"]
    assert names(report.duplicates) == ["copy.mp4"]
    assert names(report.unchanged) == ["03.mp4"]
    assert (report.added, report.removed, report.failed) == ((), (), ())
    assert report.indexed_s == pytest.approx(3.0)

    after = {record.name: record for record in library.videos()}
    assert sorted(after) == ["01.mp4", "02.mp4", "03.mp4", "moved.mp4"]
    assert after["moved.mp4"].id == before["00.mp4"].id
    assert after["01.mp4"].id != before["01.mp4"].id
    assert after["01.mp4"].duration_s == pytest.approx(3.0)
    assert after["01.mp4"].metadata == {"was": "01.mp4", "run": 2}
    assert after["moved.mp4"].metadata == {"was": "00.mp4", "run": 2}
    assert library.gallery.version != version

    assert names(library.index(few, prune=True).removed) == ["02.mp4"]
    assert len(library.videos()) == 3
    assert [record.name for record in library.videos(["run=2"])] == ["01.mp4", "03.mp4", "moved.mp4"]
    assert [record.name for record in library.remove(["moved", "03.mp4"])] == ["moved.mp4", "03.mp4"]


def test_the_plan_says_what_will_happen(few: Path, tmp_path: Path, histogram: str) -> None:
    library = recue.open(tmp_path / "gallery")
    plan = library.plan(few, backbone=histogram)
    assert (plan.n_new, plan.n_bad, plan.total_s) == (4, 0, pytest.approx(8.0))
    assert plan.estimated_bytes is not None
    assert plan.free_bytes is not None
    assert not (tmp_path / "gallery").exists()  # planning makes nothing

    events: list[IngestEvent] = []
    report = library.index(plan, backbone=histogram, threads=1, progress=events.append)
    assert len(report.added) == 4
    assert [event.kind for event in events if event.kind != "progress"] == ["planned", *["added"] * 4, "finished"]
    done = [event.done_s for event in events]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(8.0)
    used = sum(path.stat().st_size for path in (tmp_path / "gallery").rglob("*") if path.is_file())
    assert used / 5 < plan.estimated_bytes < used * 5
    assert library.plan(few).n_unchanged == 4


def test_a_disk_that_is_too_small_is_refused_before_the_work(
    few: Path, tmp_path: Path, histogram: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(GalleryError, match="4 videos need about"):
        recue.open(tmp_path / "gallery").index(few, backbone=histogram)
    assert not (tmp_path / "gallery").exists()


class TestRefusals:
    def test_nothing_given(self, tmp_path: Path, histogram: str) -> None:
        with pytest.raises(ConfigError, match="nothing to index"):
            recue.open(tmp_path / "gallery").index([], backbone=histogram)

    def test_nothing_found(self, tmp_path: Path, histogram: str) -> None:
        with pytest.raises(MediaError, match="no video was found"):
            recue.open(tmp_path / "gallery").index(tmp_path, backbone=histogram)
        assert not (tmp_path / "gallery").exists()

    def test_no_gallery_is_made_of_nothing(self, few: Path, tmp_path: Path, histogram: str) -> None:
        library = recue.open(tmp_path / "gallery")
        with pytest.raises(MediaError, match=r"^'.*nowhere' does not exist; check the path$"):
            library.index(tmp_path / "nowhere", backbone=histogram)
        (tmp_path / "text.mp4").write_text("no video")
        with pytest.raises(MediaError, match="none of 2 files can be indexed: '"):
            library.index([tmp_path / "nowhere", tmp_path / "text.mp4"], backbone=histogram)
        assert not library.location.exists()
        library.index(few, backbone=histogram, threads=1)
        assert len(library.index(tmp_path / "nowhere").failed) == 1

    def test_options_that_do_not_go_together(self, few: Path, tmp_path: Path, histogram: str) -> None:
        library = recue.open(tmp_path / "gallery")
        with pytest.raises(ConfigError, match="not both"):
            library.index(few, profile="fast", backbone=histogram)
        with pytest.raises(ConfigError, match=r"'fsat'.*did you mean 'fast'"):
            library.index(few, profile="fsat")
        with pytest.raises(ConfigError, match="workers is 1 or more"):
            library.index(few, backbone=histogram, workers=0)
        with pytest.raises(ConfigError, match="makes its own plan"):
            library.index(library.plan(few, backbone=histogram), backbone=histogram, rebuild=True)

    def test_absent_weights(self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RECUE_CACHE", str(tmp_path / "no-weights"))
        with pytest.raises(WeightsError, match="recue prepare"):
            recue.open(tmp_path / "gallery").index(few)
        assert not (tmp_path / "gallery").exists()
        with pytest.raises(WeightsError, match=r"recue prepare --backbone efficientnet-lite:variant=2$"):
            recue.open(tmp_path / "gallery").index(few, backbone="efficientnet-lite:variant=2")

    def test_no_gallery(self, tmp_path: Path) -> None:
        library = recue.open(tmp_path / "gallery")
        for ask in (library.videos, library.info, lambda: library.search("x"), lambda: library.remove("x")):
            with pytest.raises(GalleryError, match="no gallery"):
                ask()


class TestRebuild:
    @pytest.fixture
    def library(self, few: Path, tmp_path: Path, histogram: str) -> Library:
        library = recue.open(tmp_path / "gallery")
        library.index(few, backbone=histogram, threads=1, metadata={"camera": 2})
        return library

    def test_another_backbone_is_refused_with_the_way_out(self, few: Path, library: Library) -> None:
        with pytest.raises(FingerprintError, match="recue index --rebuild"):
            library.index(few, backbone="histogram:stride=2")
        assert library.plan(few).n_unchanged == 4

    def test_rebuilds_all_with_another(self, few: Path, clips: Path, library: Library) -> None:
        shutil.copy(clips / "07.mp4", few)
        (few / "00.mp4").rename(few / "moved.mp4")
        report = library.index(few, backbone="histogram:stride=2", rebuild=True, threads=1)
        assert sorted(names(report.replaced)) == ["01.mp4", "02.mp4", "03.mp4", "moved.mp4"]
        assert names(report.added) == ["07.mp4"]
        assert [problem for problem in library.info(verify=True).problems if problem.is_damage] == []
        assert library.info().source.fingerprint == "histogram-8-2"
        assert [record.n_steps for record in library.videos()] == [8] * 5
        assert len(library.videos(["camera=2"])) == 4
        assert not (library.location / "rebuild").exists()

    def test_what_cannot_be_made_again_is_not_lost(self, few: Path, library: Library) -> None:
        other = "histogram:stride=2"
        (few / "03.mp4").rename(few.parent / "away.mp4")
        with pytest.raises(GalleryError, match=r"files are gone: 03\.mp4"):
            library.index(rebuild=True, backbone=other)
        (few.parent / "away.mp4").rename(few / "03.mp4")

        good = (few / "03.mp4").read_bytes()
        (few / "03.mp4").write_text("no video any more")
        with pytest.raises(GalleryError, match="keeps its old features"):
            library.index(rebuild=True, backbone=other, threads=1)
        assert [record.n_steps for record in library.videos()] == [4] * 4
        assert library.info().source.fingerprint == "histogram-8-4"

        # What is there already is not made again.
        (few / "03.mp4").write_bytes(good)
        events: list[IngestEvent] = []
        report = library.index(rebuild=True, backbone=other, threads=1, progress=events.append)
        assert [Path(event.path).name for event in events if event.kind == "added"] == ["03.mp4"]
        assert len(report.replaced) == 4
        assert [record.n_steps for record in library.videos()] == [8] * 4

    def test_letting_go_is_allowed(self, few: Path, library: Library) -> None:
        (few / "03.mp4").write_text("no video any more")
        report = library.index(rebuild=True, backbone="histogram:stride=2", prune=True, threads=1)
        assert len(report.failed) == 1
        assert [record.n_steps for record in library.videos()] == [8] * 3


def test_an_empty_gallery_may_change_its_backbone(few: Path, tmp_path: Path, histogram: str) -> None:
    library = recue.open(tmp_path / "gallery")
    library.index(few / "00.mp4", backbone=histogram, threads=1)
    library.remove("00")
    library.index(few / "00.mp4", backbone="histogram:stride=2", threads=1)
    assert library.info().source.fingerprint == "histogram-8-2"


def test_works_from_a_script_without_a_main_guard(few: Path, tmp_path: Path) -> None:
    """Worker processes do not run the user's script again."""
    script = tmp_path / "script.py"
    script.write_text(
        "import recue\nprint('once')\n"
        f"print(len(recue.open({str(tmp_path / 'g')!r}).index({str(few / '00.mp4')!r}, backbone='histogram').added))\n"
    )
    answer = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert answer.stdout.splitlines() == ["once", "1"]
