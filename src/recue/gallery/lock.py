"""One writer at a time, in this process and among others; the kernel lets go when a process dies."""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from recue.core.errors import GalleryError

POLL_S = 0.02


@contextmanager
def exclusive(path: Path, *, timeout_s: float, what: str) -> Iterator[None]:
    """Hold the lock file at `path`.

    Args:
        path: Made where it is missing, never removed.
        timeout_s: How long to wait for another holder.
        what: Named in the error: `gallery DIR`.

    Raises:
        GalleryError: another process held it for all that time, or the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise GalleryError(f"{what} cannot be written: {path}: {error.strerror or error}") from error
    try:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise GalleryError(
                        f"{what} is being written by another process, which did not let go within {timeout_s:g} s; "
                        "wait for it or stop it, then try again"
                    ) from None
                time.sleep(POLL_S)
        yield
    finally:
        os.close(handle)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold a Ctrl-C back until the block is done.

    A transaction handed to the database goes on in its own thread whatever happens here; so the lock must not be
    let go before it is over. Outside the main thread Python delivers no Ctrl-C, and nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[tuple[int, FrameType | None]] = []
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous):  # ignored, or the default that ends the process: nothing to hold back
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: pending.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if pending:
            previous(*pending[0])
