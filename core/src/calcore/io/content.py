"""What a file holds, as one short word: equal words, equal content, whatever name and dates say.

The word is the 128-bit XXH3 digest (xxhash.com) of all bytes but two: the card DATE of the first
header, which says when a product was written, and the header of an ``ASDF`` extension at the end.
That header of a product holds the word itself, so that a product can be found damaged by itself.

Large files are read once: the words of files are kept in the user's cache, with size, times and
place on the disk, and hold as long as these are the same.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xxhash
from platformdirs import user_cache_path

from calcore.errors import CalcoreError, FileProblem
from calcore.io._hdu import Extension, contents
from calcore.io._source import FileSource, Source

SEAL = "CONTENT"
"""Keyword of a product's ASDF extension that holds the word."""

_PIECE = 1 << 22
_LARGE = 1 << 22
"""Words of smaller files [byte] are not worth keeping in the user's cache."""
_KIND = "xxh3:"
_CARD = 80

Signature = tuple[int, int, int, int, int]
_KNOWN: dict[str, tuple[Signature, str]] = {}


class Readable(Protocol):
    """Something that bytes can be read of, by offset."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on."""
        ...


def content_of(path: Path | str) -> str:
    """Return the word for what a file holds.

    Raises
    ------
    FileProblem
        The file cannot be read.
    """
    name = os.path.realpath(path)
    signature = _signature(name)
    known = _KNOWN.get(name) or _kept(name)
    if known is None or known[0] != signature:
        known = signature, _read(Path(name))
        keep(name, known[1])
    _KNOWN[name] = known
    return known[1]


def keep(path: Path | str, content: str) -> None:
    """Remember what a file holds as long as nobody changes it."""
    name = os.path.realpath(path)
    with suppress(FileProblem):  # somebody may have removed it
        _KNOWN[name] = known = _signature(name), content
        if known[0][0] >= _LARGE:
            _write(name, known)


def is_whole(path: Path | str) -> bool:
    """Tell whether a product holds what was written; True for a file that does not say.

    Raises
    ------
    FileProblem
        The file cannot be read, or is cut short.
    """
    seal = sealed(path)
    return not seal or seal == content_of(path)


def sealed(path: Path | str) -> str:
    """Return what a product says that it holds; nothing of files that do not say.

    Raises
    ------
    FileProblem
        The file cannot be read, or is cut short.
    """
    if Path(path).suffix != ".fits":
        return ""
    last = contents(path).extensions[-1]
    return str(last.header.get(SEAL, "")) if last.name == "ASDF" else ""


def seal_of(source: Readable, stop: int, tree: bytes) -> str:
    """Return the word for a product whose ASDF extension begins at `stop` and holds `tree`."""
    digest = xxhash.xxh3_128()
    for piece in _pieces(source, _first_header(source), stop):
        digest.update(piece)
    digest.update(tree)
    return _KIND + digest.hexdigest()


def content_of_record(record: Any) -> str:
    """Return a word for the arrays of a record that comes from no file."""
    digest = xxhash.xxh3_128()
    for item in fields(record) if is_dataclass(record) else ():
        value = getattr(record, item.name)
        if isinstance(value, np.ndarray):
            digest.update(f"{item.name}{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return _KIND + digest.hexdigest()


def _read(path: Path) -> str:
    """Read a file and return its word."""
    source: Source = FileSource(path)
    last: Extension | None = None
    if path.suffix == ".fits":
        with suppress(CalcoreError):  # then it is no product, but it has a content
            last = contents(path).extensions[-1]
    try:
        if last is not None and last.name == "ASDF":
            return seal_of(source, last.start, last.read())
        return seal_of(source, source.length, b"")
    except OSError as error:
        raise FileProblem(path, f"cannot be read: {error.strerror or error}") from error


def _first_header(source: Readable) -> list[tuple[int, int]]:
    """Return where the card DATE of a FITS file's first header lies, if it has one."""
    place, block = 0, source.read(0, 36 * _CARD)
    while block.startswith(b"SIMPLE  =") or (place and block):
        for start in range(0, len(block), _CARD):
            card = block[start : start + _CARD]
            if card.startswith(b"DATE    ="):
                return [(place + start, place + start + _CARD)]
            if card.rstrip() == b"END":
                return []
        place += len(block)
        block = source.read(place, 36 * _CARD)
    return []


def _pieces(source: Readable, without: list[tuple[int, int]], stop: int) -> Iterator[bytes]:
    """Yield the bytes up to `stop`, without some."""
    place = 0
    for start, end in (*without, (stop, stop)):
        while place < start and (piece := source.read(place, min(_PIECE, start - place))):
            yield piece
            place += len(piece)
        place = end


def _signature(name: str) -> Signature:
    """Return what of a file changes when its content does.

    Raises
    ------
    FileProblem
        There is no such file.
    """
    try:
        found = os.stat(name)  # noqa: PTH116 - of a name, without making a Path of it
    except OSError as error:
        raise FileProblem(name, f"cannot be read: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


# The user's cache: a small file for each large one, replaced whole, so that runs may share it.


def _place(name: str) -> Path:
    return user_cache_path("calcore") / "contents" / xxhash.xxh3_128_hexdigest(os.fsencode(name))


def _kept(name: str) -> tuple[Signature, str] | None:
    try:
        kept = json.loads(_place(name).read_text(encoding="utf-8"))
        same = kept["path"] == name
        return (tuple(kept["signature"]), str(kept["content"])) if same else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _write(name: str, known: tuple[Signature, str]) -> None:
    path = _place(name)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError, ValueError):  # a cache that cannot be written is done without
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"path": name, "signature": known[0], "content": known[1]}
        temporary.write_text(json.dumps(kept), encoding="utf-8")
        temporary.replace(path)


__all__ = ["SEAL", "content_of", "content_of_record", "is_whole", "keep", "seal_of", "sealed"]
