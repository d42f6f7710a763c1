"""Who works on products: one after the other, or several at once. A step never starts a pool.

An executor yields each task with what came of it, in the order they end. A task whose worker dies
is done again; if that happens every time, a `WorkerDied` is what came of it. One whose workers are
other processes tells `begun` when it begins a task, which they cannot; and when it is closed before
all is done, it ends them at once.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import forkserver, util
from multiprocessing.connection import Connection
from typing import Any, Generic, Protocol, TypeVar

from calcore.errors import WorkerDied
from calcore.run.memory import one_heap

R = TypeVar("R")
_LOG = logging.getLogger(__name__)
TRIES = 3
"""How often a task is begun whose worker dies."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Task(Protocol):
    """What an executor must know of a job."""

    @property
    def key(self) -> str:
        """Its name among all jobs."""

    @property
    def needs(self) -> frozenset[str]:
        """Names of jobs that must have ended before."""


T = TypeVar("T", bound=Task)
Ended = Generator[tuple[T, R | WorkerDied], None, None]
Executor = Callable[[Sequence[T], Callable[[T], R], int], Ended[T, R]]
"""May have more arguments: `begun`, and `scheduler`, the address of one."""


class Waiting(Generic[T]):
    """Tasks that are not begun yet, and which of them may begin."""

    def __init__(self, tasks: Sequence[T]) -> None:
        self._tasks = list(tasks)
        self._open = {task.key for task in tasks}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def ready(self) -> list[T]:
        """Take out the tasks that wait for no other."""
        ready = [task for task in self._tasks if not task.needs & self._open]
        self._tasks = [task for task in self._tasks if task not in ready]
        return ready

    def ended(self, task: T) -> None:
        """Remember that a task has ended, whatever came of it."""
        self._open.discard(task.key)


def serial(tasks: Sequence[T], work: Callable[[T], R], workers: int) -> Ended[T, R]:
    """Do one task after the other; each may use all cores for itself."""
    del workers
    for task in tasks:
        yield task, work(task)


def nobody(_task: Any) -> None:
    """Hear that a task is begun, and make nothing of it."""


def processes(
    tasks: Sequence[T],
    work: Callable[[T], R],
    workers: int,
    begun: Callable[[T], object] = nobody,
) -> Ended[T, R]:
    """Do as many tasks at once as there are workers, each in a process of its own.

    Processes are not forked from this one, so that its threads do no harm. Each is a pool of one:
    that a process dies does no harm to what the others are doing.
    """
    waiting = Waiting(tasks)
    queue: deque[T] = deque()
    deaths: Counter[str] = Counter()
    running: dict[Future[R], tuple[T, _Worker]] = {}
    free = [_Worker() for _ in range(max(1, min(workers, len(tasks))))]

    def begin() -> None:
        while queue and free:
            task, worker = queue.popleft(), free.pop()
            if not deaths[task.key]:
                begun(task)
            running[worker.pool.submit(work, task)] = task, worker

    try:
        while waiting or queue or running:
            queue.extend(waiting.ready())
            begin()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            ended: list[tuple[T, R | WorkerDied]] = []
            for future in done:
                task, worker = running.pop(future)
                try:
                    ended.append((task, future.result()))
                    free.append(worker)
                except BrokenProcessPool:
                    worker.pool.shutdown()
                    free.append(_Worker())
                    deaths[task.key] += 1
                    if deaths[task.key] < TRIES:
                        _LOG.warning("the process that made %s died; it is made again", task.key)
                        queue.appendleft(task)
                    else:
                        ended.append((task, WorkerDied(task.key, TRIES)))
            begin()  # nobody waits while whoever gets the results looks at them
            for task, result in ended:
                yield task, result
                waiting.ended(task)
    finally:
        for _, worker in running.values():
            worker.leash.close()
        for worker in (*free, *(worker for _, worker in running.values())):
            worker.pool.shutdown(cancel_futures=True)


def load_ahead(executor: str) -> None:
    """Begin to load what workers need, if an executor begins any: a run is planned meanwhile."""
    if executor == "processes" and sys.platform == "linux":
        _context()
        forkserver.ensure_running()


class _Worker:
    """A pool of one process, on a leash: it ends at once when that is closed, or this process dies."""

    def __init__(self) -> None:
        context = _context()
        held, self.leash = context.Pipe(duplex=False)
        given = held, dict(os.environ)
        self.pool = ProcessPoolExecutor(1, context, initializer=_begin, initargs=given)


def _context() -> Any:
    """Return how processes are begun: forked from one that has loaded libraries, where that is safe.

    Elsewhere each loads them for itself.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["calcore.run.preloaded"])
    return context


def _begin(held: Connection, environment: Mapping[str, str]) -> None:
    """Make this process a worker, which ends when nobody holds the other end of a pipe any more.

    It is in the environment of the one that does, not of an earlier run's. What a user interrupts
    with ^C reaches all processes of a terminal; the one at the other end says what becomes of it.
    """

    def end() -> None:
        try:
            with suppress(EOFError, OSError):
                held.recv_bytes()
            # without this, locks that libraries have made would be told as leaks
            util._run_finalizers(0)  # type: ignore[attr-defined]  # noqa: SLF001
        finally:
            os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    one_heap()
    threading.Thread(target=end, name="leash", daemon=True).start()
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
