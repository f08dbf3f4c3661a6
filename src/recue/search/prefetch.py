"""Decoding while inference runs: an iterator that is kept a few items ahead by a thread."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_END = object()


def prefetched(items: Iterable[Item], *, depth: int = 32) -> Iterator[Item]:
    """The same items in the same order, up to `depth` of them made ahead by a thread.

    Pays where making an item and using it both release the interpreter's lock, as decoding and inference do. What
    `items` raises is raised here, at its place in the order. Closing or dropping the iterator stops the thread.

    Args:
        items: What to run ahead of; touched by the thread alone.
        depth: Most items that wait; bounds the memory.
    """
    waiting: queue.Queue[object] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as raised:  # handed to the consumer, whatever it is
            error = raised
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        put((_END, error))

    thread = threading.Thread(target=run, name="recue-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, tuple) and len(item) == 2 and item[0] is _END:
                if item[1] is not None:
                    raise item[1]
                return
            yield item  # type: ignore[misc]  # everything but the end marker came from `items`
    finally:
        stopped.set()
        thread.join()
