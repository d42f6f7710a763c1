"""Files written in one go, what goes into a product's tree, and what the system's errors mean."""

import contextlib
import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from calcore.errors import OutputProblem
from calcore.io._temporary import temporary_name
from calcore.io._tree import merged, nested, tree_bytes
from calcore.model import Catalog, Record
from calcore.model.layout import Node, Several, TableExtension, fields_of

_FORMATS = {"ecsv": "ascii.ecsv", "csv": "ascii.csv", "fits": "fits"}
"""What astropy calls the formats of tables."""


def parts_of(record: Record) -> dict[str, Any]:
    """Return tables with their units, records that it holds, and tree nodes, by field name."""
    kind: Any = type(record)
    tables = fields_of(kind, TableExtension)
    units = (table.units for table in tables.values() if table.units)
    names = (*tables, *units, *fields_of(kind, Several), *fields_of(kind, Node))
    return {name: getattr(record, name) for name in names}


def tree_of(kind: Any, values: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree of metadata and of a record's nodes."""
    tree = {"meta": nested(values)} if values else {}
    for name, node in fields_of(kind, Node).items():
        value = fields.get(name)
        if value is not None:
            tree = merged(tree, nested({node.path: value}))
    return tree


def reason(error: OSError) -> str:
    """Return what is wrong and what to do."""
    said = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"cannot be written: {said}; free some space or choose another folder with -o"
    if error.errno == errno.ENOENT:
        return "cannot be written: its folder does not exist; make it or choose another with -o"
    return f"cannot be written: {said}; choose another folder with -o"


def write_catalog(catalog: Catalog, path: Path) -> Path:
    """Write a table of sources."""
    form = _FORMATS[catalog.format]
    return _replaced(path, lambda name: catalog.table.write(name, format=form))


def write_asdf(record: Record, path: Path, record_tree: Mapping[str, Any]) -> Path:
    """Write a record that is all tree, such as a reference of transforms."""
    kind: Any = type(record)
    tree = merged(tree_of(kind, record.meta, parts_of(record)), record_tree)
    return _replaced(path, lambda name: name.write_bytes(tree_bytes(tree)))


def write_tree(tree: Mapping[str, Any], path: Path) -> Path:
    """Write a tree of arrays and plain values as ASDF.

    Raises
    ------
    OutputProblem
        The file cannot be written.
    """
    return _replaced(path, lambda name: name.write_bytes(tree_bytes(tree)))


def write_text(text: str, path: Path) -> Path:
    """Write a text.

    Raises
    ------
    OutputProblem
        The file cannot be written.
    """
    return _replaced(path, lambda name: name.write_text(text, encoding="utf-8"))


def _replaced(path: Path, write: Callable[[Path], Any]) -> Path:
    """Write a file under a temporary name and give it its own when it is whole."""
    temporary = temporary_name(path)
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputProblem(path, reason(error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path
