"""Finding rows in tables of references."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from calcore.errors import ReferenceInvalid
from calcore.model.meta import Meta


def text(value: Any) -> str:
    """Return a table's text, whatever it is stored as."""
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip()


def matching_rows(table: Any, meta: Meta, names: Iterable[str]) -> list[int]:
    """Return the rows of a table whose columns say what the metadata say.

    Parameters
    ----------
    table : structured array, table, or mapping of columns
        Column names count without regard to case.
    meta : Meta
        Metadata of the exposure.
    names : iterable of str
        Dotted names; the last part is the column. Columns that the table lacks, entries ``N/A`` or
        ``ANY``, and names without value fit everything.
    """
    known = {name.lower(): name for name in columns_of(table)}
    count = len(table[next(iter(known.values()))])
    rows = np.ones(count, bool)
    for name in names:
        column, value = known.get(name.rpartition(".")[2]), meta.get(name)
        if column is not None and value is not None:
            entries = [text(entry).upper() for entry in table[column]]
            rows &= np.array([e in {str(value).upper(), "N/A", "ANY"} for e in entries], bool)
    return [int(row) for row in np.flatnonzero(rows)]


def columns_of(table: Any) -> list[str]:
    """Return the names of a table's columns."""
    names = getattr(getattr(table, "dtype", None), "names", None) or getattr(
        table, "colnames", None
    )
    return list(names if names is not None else table)


def numbers(table: Any, name: str, rows: list[int], what: str) -> Any:
    """Return some rows of a column of numbers: float64 (n,).

    Raises
    ------
    ReferenceInvalid
        There is no such column.
    """
    known = {column.lower(): column for column in columns_of(table)}
    if name not in known:
        raise ReferenceInvalid(f"the {what} reference has no column {name}; it has {sorted(known)}")
    return np.asarray(table[known[name]], np.float64)[rows]
