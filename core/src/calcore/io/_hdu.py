"""What a FITS file holds: its extensions, where their data lie, and their headers."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from calcore.errors import FileInvalid, FileTruncated
from calcore.io._cards import BLOCK, Card, parse
from calcore.io._source import Source, open_source

_CHUNK = 10 * BLOCK
_LONGEST = 1 << 24
"""A header longer than this [byte] has lost its END."""
_BITPIX = frozenset({8, 16, 32, 64, -32, -64})


@dataclass(frozen=True, eq=False)
class Extension:
    """One header with its data; `start` to `offset` is the header, `size` bytes of data follow."""

    source: Source
    cards: tuple[Card, ...]
    start: int
    offset: int
    size: int

    @cached_property
    def header(self) -> dict[str, Any]:
        """Values by keyword; the first card of a keyword counts."""
        values: dict[str, Any] = {}
        for card in self.cards:
            values.setdefault(card.keyword, card.value)
        return values

    @property
    def name(self) -> str:
        """EXTNAME in upper case; ``PRIMARY`` for the first header."""
        if self.start == 0:
            return "PRIMARY"
        return str(self.header.get("EXTNAME", "")).strip().upper()

    @property
    def version(self) -> int:
        """EXTVER; 1 if it is no number."""
        version = self.header.get("EXTVER")
        return version if isinstance(version, int) else 1

    @property
    def kind(self) -> str:
        """IMAGE, BINTABLE or TABLE."""
        return str(self.header.get("XTENSION", "IMAGE")).strip()

    @property
    def is_compressed(self) -> bool:
        """True for an image compressed tile by tile, which is stored as a table."""
        return bool(self.header.get("ZIMAGE", False))

    @property
    def stop(self) -> int:
        """Offset of the next header."""
        return self.offset + -(-self.size // BLOCK) * BLOCK

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes, slowest first."""
        return axes_of(self.header)

    def read(self) -> bytes:
        """Return the data."""
        return self.source.read(self.offset, self.size)


def axes_of(header: dict[str, Any]) -> tuple[int, ...]:
    """Return the sizes of a header's axes, slowest first."""
    names = [f"NAXIS{axis}" for axis in range(_count(header, "NAXIS"), 0, -1)]
    return tuple(_count(header, name) for name in names)


def _count(header: dict[str, Any], keyword: str) -> int:
    """Return a keyword that counts something; the error's argument is its name if it does not."""
    value = header[keyword]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(keyword)
    return value


@dataclass(frozen=True, eq=False)
class Contents:
    """The extensions of a file, in order."""

    source: Source
    extensions: tuple[Extension, ...]

    def find(self, name: str, version: int = 1) -> Extension | None:
        """Return an extension by name, or None."""
        for extension in self.extensions:
            if extension.name == name and extension.version == version:
                return extension
        return None

    @property
    def primary(self) -> Extension:
        """The first header."""
        return self.extensions[0]


def contents(path: Path | str) -> Contents:
    """Return the extensions of a FITS file, which may be compressed with gzip; see `scan`."""
    return scan(open_source(Path(path)))


def scan(source: Source) -> Contents:
    """Read all headers of a FITS file and check that all data are there.

    Raises
    ------
    FileInvalid
        It is no FITS file.
    FileTruncated
        It ends before its headers say.
    """
    start = source.read(0, 10)
    if not start.startswith(b"SIMPLE  ="):
        what = "is empty" if not source.length else f"begins with {start.decode('latin-1')!a}"
        raise FileInvalid(source.path, f"is not a FITS file: it {what}; give a FITS file")
    extensions: list[Extension] = []
    position = 0
    while position < source.length:
        if position and not source.read(position, 10).startswith(b"XTENSION="):
            break  # the standard allows other records after the last extension
        extension = _extension(source, position)
        extensions.append(extension)
        position = extension.stop
    return Contents(source, tuple(extensions))


def _extension(source: Source, start: int) -> Extension:
    """Read one header, and find how many bytes of data follow."""
    header = _header(source, start)
    cards = tuple(parse(header))
    offset = start + len(header)
    values = {card.keyword: card.value for card in reversed(cards)}
    try:
        size = _size(values)
    except (KeyError, ValueError) as error:
        raise FileInvalid(
            source.path,
            f"the header at byte {start} does not say how large its data are: {error.args[0]!r} is "
            "missing or wrong; fetch or make the file again",
        ) from error
    if offset + size > source.length:
        raise FileTruncated(
            source.path,
            f"it is {source.length} bytes long, but its headers promise {offset + size} or more; "
            "fetch or make it again",
        )
    return Extension(source, cards, start, offset, size)


def _header(source: Source, start: int) -> bytes:
    """Return a header with its END and blanks."""
    header = b""
    while True:
        piece = source.read(start + len(header), _CHUNK)
        if not piece:
            raise FileTruncated(
                source.path,
                f"its {source.length} bytes end within a header; fetch or make it again",
            )
        searched = len(header)
        header += piece
        end = _end(header, searched)
        if end:
            return header[:end]
        if len(header) > _LONGEST:
            raise FileInvalid(
                source.path,
                f"the header at byte {start} has no END; fetch or make the file again",
            )


def _size(values: dict[str, Any]) -> int:
    """Return the bytes of data that a header promises.

    Raises
    ------
    KeyError, ValueError
        A keyword that says so is missing or wrong; it is the error's argument.
    """
    axes = axes_of(values)
    if values.get("GROUPS") is True and axes and axes[-1] == 0:
        axes = axes[:-1]
    if values["BITPIX"] not in _BITPIX:
        raise ValueError("BITPIX")
    more = _count({"PCOUNT": 0, **values}, "PCOUNT")
    repeats = _count({"GCOUNT": 1, **values}, "GCOUNT")
    return abs(int(values["BITPIX"])) // 8 * repeats * (more + prod(axes) if axes else 0)


def _end(header: bytes, searched: int) -> int:
    """Return the length of a header with its END and blanks, or 0 if END is not there yet.

    What was searched before need not be looked at again but for its last card.
    """
    position = max(0, searched - BLOCK) - 1
    while (position := header.find(b"END     ", position + 1)) >= 0:
        if position % 80 == 0:
            whole = -(-(position + 80) // BLOCK) * BLOCK
            return whole if whole <= len(header) else 0
    return 0
