"""Who works on products: one after the other, or several at once. A step never starts a pool.

An executor yields each task with what came of it, in the order they end. A task whose worker dies
is done again; if that happens every time, a `WorkerDied` is what came of it.
"""

import logging
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, Protocol, TypeVar

from calcore.errors import WorkerDied

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
Ended = Iterator[tuple[T, R | WorkerDied]]
Executor = Callable[[Sequence[T], Callable[[T], R], int], Ended[T, R]]


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


def processes(tasks: Sequence[T], work: Callable[[T], R], workers: int) -> Ended[T, R]:
    """Do as many tasks at once as there are workers, each in a process of its own.

    Processes are spawned, not forked, so that threads of the parent do no harm. Each is a pool of
    one: that a process dies does no harm to what the others are doing.
    """
    waiting = Waiting(tasks)
    queue: deque[T] = deque()
    deaths: Counter[str] = Counter()
    running: dict[Future[R], tuple[T, ProcessPoolExecutor]] = {}
    free = [_process() for _ in range(max(1, min(workers, len(tasks))))]
    try:
        while waiting or queue or running:
            queue.extend(waiting.ready())
            while queue and free:
                task, process = queue.popleft(), free.pop()
                running[process.submit(work, task)] = task, process
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task, process = running.pop(future)
                result: R | WorkerDied
                try:
                    result = future.result()
                    free.append(process)
                except BrokenProcessPool:
                    process.shutdown()
                    free.append(_process())
                    deaths[task.key] += 1
                    if deaths[task.key] < TRIES:
                        _LOG.warning("the process that made %s died; it is made again", task.key)
                        queue.appendleft(task)
                        continue
                    result = WorkerDied(task.key, TRIES)
                waiting.ended(task)
                yield task, result
    finally:
        for process in (*free, *(process for _, process in running.values())):
            process.shutdown(cancel_futures=True)


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
