"""Binary tables as numpy structured arrays, and back.

The format is that of the FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; section 7.3).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import FileInvalid
from calcore.io._cards import Card
from calcore.io._hdu import Extension

_CODES = {
    "L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8",
    "M": ">c16",
}  # fmt: skip
_LETTERS = {"b1": "L", "u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D",
            "c8": "C", "c16": "M"}  # fmt: skip
_ZERO = {"u2": 1 << 15, "u4": 1 << 31, "u8": 1 << 63, "i1": -(1 << 7)}
_FORM = re.compile(r"\s*(\d*)([A-Z])(.*)")
COLUMN_CARD = re.compile(r"(TTYPE|TFORM|TUNIT|TDIM|TDISP|TNULL|TZERO|TSCAL)\d+$")


def read_table(extension: Extension, *, lower: bool = False) -> NDArray[np.void]:
    """Return a binary table, row for row.

    Parameters
    ----------
    extension : Extension
        A BINTABLE.
    lower : bool
        Whether column names come in lower case.

    Returns
    -------
    structured array (n_row,)
        In the machine's byte order; text is unicode without trailing blanks.

    Raises
    ------
    FileInvalid
        The extension is no table, or has columns of bits or of varying length.
    """
    header = extension.header
    path = extension.source.path
    if extension.kind != "BINTABLE":
        raise FileInvalid(
            path, f"{extension.name} is not a table; take the file from its archive again"
        )
    count = int(header.get("TFIELDS", 0))
    names, stored, letters = [], [], []
    for column in range(1, count + 1):
        name = str(header.get(f"TTYPE{column}", f"col{column}"))
        form = str(header.get(f"TFORM{column}", ""))
        match = _FORM.match(form)
        letter = match.group(2) if match else ""
        if match is None or (letter != "A" and letter not in _CODES):
            raise FileInvalid(
                path,
                f"column {name} of {extension.name} has the format {form!r}, which is not supported; "
                "store it with a fixed length",
            )
        repeat = int(match.group(1) or 1)
        names.append(name.lower() if lower else name)
        letters.append(letter)
        stored.append(_stored(letter, repeat, header.get(f"TDIM{column}")))
    rows = int(header["NAXIS2"])
    raw = np.frombuffer(
        extension.source.read(extension.offset, rows * int(header["NAXIS1"])),
        np.dtype({"names": [f"f{i}" for i in range(count)], "formats": stored}, align=False),
        count=rows,
    )
    columns = [
        _native(raw[f"f{i}"], letter, header.get(f"TSCAL{i + 1}"), header.get(f"TZERO{i + 1}"))
        for i, letter in enumerate(letters)
    ]
    kinds = [(n, c.dtype, c.shape[1:]) for n, c in zip(names, columns, strict=True)]
    table: NDArray[np.void] = np.empty(rows, np.dtype(kinds))
    for name, values in zip(names, columns, strict=True):
        table[name] = values
    return table


def _stored(letter: str, repeat: int, dimensions: Any) -> Any:
    """Return the element type of a column as it lies in the file."""
    shape = tuple(int(n) for n in re.findall(r"\d+", str(dimensions or "")))[::-1]
    if letter == "A":
        if len(shape) > 1:
            return (f"S{shape[-1]}", shape[:-1])
        return f"S{repeat}"
    if shape:
        return (_CODES[letter], shape)
    return _CODES[letter] if repeat == 1 else (_CODES[letter], (repeat,))


def _native(values: NDArray[Any], letter: str, scale: Any, zero: Any) -> NDArray[Any]:
    """Return a column in the machine's byte order, scaled, its text without trailing blanks."""
    if letter == "L":
        return np.asarray(values == b"T")
    if letter == "A":
        text = np.char.decode(values, "latin-1")
        return np.char.rstrip(text).astype(f"U{max(1, values.dtype.itemsize)}")
    native = values.astype(values.dtype.newbyteorder("="))
    if scale in {None, 1} and zero in {None, 0}:
        return native
    if scale in {None, 1} and float(zero).is_integer():
        bits = 8 * native.dtype.itemsize
        if native.dtype.kind == "i" and int(zero) == 1 << (bits - 1):
            kind = f"u{native.dtype.itemsize}"
            return np.asarray(native.view(kind) ^ np.array(1 << (bits - 1), kind))
        if native.dtype == np.uint8 and int(zero) == -128:
            return np.asarray((native ^ np.uint8(128)).view(np.int8))
        return np.asarray(native.astype(np.int64) + int(zero))
    return np.asarray(native * float(scale or 1) + float(zero or 0))


