"""A bundle: a CRDS cache that holds just what some exposures need, in a folder or an archive."""

import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from calcore.errors import OutputProblem

ARCHIVES: Mapping[str, Literal["w", "w:gz"]] = {".tar": "w", ".tgz": "w:gz"}
"""Endings of archives, and how `tarfile` opens them."""

_RULES = ("config", "mappings")


def bundle(cache: Path, files: Iterable[Path], target: Path) -> tuple[Path, ...]:
    """Copy a cache's rules and some of its files to a folder, or to an archive.

    Parameters
    ----------
    cache : Path
        Folder of the cache (``CRDS_PATH``).
    files : iterable of Path
        Reference files; those that lie elsewhere cannot be part of a cache.
    target : Path
        A folder, which may be a cache that is added to, or an archive (``.tar``, ``.tgz``), which
        is replaced when the new one is whole.

    Returns
    -------
    tuple of Path
        The files that lie outside the cache, and were left out.

    Raises
    ------
    OutputProblem
        The target cannot be written.
    """
    root = cache.resolve()
    inside = {path: path.resolve() for path in files}
    outside = tuple(path for path, real in inside.items() if not real.is_relative_to(root))
    chosen = sorted({real for path, real in inside.items() if path not in outside})
    members = [(path, path.relative_to(root)) for path in (*_rules(root), *chosen)]
    try:
        if target.suffix in ARCHIVES:
            _pack(members, target)
        else:
            for source, name in members:
                _place(source, target / name)
    except OSError as error:
        raise OutputProblem(target, f"cannot be written: {error.strerror or error}") from error
    return outside


def _rules(root: Path) -> Iterator[Path]:
    """Return the files that say which reference fits which exposure."""
    for name in _RULES:
        yield from sorted(path for path in (root / name).rglob("*") if path.is_file())


def _pack(members: Iterable[tuple[Path, Path]], target: Path) -> None:
    """Write an archive under a temporary name first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with tarfile.open(part, ARCHIVES[target.suffix]) as archive:
            for source, name in members:
                archive.add(source, str(Path(target.stem) / name))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _place(source: Path, target: Path) -> None:
    """Copy a file unless an equal one is there, so that who reads it meanwhile sees a whole one."""
    if target.is_file():
        there, here = target.stat(), source.stat()
        if (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copy2(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
