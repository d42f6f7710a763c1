"""Memory is kept between bands, and given back after them."""

import gc
import platform
import subprocess
import sys

import pytest

from calcore.run.memory import new_objects_searched

PROGRAM = """
import resource
import numpy as np
from contextlib import nullcontext
from calcore.run.memory import give_back, memory_kept

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def work():
    before = faults()
    for _ in range(20):
        np.ones(3 << 20, np.uint8)  # below the size for which numpy asks for large pages
    return faults() - before

np.ones(3 << 20, np.uint8)
usual = work()
with memory_kept():
    work()
    kept = work()
    np.ones(64 << 20, np.uint8)
    held = resident()
    give_back()
    given_back = resident()
    np.ones(64 << 20, np.uint8)
print(usual, kept, held, given_back, resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what other libraries do is not ours")
def test_memory_is_kept_within_and_given_back_afterwards():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True,
        env={"MALLOC_MMAP_THRESHOLD_": "131072"},
    )  # fmt: skip
    usual, kept, held, given_back, after = map(int, done.stdout.split())
    assert usual > 20 * 500
    assert kept < usual / 20
    assert given_back < held - (50 << 20)
    assert after < held - (50 << 20)


def test_new_objects_alone_are_searched_within():
    old = [object()]
    old.append(old)
    with new_objects_searched():
        assert not any(item is old for item in gc.get_objects())
        new = [object()]
        assert any(item is new for item in gc.get_objects())
    assert any(item is old for item in gc.get_objects())


def test_objects_that_somebody_set_aside_stay_so():
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        with new_objects_searched():
            pass
        assert gc.get_freeze_count() >= count > 0
    finally:
        gc.unfreeze()
