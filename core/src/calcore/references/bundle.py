"""A bundle: a CRDS cache that holds just what some exposures need, in a folder or an archive."""

import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from calcore.errors import OutputProblem, UsageError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
"""Endings of archives that can be written."""

_OTHERS = (".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
"""Endings that nobody gives to a folder."""
_DATE = datetime(1980, 1, 1, tzinfo=UTC)
"""Date of all files in an archive, the first that zip knows: equal files give equal bytes."""
_RULES = ("config", "mappings")


def ending(cache: Path, target: Path) -> str:
    """Return which kind of archive a target is by its name; empty for a folder.

    Raises
    ------
    UsageError
        It is an archive of another kind, or lies in the cache that is to be bundled.
    """
    name = target.name.lower()
    if target.resolve().is_relative_to(cache.resolve()):
        raise UsageError(f"{target} lies in the cache {cache} itself; choose a place outside of it")
    known = [own for own in ARCHIVES if name.endswith(own)]
    if not known and name.endswith(_OTHERS):
        raise UsageError(
            f"{target} would be an archive of a kind that is not written; let its name end with "
            f"{', '.join(ARCHIVES[:-1])} or {ARCHIVES[-1]}"
        )
    return known[0] if known else ""


def bundle(cache: Path, files: Iterable[Path], target: Path) -> tuple[Path, ...]:
    """Copy a cache's rules and some of its files to a folder, or to an archive.

    Parameters
    ----------
    cache : Path
        Folder of the cache (``CRDS_PATH``).
    files : iterable of Path
        Reference files; those that lie elsewhere cannot be part of a cache.
    target : Path
        A folder, which may be a cache that is added to, or an archive (one of `ARCHIVES`), which
        is replaced when the new one is whole. The same files give the same bytes.

    Returns
    -------
    tuple of Path
        The files that lie outside the cache, and were left out.

    Raises
    ------
    UsageError
        The target is an archive of another kind, or lies in the cache.
    OutputProblem
        The target cannot be written.
    """
    archive = ending(cache, target)
    root = cache.resolve()
    inside = {path: path.resolve() for path in files}
    outside = tuple(path for path, real in inside.items() if not real.is_relative_to(root))
    chosen = sorted({real for path, real in inside.items() if path not in outside})
    members = [(path, path.relative_to(root)) for path in (*_rules(root), *chosen)]
    try:
        if archive:
            _pack(members, target, archive)
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


def _pack(members: Iterable[tuple[Path, Path]], target: Path, archive: str) -> None:
    """Write an archive under a temporary name first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    folder = Path(target.name[: -len(archive)])
    named = [(source, (folder / name).as_posix()) for source, name in members]
    try:
        with part.open("wb") as file:
            if archive == ".zip":
                _zip(named, file)
            elif archive == ".tar":
                _tar(named, file)
            else:
                with gzip.GzipFile("", "wb", 6, file, mtime=0) as smaller:
                    _tar(named, smaller)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _tar(members: Iterable[tuple[Path, str]], file: BinaryIO | gzip.GzipFile) -> None:
    """Write files as a tar archive, without owners and dates."""
    with tarfile.open(fileobj=file, mode="w") as archive:
        for source, name in members:
            told = tarfile.TarInfo(name)
            told.size, told.mtime = source.stat().st_size, int(_DATE.timestamp())
            with source.open("rb") as content:
                archive.addfile(told, content)


def _zip(members: Iterable[tuple[Path, str]], file: BinaryIO) -> None:
    """Write files as a zip archive, without owners and dates."""
    with zipfile.ZipFile(file, "w") as archive:
        for source, name in members:
            told = zipfile.ZipInfo(name, _DATE.timetuple()[:6])
            told.compress_type, told.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with source.open("rb") as content, archive.open(told, "w", force_zip64=True) as packed:
                shutil.copyfileobj(content, packed)


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
