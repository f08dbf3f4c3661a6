"""A writer killed at any moment leaves every acknowledged video whole, and none half."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recue.gallery import Gallery, open_gallery
from support.galleries import SOURCE, make_features, make_record

#: What each video number should hold: a version, or None where it was removed.
State = dict[int, int | None]

N_KILLS = int(os.environ.get("RECUE_TEST_KILLS", "3"))


def write_until_killed(directory: Path, *, seed: int, after_s: float) -> list[str]:
    """What the writer said until it was killed, some time after its first deed."""
    tests = Path(__file__).resolve().parents[1]
    with subprocess.Popen(
        [sys.executable, "-m", "support.endless_writer", str(directory), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tests,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        said = [first, *process.stdout.readlines()]
    assert process.returncode == -signal.SIGKILL
    return [line.strip() for line in said if line.endswith("\n")]


def replay(said: list[str], state: State) -> tuple[int, int | None] | None:
    """Bring the state up to what was acknowledged; the one action whose fate is open, if any."""
    begun: tuple[int, int | None] | None = None
    for line in said:
        if line == "done":
            assert begun is not None
            state[begun[0]] = begun[1]
            begun = None
        else:
            _, action, number, version = line.split()
            begun = int(number), int(version) if action == "add" else None
    return begun


def held(gallery: Gallery) -> State:
    """What the gallery holds, each video checked to be whole and to be what its version says."""
    bank = gallery.bank()
    state: State = {}
    numbers = {make_record(number).id: number for number in range(12)}
    for record in gallery.videos():
        version = record.metadata["version"]
        given = make_features(version, 20 + version % 60)
        kept = gallery.features(record.id)
        np.testing.assert_array_equal(kept.values, given.values.astype(np.float16))
        np.testing.assert_array_equal(kept.times_s, given.times_s)
        rows = bank.rows(bank.video_ids.index(record.id))
        np.testing.assert_array_equal(bank.values[rows], kept.values)
        state[numbers[record.id]] = version
    assert len(bank) == len(state)
    return state


@pytest.mark.parametrize("run", range(N_KILLS))
def test_a_killed_writer_leaves_a_good_gallery(tmp_path_factory: pytest.TempPathFactory, run: int) -> None:
    directory = tmp_path_factory.getbasetemp() / "killed-gallery"  # one gallery, killed again and again
    gallery = open_gallery(directory, create=True, source=SOURCE)
    before: State = held(gallery)
    after_s = float(np.random.default_rng(run).uniform(0.0, 0.6))
    said = write_until_killed(directory, seed=run + 1, after_s=after_s)
    state = dict(before)
    unsure = replay(said, state)
    found = held(open_gallery(directory))
    expected = {number: version for number, version in state.items() if version is not None}
    if unsure is not None and found.get(unsure[0]) == unsure[1]:
        expected = {**expected, unsure[0]: unsure[1]}
        expected = {number: version for number, version in expected.items() if version is not None}
    assert found == expected
    assert [problem for problem in gallery.verify() if problem.is_damage] == []
