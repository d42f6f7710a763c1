"""Work that can be done for several items at once."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Each = Callable[[Callable[[int], None], Iterable[int]], None]
"""Does some work for each item, perhaps on several threads."""
Ahead = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Yields what some work gives for each item, in order, as `map` does; it may have begun before it is asked."""


def one_by_one(work: Callable[[int], None], items: Iterable[int]) -> None:
    """Do some work for each item, one after the other."""
    for item in items:
        work(item)
