"""Who works on products: one after the other, or several at once. A step never starts a pool."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Protocol, TypeVar

R = TypeVar("R")


class Task(Protocol):
    """What an executor must know of a job."""

    @property
    def key(self) -> str:
        """Its name among all jobs."""

    @property
    def needs(self) -> frozenset[str]:
        """Names of jobs that must have ended before."""


T = TypeVar("T", bound=Task)
Executor = Callable[[Sequence[T], Callable[[T], R], int], Iterator[tuple[T, R]]]


def serial(tasks: Sequence[T], work: Callable[[T], R], workers: int) -> Iterator[tuple[T, R]]:
    """Do one task after the other; each may use all cores for itself."""
    del workers
    for task in tasks:
        yield task, work(task)


def processes(tasks: Sequence[T], work: Callable[[T], R], workers: int) -> Iterator[tuple[T, R]]:
    """Do as many tasks at once as there are workers, each in a process of its own.

    Processes are spawned, not forked, so that threads of the parent do no harm.
    """
    context = multiprocessing.get_context("spawn")
    waiting = list(tasks)
    running: dict[Future[R], T] = {}
    open_tasks = {task.key for task in tasks}
    with ProcessPoolExecutor(max(1, workers), mp_context=context) as pool:
        while waiting or running:
            ready = [task for task in waiting if not task.needs & open_tasks]
            for task in ready:
                waiting.remove(task)
                running[pool.submit(work, task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                open_tasks.discard(task.key)
                yield task, future.result()
