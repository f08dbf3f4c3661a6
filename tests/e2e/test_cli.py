"""The commands as a person or a script meets them, on small videos with a cheap backbone."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recue.cli.app import app
from recue.core import Segment
from recue.media import cut, encode_jpeg, probe, thumbnail
from support.library import PLUGINS, histogram, write_colours

__all__ = ["histogram"]

TESTS = Path(__file__).resolve().parents[1]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos of twelve seconds and a file that is none."""
    folder = tmp_path_factory.mktemp("films")
    for seed in range(6):
        write_colours(folder / f"film {seed}.mp4", seed, seconds=12)
    (folder / "letter.mp4").write_text("Dear Sir,\n" * 100)
    return folder


@pytest.fixture(scope="module")
def clip(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of one of them, encoded anew."""
    path = tmp_path_factory.mktemp("queries") / "clip.mp4"
    cut(videos / "film 3.mp4", Segment(4.0, 8.0), path)
    return path


@pytest.fixture(scope="module")
def gallery(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of them, made by a process of its own; what it said lies beside it."""
    place = tmp_path_factory.mktemp("gallery") / "films"
    done = recue_process("index", videos, "--gallery", place, "--backbone", "histogram", "--meta", "year=2020")
    assert done.returncode == 7, done.stderr
    (place.parent / "stdout").write_text(done.stdout)
    (place.parent / "stderr").write_text(done.stderr)
    return place


@pytest.fixture
def run(histogram: str, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: its exit status, stdout and stderr."""

    def command(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            app([str(arg) for arg in args], prog_name="recue")
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return command


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{PLUGINS}{os.pathsep}{TESTS}"}


def recue_process(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recue", *map(str, args)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


def test_index_says_what_it_will_do_and_did(gallery: Path, videos: Path) -> None:
    said, remarks = (gallery.parent / "stdout").read_text(), (gallery.parent / "stderr").read_text()

    assert said.startswith("Indexed 6 videos, 0:01:12 of film in ")
    assert said.endswith("1 failed.\n")
    assert "7 files: 6 new, 1 unreadable." in remarks
    assert "0:01:12 of film to index: " in remarks
    assert f"added 1/6: {videos}" in remarks
    assert f"warning: '{videos / 'letter.mp4'}' is a text file" in remarks
    assert "\x1b" not in said + remarks


def test_index_again_skips_what_is_there(run: Run, gallery: Path, videos: Path) -> None:
    code, out, _ = run("index", videos, "--gallery", gallery)

    assert code == 7
    assert out == "Indexed 0 videos; 6 unchanged, 1 failed.\n"


def test_a_clip_is_found_cut_out_and_reported(run: Run, gallery: Path, clip: Path, tmp_path: Path) -> None:
    code, out, err = run(
        "search", clip, "--gallery", gallery, "--json", "--curve", "--min-confidence", 0,
        "--save-clips", tmp_path / "clips", "--report", tmp_path / "page.html",
    )  # fmt: skip

    document = json.loads(out)
    best = document["moments"][0]
    assert code == 0
    assert best["name"] == "film 3.mp4"
    assert Segment(best["start_s"], best["end_s"]).tiou(Segment(4, 8)) > 0.7
    assert best["metadata"] == {"year": 2020}
    assert len(best["curve"]["times_s"]) == 24
    saved = Path(best["clip"])
    assert saved.name.startswith("01_film 3_0-00-0")
    assert probe(saved).duration_s == pytest.approx(best["duration_s"], abs=0.07)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg") >= 16
    assert f"report: {tmp_path / 'page.html'}" in err


def test_a_stretch_of_a_gallery_video_by_name(run: Run, gallery: Path) -> None:
    options = ("--gallery", gallery, "--from", "0:02", "--to", "6.0", "--min-confidence", 0)

    code, out, _ = run("search", "film 1", *options, "--top", 1)
    assert code == 0
    assert "film 1.mp4  0:00:02.000  0:00:06.000" in out
    assert out.rstrip().endswith("the query itself")

    _, out, _ = run("search", "film 1", *options, "--exclude-self", "--json")
    assert not any(moment["is_query"] for moment in json.loads(out)["moments"])


def test_an_image(run: Run, gallery: Path, videos: Path, tmp_path: Path) -> None:
    still = tmp_path / "still.jpg"
    still.write_bytes(encode_jpeg(thumbnail(videos / "film 2.mp4", 6.2, height=48), quality=95))

    code, out, _ = run("search", still, "--gallery", gallery, "--json", "--min-confidence", 0)

    document = json.loads(out)
    assert code == 0
    assert document["query"]["kind"] == "image"
    assert any(
        moment["name"] == "film 2.mp4" and moment["start_s"] <= 6.2 < moment["end_s"] for moment in document["moments"]
    )


def test_only_what_was_asked_for_is_searched(run: Run, gallery: Path, clip: Path) -> None:
    options = ("--gallery", gallery, "--json", "--min-confidence", 0)

    _, out, _ = run("search", clip, *options, "--video", "film 4", "--video", "film 5.mp4")
    assert json.loads(out)["n_videos"] == 2
    assert {moment["name"] for moment in json.loads(out)["moments"]} <= {"film 4.mp4", "film 5.mp4"}

    code, _, err = run("search", clip, *options, "--where", "year>=2021")
    assert code == 4
    assert "year>=2021" in err


def test_no_match_and_the_nearest_misses(run: Run, gallery: Path, clip: Path) -> None:
    options = ("search", clip, "--gallery", gallery, "--min-confidence", 1.0, "--video", "film 4")

    code, out, _ = run(*options)
    assert code == 1
    assert out.startswith("No match: nothing in 1 video (0:00:12) reaches a confidence of 1.00.")

    code, out, _ = run(*options, "--near-misses")
    assert code == 1
    assert "Nearest misses, below 1.00:" in out
    assert "film 4.mp4" in out


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("letter.mp4", 3, "letter.mp4"),
        ("empty.mp4", 3, "empty.mp4"),
        ("nowhere.mp4", 4, "nowhere.mp4"),
        (".", 2, "is a folder"),
    ],
)
def test_queries_that_are_none(
    run: Run, gallery: Path, videos: Path, tmp_path: Path, name: str, status: int, said: str
) -> None:
    shutil.copy2(videos / "letter.mp4", tmp_path)
    (tmp_path / "empty.mp4").touch()

    code, out, err = run("search", tmp_path / name, "--gallery", gallery)

    assert code == status
    assert out == ""
    assert said in err
    assert err.startswith("recue: error: ")
    assert err.count("\n") == 1


def test_there_is_no_gallery(run: Run, clip: Path, tmp_path: Path) -> None:
    code, _, err = run("search", clip, "--gallery", tmp_path / "none")

    assert code == 4
    assert str(tmp_path / "none") in err
    assert "recue index" in err


def test_another_backbone_is_refused_with_the_way_out(run: Run, gallery: Path, videos: Path) -> None:
    code, _, err = run("index", videos, "--gallery", gallery, "--backbone", "histogram:stride=8")

    assert code == 5
    assert "--rebuild" in err


def test_list_info_and_remove(run: Run, gallery: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(gallery, own)

    code, out, _ = run("list", "--gallery", own, "--json")
    assert code == 0
    assert [video["name"] for video in json.loads(out)["videos"]] == [f"film {k}.mp4" for k in range(6)]

    code, out, _ = run("remove", "film 0", "film 1.mp4", "--gallery", own)
    assert code == 0
    assert out.count("removed ") == 2

    code, out, _ = run("info", "--gallery", own, "--verify", "--json")
    about = json.loads(out)
    assert code == 0
    assert about["stats"]["n_videos"] == 4
    assert about["source"]["name"] == "histogram"
    assert about["problems"] == []

    code, out, _ = run("info", "--gallery", own, "--verify")
    assert code == 0
    assert "every video is whole" in out
    assert "profile      none" in out

    code, _, err = run("remove", "film 0", "--gallery", own)
    assert code == 4
    assert "film 0" in err


def test_a_reader_that_has_seen_enough(gallery: Path, clip: Path) -> None:
    arguments = [sys.executable, "-m", "recue", "search", str(clip), "--gallery", str(gallery), "--json", "--curve"]
    process = subprocess.Popen(
        [*arguments, "--min-confidence", "0"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()

    assert process.wait() == 0
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_on_a_terminal_names_are_whole_and_lines_fit(gallery: Path, clip: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = ["search", str(clip), "--gallery", str(gallery), "--min-confidence", "0", "--top", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "recue", *arguments],
        env=environment() | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"},
        stdout=theirs,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        shown = b"".join(_read_all(ours)).decode()
    os.close(ours)

    plain = shown.replace("\x1b[1m", "").replace("\x1b[0m", "")
    lines = plain.splitlines()
    assert process.returncode == 0
    assert lines[0].split() == ["#", "video", "start", "end", "length", "confidence", "score"]
    assert "film 3.mp4" in lines[1]
    assert str(gallery) not in plain
    assert max(len(line) for line in lines) <= 80


def _read_all(handle: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(handle, 4096)
        except OSError:  # how a terminal says that the other end has gone
            return
        if not part:
            return
        yield part


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(run: Run, videos: Path, tmp_path: Path) -> None:
    place = tmp_path / "slow"
    options = ["--gallery", str(place), "--backbone", "histogram:delay_ms=40", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "recue", "index", str(videos), *options],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("added 1/"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert out.startswith("Indexed ")
    assert "run the same command to go on" in err
    assert "Traceback" not in err
    code, out, _ = run("info", "--gallery", place, "--verify", "--json")
    assert code == 0
    assert 1 <= json.loads(out)["stats"]["n_videos"] < 6
