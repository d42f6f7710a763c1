"""Another way to work through products: those that wait for nothing from the last to the first."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


def latest_first(
    tasks: Sequence[Any], work: Callable[[Any], Any], workers: int
) -> Iterator[tuple[Any, Any]]:
    """Do one task after the other, each after those it needs."""
    del workers
    left = {task.key: task for task in tasks}
    while left:
        task = [task for task in left.values() if not task.needs & left.keys()][-1]
        yield task, work(task)
        del left[task.key]
