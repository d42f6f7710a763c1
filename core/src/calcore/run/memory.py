"""Memory that one band has used, kept for the next one; and how Python finds unused objects.

Bands ask for arrays of the same sizes over and over. glibc takes memory for large arrays from the
system and gives it back at once, and the system clears each page again: a third of the time that long
time series take. Other C libraries do as they please, which costs no more than time.
"""

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Parameters of mallopt(3), and what they are before anybody changes them.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_USUAL = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65536}
_LARGEST = 2**31 - 1


def one_heap() -> None:
    """Let threads share one heap: bands ask for memory now and then only.

    It must be said before the first thread begins; the C library does not listen afterwards.
    """
    set_option = _of_glibc("mallopt")
    if set_option is not None:
        set_option(_ARENA_MAX, 1)


@contextmanager
def memory_kept() -> Iterator[None]:
    """Within, arrays that are no longer used leave their memory to those that follow.

    Afterwards the system has back what is free.
    """
    set_option = _of_glibc("mallopt")
    if set_option is None:
        yield
        return
    for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST)):
        set_option(option, value)
    try:
        yield
    finally:
        for option, value in _USUAL.items():
            set_option(option, value)
        give_back()


@contextmanager
def new_objects_searched() -> Iterator[None]:
    """Within, Python looks for unused objects that hold each other among new ones only.

    To look through all that imported modules are made of stops all threads for a fifth of a second, some
    times in a run. Where somebody else has set objects aside, they stay as they are.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def give_back() -> None:
    """Give the system back what is free, before arrays of other sizes are asked for."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None if it is another one."""
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return function
