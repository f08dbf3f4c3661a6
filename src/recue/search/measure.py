"""How fast this machine encodes, found out on a short stretch when no earlier ingest has told."""

from collections.abc import Callable
from time import monotonic

from recue.core.protocols import FileSource, Source
from recue.search.messages import Done, Failed, LoadFailed, Task
from recue.search.pool import Worker, WorkerPool
from recue.search.report import IngestPlan

#: What is encoded to measure: long enough for a few blocks of every backbone.
_STRETCH_S = 10.0

#: Less than this is done before the measuring would pay.
_WORTH_S = 300.0

#: Patience with a machine that does nothing.
_TIMEOUT_S = 120.0


def measured_speed(
    source: Source, plan: IngestPlan, *, n_workers: int, threads: int, stop: Callable[[], bool] = lambda: False
) -> float | None:
    """Times real time of the ingest to come; None where it is short, or where measuring fails.

    Encodes the first seconds of the longest file twice in a worker process: once to warm up, once against the
    clock, and takes it that all workers together are as many times faster. Several seconds.
    """
    if plan.total_s < _WORTH_S or isinstance(source, FileSource):
        return None
    longest = plan.to_encode[0]
    stretch_s = min(_STRETCH_S, longest.duration_s)
    task = Task(longest.path, longest.size_bytes, longest.mtime_ns, "unused", only_s=stretch_s)
    deadline = monotonic() + _TIMEOUT_S
    with WorkerPool(source.name, threads=threads) as pool:
        worker = pool.start()
        took_s = 0.0
        while not worker.ready:
            if stop() or monotonic() > deadline or not _heard(pool, worker):
                return None
        for _ in range(2):
            started = monotonic()
            pool.give(worker, task)
            while worker.task is not None:
                if stop() or monotonic() > deadline or not _heard(pool, worker):
                    return None
            took_s = monotonic() - started
    return n_workers * stretch_s / took_s


def _heard(pool: WorkerPool, worker: Worker) -> bool:
    """Listen a moment; False if the worker cannot do it."""
    for _, message in pool.listen(0.2):
        if isinstance(message, Done):
            worker.task = None
        elif isinstance(message, Failed | LoadFailed) or worker not in pool.workers:
            return False
    return True
