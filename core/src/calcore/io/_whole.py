"""Writing records: at once, or the planes while the rest is not known yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calcore.io._output import parts_of, write_asdf, write_catalog
from calcore.io._write import Ahead, ProductWriter
from calcore.model import Catalog, Record
from calcore.model.layout import Array, Plane, fields_of


def write(
    record: Record | Catalog,
    path: Path | str,
    *,
    record_tree: Mapping[str, Any] | None = None,
    ahead: Ahead = map,
) -> Path:
    """Write a product under its final name once it is whole.

    Parameters
    ----------
    record : Record or Catalog
        What is written. Planes that are None are left out; integers of 16 bits stay raw counts.
    path : path
        Where; the file appears when everything is in it, and replaces an older one.
    record_tree : mapping, optional
        Nodes for the ASDF tree, such as the record of what was done.
    ahead : callable
        Encodes pieces of planes on other threads while others are written.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputProblem
        The folder cannot be written, or the disk is full. Nothing is left behind.
    """
    path = Path(path)
    if isinstance(record, Catalog):
        return write_catalog(record, path)
    if path.suffix == ".asdf":
        return write_asdf(record, path, record_tree or {})
    return Begun(record, path, ahead=ahead, spare=0).end(record, record_tree)


class Begun:
    """A product whose planes are in a file under a temporary name, and nothing else.

    Parameters
    ----------
    record : Record
        Its planes are written; its metadata tell how long headers will be, more or less.
    path : path
        Where the product will be.
    ahead : callable
        As in `write`.
    spare : int
        Header blocks to keep free for keywords that come at the end.

    Raises
    ------
    OutputProblem
        As in `write`.
    """

    def __init__(self, record: Record, path: Path, *, ahead: Ahead = map, spare: int = 1) -> None:
        self._record, self._planes = record, _planes(record)
        planes = self._planes
        self._product = ProductWriter(
            path,
            type(record),
            record.meta,
            {name: plane.shape for name, plane in planes.items()},
            dtypes={name: plane.dtype for name, plane in planes.items()},
            carried=record.carried,
            spare=spare,
        )
        try:
            for name, plane in planes.items():
                self._product.put_plane(name, plane, ahead=ahead)
        except BaseException:
            self.abort()
            raise

    def is_of(self, record: Any) -> bool:
        """Whether these are the planes of a record, and it comes from the same file."""
        if type(record) is not type(self._record) or record.carried is not self._record.carried:
            return False
        planes = _planes(record)
        return planes.keys() == self._planes.keys() and all(
            planes[name] is self._planes[name] for name in planes
        )

    def end(self, record: Record, record_tree: Mapping[str, Any] | None = None) -> Path:
        """Write headers, tables and tree of a record whose planes these are; give the file its name."""
        with self._product as product:
            return product.close(record.meta, fields=parts_of(record), record_tree=record_tree)

    def abort(self) -> None:
        """Remove the temporary file."""
        self._product.abort()


def _planes(record: Record) -> dict[str, Any]:
    """Return the planes that a record has, by field name."""
    kind: Any = type(record)
    return {
        name: plane
        for name in (*fields_of(kind, Plane), *fields_of(kind, Array))
        if (plane := getattr(record, name)) is not None
    }
