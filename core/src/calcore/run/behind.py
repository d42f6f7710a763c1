"""Work that goes on behind the steps that follow."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any


class Behind:
    """Work that nothing waits for: begun in order on one thread, and told of in order when it is done.

    Steps leave cores idle where their libraries know one thread only, and files have time until the
    product is whole.

    Parameters
    ----------
    threads : int
        How many the product may take; with one, all is done at once.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(1) if threads > 1 else None
        self._begun = deque[tuple[Future[Any], Callable[[Any], None]]]()

    def begin(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Begin with some work, and `then` do with its result what is to be done by who waits."""
        if self._pool is None:
            then(work())
        else:
            self._begun.append((self._pool.submit(copy_context().run, work), then))

    def wait(self) -> None:
        """Wait for all that was begun. The first error of it is raised; what comes after is left."""
        while self._begun:
            future, then = self._begun.popleft()
            then(future.result())

    def close(self) -> None:
        """End: what runs is waited for, and what has not begun is left."""
        self._begun.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
