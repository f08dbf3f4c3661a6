"""Which worker encodes which file, and what happens when one of them dies."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from recue.core.errors import FingerprintError, RecueError
from recue.search.messages import Died, Done, Failed, Loaded, LoadFailed, Progress, Task
from recue.search.pool import Message, WorkerPool
from recue.search.report import PlannedFile

#: How often the loop wakes up to see whether it should stop.
_TICK_S = 0.2

#: A worker that has said nothing for so long hangs. It speaks while it reads, hashes and decodes, several times a
#: second; the longest silence is a backbone that is compiled for the first frame, well under two minutes.
STALLED_S = 600.0

#: Workers that die before they are ready, without a file to blame, before we give up.
_MAX_FAILED_STARTS = 3


@dataclass(frozen=True, slots=True)
class Retried:
    """The worker died on the file; it goes once more, alone."""

    reason: str


Outcome = Progress | Retried | Done | Failed


def encode_files(
    files: Sequence[PlannedFile],
    pool: WorkerPool,
    *,
    n_workers: int,
    fingerprint: str,
    stop: Callable[[], bool],
    stalled_s: float = STALLED_S,
) -> Generator[tuple[PlannedFile, Outcome], None, None]:
    """Encode files in the given order on several workers, and yield what happens as it happens.

    A worker that dies (a crash in a codec, out of memory) costs only its file: that one goes once more when all
    others are done, with no other worker beside it, and has failed if the worker dies again. A worker that hangs (a
    codec in a loop without end) is ended, and its file has failed.

    Args:
        files: What to encode.
        pool: Where; more workers are started as needed.
        n_workers: Most workers at once.
        fingerprint: Of the source in this process; the workers must have the same.
        stop: Asked several times a second; answering True ends the iteration, with workers still busy.
        stalled_s: Silence of a busy worker after which it is taken to hang.

    Raises:
        RecueError: no file can be encoded: the weights are absent, say.
        FingerprintError: a worker has another source.
    """
    by_path = {file.path: file for file in files}
    waiting, alone = deque(files), deque[PlannedFile]()
    retried: set[PlannedFile] = set()
    n_failed_starts = 0

    def hand_out() -> None:
        n_busy = sum(worker.task is not None for worker in pool.workers)
        while len(pool.workers) < min(n_workers, len(waiting) + n_busy):
            pool.start()
        for worker in pool.workers:
            if worker.ready and worker.task is None and waiting:
                pool.give(worker, _task(waiting.popleft()))

    while not stop():
        if not waiting and not any(worker.task for worker in pool.workers):
            if not alone:
                return
            n_workers = 1
            pool.stop(pool.workers[1:])
            waiting.append(alone.popleft())
        hand_out()
        for worker, message in pool.listen(_TICK_S):
            task = worker.task
            if isinstance(message, LoadFailed):
                raise message.error()
            if task is None:
                n_failed_starts = _check_idle(message, fingerprint, n_failed_starts)
                continue
            file = by_path[task.path]
            if isinstance(message, Progress):
                yield file, message
                continue
            worker.task = None
            hand_out()  # before the result is dealt with, so that the worker need not wait for it
            if isinstance(message, Died):
                if file in retried:
                    yield file, Failed(f"'{file.path}': {message.reason}, twice")
                else:
                    retried.add(file)
                    alone.append(file)
                    yield file, Retried(message.reason)
            elif isinstance(message, Done | Failed):
                yield file, message
        for worker in pool.stalled(stalled_s):
            assert worker.task is not None
            file = by_path[worker.task.path]
            pool.stop([worker])
            yield file, Failed(f"'{file.path}': nothing came of it for {stalled_s:g} s; check that it plays elsewhere")


def _check_idle(message: Message, fingerprint: str, n_failed_starts: int) -> int:
    """Deal with a worker that has no file; returns how many have failed to start in a row."""
    if isinstance(message, Loaded):
        if message.fingerprint != fingerprint:
            raise FingerprintError(
                f"a worker process makes other features ({message.fingerprint}) than this one ({fingerprint}); "
                "are two versions of recue on the import path?"
            )
        return 0
    if isinstance(message, Died):
        if n_failed_starts + 1 >= _MAX_FAILED_STARTS:
            raise RecueError(f"worker processes cannot be started: {message.reason}; see what they wrote above")
        return n_failed_starts + 1
    return n_failed_starts


def _task(file: PlannedFile) -> Task:
    return Task(file.path, file.size_bytes, file.mtime_ns, file.content_hash)
