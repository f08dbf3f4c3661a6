"""The parent's side of the worker processes: start them, hand out tasks, hear from them, outlive their deaths."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any

from recue.search.messages import Died, Done, Failed, Load, Loaded, LoadFailed, Progress, Task

Message = Loaded | LoadFailed | Progress | Done | Failed | Died

#: Memory to keep free for each worker: interpreter, runtime, weights and frames.
_WORKER_BYTES = 1 << 30

#: n threads in one worker are worth n to this power.
_THREAD_GAIN = 0.8


@dataclass(slots=True, eq=False)
class Worker:
    """One worker process.

    Attributes:
        process: Its process.
        connection: To it.
        ready: It has said that its source is ready.
        task: What it is working on.
        heard_s: When it was given something or last said something, by `monotonic`.
    """

    process: subprocess.Popen[bytes]
    connection: "Connection[Any, Any]"
    ready: bool = False
    task: Task | None = None
    heard_s: float = 0.0


class WorkerPool:
    """Some workers with the same source. A context manager: leaving it ends them all at once.

    Args:
        spec: What `recue.features.load_source` takes.
        threads: Inference and decoding threads of each worker.
    """

    def __init__(self, spec: str, *, threads: int) -> None:
        self._load = Load(spec, threads)
        self.workers: list[Worker] = []

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop(self.workers)

    def start(self) -> Worker:
        """Start one more worker; returns before it is ready."""
        ours, theirs = Pipe()
        handle = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from recue.search.worker import main; main({handle})"],
            pass_fds=[handle],
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a library prints must not reach the results on standard output
            env=_environment(self._load.threads),
            process_group=0,  # Ctrl-C in the terminal is the parent's to hear
        )
        theirs.close()
        worker = Worker(process, ours)
        self.workers.append(worker)
        _send(worker, self._load)
        return worker

    def give(self, worker: Worker, task: Task) -> None:
        """Hand a task to an idle worker. Whether it died meanwhile is heard from `listen`."""
        worker.task = task
        worker.heard_s = monotonic()
        _send(worker, task)

    def listen(self, timeout_s: float) -> Iterator[tuple[Worker, Message]]:
        """What the workers say within that time. A dead worker says `Died` and is out of the pool."""
        by_connection = {worker.connection: worker for worker in self.workers}
        for connection in wait(list(by_connection), timeout=timeout_s):
            worker = by_connection[connection]  # type: ignore[index]
            worker.heard_s = monotonic()
            try:
                message: Message = worker.connection.recv()
            except (EOFError, OSError):
                self.workers.remove(worker)
                worker.connection.close()
                message = Died(worker.process.wait())
            if isinstance(message, Loaded):
                worker.ready = True
            yield worker, message

    def stalled(self, limit_s: float) -> list[Worker]:
        """The workers that have a task and have said nothing for longer than that."""
        now = monotonic()
        return [worker for worker in self.workers if worker.task is not None and now - worker.heard_s > limit_s]

    def stop(self, workers: Sequence[Worker]) -> None:
        """End workers at once, whatever they are doing."""
        for worker in list(workers):
            worker.process.kill()
            worker.process.wait()
            worker.connection.close()
            self.workers.remove(worker)


def usable_cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(durations_s: Sequence[float], *, n_cores: int | None = None, free_bytes: int | None = None) -> int:
    """How many workers finish soonest, the cores shared out among them evenly.

    One process a core beats threads as long as there are enough files of similar length. When one file is most of
    the work, fewer workers with more threads each are done earlier.

    Args:
        durations_s: Of the files to encode.
        n_cores: By default those this process may use.
        free_bytes: By default the memory that is free now; each worker takes a gigabyte.

    >>> default_workers([60.0] * 20, n_cores=8), default_workers([3600.0, 60.0], n_cores=8)
    (8, 1)
    """
    n_cores = n_cores or usable_cores()
    fitting = max(1, (free_bytes or _available_bytes()) // _WORKER_BYTES)
    lengths = durations_s if any(durations_s) else [1.0] * len(durations_s)
    total_s, longest_s = sum(lengths), max(lengths, default=0.0)

    def finished_s(n_workers: int) -> float:
        speed = math.pow(n_cores // n_workers, _THREAD_GAIN)
        return max(longest_s, total_s / n_workers) / speed

    choices = range(1, max(1, min(n_cores, len(durations_s), fitting)) + 1)
    return min(choices, key=lambda n_workers: (finished_s(n_workers), -n_workers))


def _available_bytes() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # no Linux: let the cores decide
    return usable_cores() * _WORKER_BYTES


def _environment(threads: int) -> dict[str, str]:
    """Ours, with the same import path and bounded numerical threads."""
    counts = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    import_path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, **counts, "PYTHONPATH": import_path}


def _send(worker: Worker, message: object) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it died: `listen` will hear of it
        worker.connection.send(message)
