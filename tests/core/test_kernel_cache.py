"""Machine code is kept where it can be, and kernels work where it cannot."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from calcore.kernels._jit import F8x1, kernel

@kernel
def total(data: F8x1) -> float:
    result = 0.0
    for value in data:
        result += value
    return result

print(total(np.arange(5.0)))
"""


def add_up(tmp_path, cache):
    """Compile and run a kernel in a process of its own; return what it prints."""
    module = tmp_path / "program.py"
    module.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, module], env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_machine_code_is_kept_in_the_cache_folder(tmp_path):
    folder = tmp_path / "deep" / "cache"
    assert add_up(tmp_path, folder) == "10.0\n"
    assert list(folder.rglob("*.nbi"))


@pytest.mark.parametrize("place", ["below a file", "read-only"])
def test_kernels_work_where_nothing_can_be_kept(tmp_path, place):
    folder = tmp_path / "blocked"
    if place == "below a file":
        folder.touch()
        folder /= "cache"
    else:
        if os.geteuid() == 0:
            pytest.skip("the superuser may write anywhere")
        folder.mkdir(mode=0o500)
    assert add_up(tmp_path, folder) == "10.0\n"
    assert not list(tmp_path.rglob("*.nbi"))
