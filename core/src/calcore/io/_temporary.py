"""Names that files have until they are whole, and what becomes of those that never were."""

import os
import platform
import re
import time
import uuid
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

_NAME = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<process>[0-9a-f]+)-[0-9a-f]{8}\.part")
_DAY = 86400.0
"""What another machine has not touched for so long [s] is dead: writers touch their files often."""


def temporary_name(path: Path) -> Path:
    """Return a name in the same folder that no other run uses, and that says whose it is."""
    mark = f"{_machine()}-{os.getpid():x}-{uuid.uuid4().hex[:8]}"
    return path.with_name(f".{path.name}.{mark}.part")


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the unfinished files of processes that were killed; return what they were called.

    A file of this machine goes if its process is no more, one of another if nobody has touched it
    for a day.
    """
    removed = []
    with suppress(OSError):
        for path in sorted(folder.glob(".*.part")):
            match = _NAME.fullmatch(path.name)
            if match is None or not _is_dead(path, match["machine"], int(match["process"], 16)):
                continue
            with suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _is_dead(path: Path, machine: str, process: int) -> bool:
    if machine != _machine():
        return time.time() - path.stat().st_mtime > _DAY
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is there, and another user's
    return False


@cache
def _machine() -> str:
    """Return a word for where process numbers mean the same: a machine, or a container on it."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it is no path that is read
    return f"{zlib.crc32(f'{platform.node()} {space}'.encode()):08x}"
