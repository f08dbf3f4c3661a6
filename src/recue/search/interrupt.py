"""Ctrl-C and SIGTERM as a question that is asked at good moments, not as an exception at any moment."""

import signal
import threading
from types import FrameType
from typing import Any


class StopSignals:
    """While this context lasts, the first Ctrl-C or SIGTERM only makes `asked()` true; a second does what it did.

    In another thread than the main one Python delivers no signals: there, `asked()` stays false.
    """

    _WATCHED = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self._asked = False
        self._previous: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether to stop."""
        return self._asked

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in self._WATCHED:
                previous = signal.getsignal(number)
                if previous is not None and previous is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self._restore()

    def _restore(self) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous.clear()
