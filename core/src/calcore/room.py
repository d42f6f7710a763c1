"""Threads and memory that work on whole frames may take."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Room:
    """Threads and memory that work on whole frames may take; this is one thread, all in memory.

    Planes that flow into a step that asks for it may lie in files: it reads parts of a ramp's, as
    ``ramp.data[integration, group]``, and exposures of a set one by one, as ``member.loaded()``.
    """

    threads: int = 1

    def plane(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an empty plane (n_int, n_group, ny, nx), filled as ``plane[i, group] = frame``."""
        return np.empty(shape, dtype)

    def kept(self, plane: NDArray[Any]) -> Any:
        """Return a plane that is needed later: itself, or as it lies in a file, read in parts."""
        return plane

    def each(self, work: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Do some work for each item, on all threads."""
        if self.threads <= 1:
            for item in items:
                work(item)
            return
        jobs = [(copy_context(), item) for item in items]
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(lambda job: job[0].run(work, job[1]), jobs):
                pass

    def ahead(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        """Yield what some work gives for each item, in order; as many are begun as there are threads."""
        if self.threads <= 1:
            yield from map(work, items)
            return
        pool, begun = ThreadPoolExecutor(self.threads), deque[Future[Result]]()
        try:
            for item in items:
                begun.append(pool.submit(copy_context().run, work, item))
                if len(begun) >= self.threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


ALONE = Room()
"""One thread, and all in memory: for steps that are called by hand."""