def units_of(extension: Extension) -> dict[str, str]:
    """Return the units of a table's columns, by name, as far as its header gives them."""
    header = extension.header
    return {
        str(header.get(f"TTYPE{number}")): str(unit)
        for number in range(1, int(header.get("TFIELDS", 0)) + 1)
        if (unit := header.get(f"TUNIT{number}"))
    }


def table_cards(
    name: str,
    table: NDArray[np.void],
    template: Iterable[Card] = (),
    *,
    units: Mapping[str, str] | None = None,
    version: int = 1,
) -> tuple[list[Card], bytes]:
    """Return the header and the data of a binary table.

    Parameters
    ----------
    name : str
        EXTNAME.
    table : structured array (n_row,)
        Columns; text becomes fixed-width ASCII.
    template : cards
        Header of the table this one was read from: columns of the same name keep unit and display
        format.
    units : mapping, optional
        Units of columns, which count more than those of the template.
    version : int
        EXTVER.
    """
    kept = _column_facts(template)
    for column, unit in (units or {}).items():
        kept.setdefault(column.lower(), {})["TUNIT"] = unit
    names = table.dtype.names or ()
    columns: list[Card] = []
    stored: list[NDArray[Any]] = []
    for number, column in enumerate(names, 1):
        values, form, zero, dimensions = _encoded(table[column])
        columns += [Card(f"TTYPE{number}", column), Card(f"TFORM{number}", form)]
        if dimensions:
            columns.append(Card(f"TDIM{number}", dimensions))
        if zero:
            columns += [Card(f"TSCAL{number}", 1), Card(f"TZERO{number}", zero)]
        for word, value in kept.get(column.lower(), {}).items():
            columns.append(Card(f"{word}{number}", value))
        stored.append(values)
    kinds = [(f"f{i}", v.dtype, v.shape[1:]) for i, v in enumerate(stored)]
    rows: NDArray[np.void] = np.empty(len(table), np.dtype(kinds))
    for i, values in enumerate(stored):
        rows[f"f{i}"] = values
    cards = [
        Card("XTENSION", "BINTABLE", "binary table extension"),
        Card("BITPIX", 8),
        Card("NAXIS", 2),
        Card("NAXIS1", rows.dtype.itemsize, "bytes in a row"),
        Card("NAXIS2", len(rows), "rows"),
        Card("PCOUNT", 0),
        Card("GCOUNT", 1),
        Card("TFIELDS", len(stored), "columns"),
        *columns,
        Card("EXTNAME", name),
        Card("EXTVER", version),
    ]
    return cards, rows.tobytes()


def _column_facts(cards: Iterable[Card]) -> dict[str, dict[str, Any]]:
    """Return unit and display format by column name in lower case, as a header gives them."""
    found = {card.keyword: card.value for card in cards if COLUMN_CARD.match(card.keyword)}
    facts: dict[str, dict[str, Any]] = {}
    for keyword, column in found.items():
        if keyword.startswith("TTYPE"):
            number = keyword[5:]
            facts[str(column).lower()] = {
                word: found[word + number] for word in ("TUNIT", "TDISP") if word + number in found
            }
    return facts


def _encoded(values: NDArray[Any]) -> tuple[NDArray[Any], str, int, str]:
    """Return a column as it lies in a file, its TFORM, TZERO and TDIM."""
    inner = values.shape[1:]
    count = int(np.prod(inner, dtype=np.int64))
    if values.dtype.kind in "US":
        text = np.char.encode(values, "ascii", "replace") if values.dtype.kind == "U" else values
        width = max(1, values.dtype.itemsize // (4 if values.dtype.kind == "U" else 1))
        dimensions = f"({','.join(str(n) for n in (width, *inner[::-1]))})" if inner else ""
        return text.astype(f"S{width}"), f"{width * count}A", 0, dimensions
    dimensions = f"({','.join(str(n) for n in inner[::-1])})" if len(inner) > 1 else ""
    code = values.dtype.str[1:]
    repeat = str(count) if inner else ""
    if code == "b1":
        return np.where(values, b"T", b"F"), f"{repeat or ''}L", 0, dimensions
    zero = _ZERO.get(code, 0)
    if zero:
        size = values.dtype.itemsize
        flipped = values.view(f"u{size}") ^ np.array(1 << (8 * size - 1), f"u{size}")
        values = flipped.view(f"i{size}") if size > 1 else flipped
        code = values.dtype.str[1:]
    return values.astype(values.dtype.newbyteorder(">")), repeat + _LETTERS[code], zero, dimensions
