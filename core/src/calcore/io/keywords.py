"""Which keyword of which extension holds which name of the metadata: one table, kept as data.

``keywords.csv`` has a row for each keyword of JWST products that is not peculiar to one instrument:
keyword, extension, dotted name (without the leading ``meta.``), type and unit. Instruments add theirs
with `register`.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import PluginBroken

_TYPES: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True, slots=True)
class Row:
    """One keyword: where it stands, what it is called in the metadata, and what it holds."""

    keyword: str
    hdu: str
    name: str
    type: str
    unit: str = ""

    def read(self, value: Any) -> Any:
        """Return a header's value in this keyword's type, or as it is if it does not fit."""
        return _cast(self.type, value)


def _cast(kind: str, value: Any) -> Any:
    """Return `value` as `kind` where that loses nothing."""
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "bool" and isinstance(value, int) and value in {0, 1}:
        return bool(value)
    if kind == "str" and not isinstance(value, str):
        return str(value)
    return value


class _Table:
    """All rows, by name and by place."""

    def __init__(self) -> None:
        self.by_name: dict[str, Row] = {}
        self.by_place: dict[tuple[str, str], Row] = {}
        self.order: dict[str, int] = {}

    def add(self, row: Row) -> None:
        self.by_name[row.name] = row
        self.by_place[row.keyword, row.hdu] = row
        self.order[row.name] = len(self.order)


_table: _Table | None = None


def _rows() -> _Table:
    """Return the table, read at first use."""
    global _table  # noqa: PLW0603 - the one table of the process, which plugins add to
    if _table is None:
        table = _Table()
        text = files("calcore.io").joinpath("keywords.csv").read_text(encoding="utf-8")
        lines = csv.reader(text.splitlines())
        next(lines)
        for line in lines:
            table.add(Row(*line))
        _table = table
    return _table


def row_of(name: str) -> Row | None:
    """Return the row of a dotted name, if it has a keyword."""
    return _rows().by_name.get(name)


def row_at(keyword: str, hdu: str) -> Row | None:
    """Return the row of a keyword in an extension, if it is known."""
    return _rows().by_place.get((keyword, hdu))


def keyword_of(name: str) -> tuple[str, str] | None:
    """Return keyword and extension of a dotted name, if it has one."""
    row = row_of(name)
    return (row.keyword, row.hdu) if row else None


def name_of(keyword: str, hdu: str = "PRIMARY") -> str | None:
    """Return the dotted name of a keyword in an extension, if it is known."""
    row = row_at(keyword, hdu)
    return row.name if row else None


def names() -> Iterable[str]:
    """Return all dotted names that have a keyword, in the order of headers."""
    return tuple(_rows().by_name)


def place(name: str) -> int:
    """Return where in a header a name's keyword comes."""
    return _rows().order.get(name, len(_rows().order))


def register(rows: Iterable[Mapping[str, str]], owner: str) -> None:
    """Add the rows that an instrument's ``tables/keywords.toml`` brings.

    Parameters
    ----------
    rows : mappings
        Each with ``keyword``, ``name`` and ``type``; ``hdu`` (PRIMARY if left out) and ``unit``.
    owner : str
        The distribution that brings them, for messages.

    Raises
    ------
    PluginBroken
        A row is incomplete, or gives a keyword or name that is taken another meaning.
    """
    table = _rows()
    for entry in rows:
        try:
            row = Row(
                entry["keyword"],
                entry.get("hdu", "PRIMARY"),
                entry["name"],
                entry["type"],
                entry.get("unit", ""),
            )
        except KeyError as error:
            raise PluginBroken(
                f"{owner}: a row of its keyword table lacks {error}; found {dict(entry)}"
            ) from error
        if row.type not in _TYPES:
            raise PluginBroken(
                f"{owner}: keyword {row.keyword} has the type {row.type!r}; use one of {', '.join(_TYPES)}"
            )
        taken = table.by_name.get(row.name) or table.by_place.get((row.keyword, row.hdu))
        if taken is None:
            table.add(row)
        elif taken != row:
            raise PluginBroken(
                f"{owner}: keyword {row.keyword} ({row.name}) is already {taken.keyword} in "
                f"{taken.hdu} ({taken.name}); rename one of them"
            )


def as_keywords(table: NDArray[np.void]) -> NDArray[np.void]:
    """Return a table whose columns are called by keywords instead of dotted names.

    Columns that have no keyword are left out; names without a dot that are no name of the metadata
    are taken for keywords. Of two columns with the same keyword the first counts.
    """
    called: dict[str, str] = {}
    for name in table.dtype.names or ():
        known = keyword_of(name)
        keyword = known[0] if known else name
        if "." not in keyword and keyword not in called.values():
            called[name] = keyword
    result = np.empty(table.shape, [(new, table.dtype[old]) for old, new in called.items()])
    for old, new in called.items():
        result[new] = table[old]
    return result
