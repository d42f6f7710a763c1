"""Memory that one band has used, kept for the next one.

Bands ask for arrays of the same sizes over and over. glibc takes memory for large arrays from the
system and gives it back at once, and the system clears each page again: a third of the time that long
time series take. Other C libraries do as they please, which costs no more than time.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Parameters of mallopt(3), and what they are before anybody changes them.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_USUAL = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65536}
_LARGEST = 2**31 - 1


@contextmanager
def memory_kept() -> Iterator[None]:
    """Within, arrays that are no longer used leave their memory to those that follow.

    Afterwards the system has back what is free. Threads share one heap from then on: bands ask for
    memory now and then only.
    """
    try:
        library = ctypes.CDLL(None)
        set_option: Callable[[int, int], int] = library.mallopt
        give_back: Callable[[int], int] = library.malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        yield
        return
    for option, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST)):
        set_option(option, value)
    try:
        yield
    finally:
        for option, value in _USUAL.items():
            set_option(option, value)
        give_back(0)
