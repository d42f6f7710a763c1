"""Work that can be done for several items at once."""

from collections.abc import Callable, Iterable

Each = Callable[[Callable[[int], None], Iterable[int]], None]
"""Does some work for each item, perhaps on several threads."""


def one_by_one(work: Callable[[int], None], items: Iterable[int]) -> None:
    """Do some work for each item, one after the other."""
    for item in items:
        work(item)
