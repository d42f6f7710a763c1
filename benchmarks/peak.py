"""The most memory that this process has held."""

import re
import resource
from pathlib import Path


def peak_gb() -> float:
    """Return it [GB].

    Where the system tells it (Linux), from there: what `getrusage` says includes the process that has
    started this one, which may have held much more.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
