"""One ingest worker: a process of its own that loads the backbone once, then encodes file after file.

It is started as a fresh interpreter, not forked (the database and the inference runtime hold threads) and not by
`multiprocessing` (which would run the user's script again in it). If the parent is gone, so is the worker.
"""

import os
import signal
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from recue.core.errors import MediaError, MissingExtraError, RecueError, WeightsError
from recue.core.protocols import Source
from recue.core.segment import Segment
from recue.features import load_source
from recue.media import probe
from recue.search.encode import encode_file
from recue.search.hashing import content_hash
from recue.search.messages import Done, Failed, Load, Loaded, LoadFailed, Progress, Task


def main(handle: int) -> None:
    """Serve one parent over an inherited connection until it closes.

    Args:
        handle: File descriptor of the connection.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    connection: Connection[Any, Any] = Connection(handle)
    orders: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, orders), daemon=True).start()
    load: Load = orders.get()
    try:
        source: Source = load_source(load.spec, threads=load.threads)
    except Exception as error:
        connection.send(LoadFailed.of(error))
        return
    connection.send(Loaded(source.fingerprint))
    while True:
        task: Task = orders.get()
        connection.send(_encode(task, source, load.threads, connection))


def _receive(connection: "Connection[Any, Any]", orders: "SimpleQueue[Any]") -> None:
    while True:
        try:
            orders.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)  # the parent is gone: nobody waits for what is being encoded


def _encode(task: Task, source: Source, threads: int, connection: "Connection[Any, Any]") -> Done | Failed | LoadFailed:
    try:
        digest = task.content_hash or content_hash(task.path, on_progress=lambda: connection.send(Progress(0.0)))
        segment = None
        if task.only_s is not None:
            start_s = probe(task.path).start_s
            segment = Segment(start_s, start_s + task.only_s)
        encoded = encode_file(
            task.path,
            source,
            segment=segment,
            threads=threads,
            on_progress=lambda done_s: connection.send(Progress(done_s)),
        )
        stat = task.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (task.size_bytes, task.mtime_ns):
            raise MediaError(f"'{task.path}' changed while it was read; index it again when it is complete")
    except (WeightsError, MissingExtraError) as error:
        return LoadFailed.of(error)  # backbones load when the first frame comes
    except RecueError as error:
        return Failed(str(error))
    except MemoryError:
        return Failed(f"not enough memory for '{task.path}'")
    except Exception as error:  # a file that trips a bug must not stop the others
        return Failed(f"'{task.path}': {type(error).__name__}: {error}")
    return Done(digest, encoded)
