import os
import signal
import threading
import time
from pathlib import Path

import pytest

from recue.core.errors import GalleryError
from recue.gallery.lock import exclusive, uninterrupted


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def wait_for_it() -> None:
        with exclusive(tmp_path / "lock", timeout_s=10, what="it"):
            order.append("second")

    thread = threading.Thread(target=wait_for_it)
    with exclusive(tmp_path / "lock", timeout_s=1, what="it"):
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "lock", timeout_s=1, what="it"),
        pytest.raises(GalleryError, match=r"the gallery x is being written.*0\.05 s"),
        exclusive(tmp_path / "lock", timeout_s=0.05, what="the gallery x"),
    ):
        raise AssertionError


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(GalleryError, match="cannot be written"),
        exclusive(tmp_path / "file" / "lock", timeout_s=1, what="it"),
    ):
        raise AssertionError


def test_ctrl_c_waits_for_the_end() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_need_no_holding_back() -> None:
    done: list[bool] = []

    def work() -> None:
        with uninterrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
