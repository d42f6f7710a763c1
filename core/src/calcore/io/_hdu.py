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
        """EXTVER."""
        return int(self.header.get("EXTVER") or 1)

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
    count = int(header.get("NAXIS", 0))
    return tuple(int(header[f"NAXIS{axis}"]) for axis in range(count, 0, -1))


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
        what = "is empty" if not source.length else f"begins with {start!r}"
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
    header = b""
    while True:
        piece = source.read(start + len(header), _CHUNK)
        if not piece:
            raise FileTruncated(
                source.path,
                f"its {source.length} bytes end within a header; fetch or make it again",
            )
        header += piece
        end = _end(header)
        if end:
            break
    cards = tuple(parse(header[:end]))
    offset = start + end
    values = {card.keyword: card.value for card in reversed(cards)}
    try:
        axes = axes_of(values)
        if values.get("GROUPS") is True and axes and axes[-1] == 0:
            axes = axes[:-1]
        count = int(values.get("PCOUNT", 0)) + prod(axes) if axes else 0
        size = abs(int(values["BITPIX"])) // 8 * int(values.get("GCOUNT", 1)) * count
    except (KeyError, TypeError, ValueError) as error:
        raise FileInvalid(
            source.path, f"the header at byte {start} has no sound {error}; make the file again"
        ) from error
    if offset + size > source.length:
        raise FileTruncated(
            source.path,
            f"it is {source.length} bytes long, but its headers promise {offset + size} or more; "
            "fetch or make it again",
        )
    return Extension(source, cards, start, offset, size)


def _end(header: bytes) -> int:
    """Return the length of a header with its END and blanks, or 0 if END is not there yet."""
    position = -1
    while (position := header.find(b"END     ", position + 1)) >= 0:
        if position % 80 == 0:
            whole = -(-(position + 80) // BLOCK) * BLOCK
            return whole if whole <= len(header) else 0
    return 0
