"""Reading exposures and products as records."""

from pathlib import Path
from typing import Any

from calcore.errors import FileInvalid, FileProblem, KeywordMissing
from calcore.io import keywords
from calcore.io._hdu import Contents, Extension, scan
from calcore.io._headers import carried_cards, meta_of, own_values
from calcore.io._planes import planes_of
from calcore.io._products import (
    check_single,
    extensions_of,
    kind_of,
    members_of,
    rides_along,
)
from calcore.io._source import MemorySource, Source, open_source
from calcore.io._tables import read_table, units_of
from calcore.io._tree import LazyTree, check_read, flat, lookup, read_tree, without
from calcore.model import Carried, Catalog, Meta
from calcore.model.layout import Node, Plane, Several, TableExtension, fields_of


def read_meta(
    file: Path | str | Contents, *, required: tuple[str, ...] = ("instrument.name",)
) -> Meta:
    """Return the metadata of an exposure or product from its headers alone.

    Parameters
    ----------
    file : path or Contents
        A FITS file, which may be compressed with gzip.
    required : tuple of str
        Dotted names that must have a value.

    Raises
    ------
    FileProblem, FileInvalid, FileTruncated
        The file is not there, is no FITS file, or is cut short.
    KeywordMissing
        A required name has no value.
    """
    contents = file if isinstance(file, Contents) else scan(open_source(Path(file)))
    return _meta(contents, required)


def _meta(
    contents: Contents, required: tuple[str, ...] = (), apart: frozenset[str] = frozenset()
) -> Meta:
    """Return metadata and check what must be there; extensions `apart` have metadata of their own."""
    values = meta_of(contents, apart)
    for name in required:
        if name not in values:
            keyword, _ = keywords.keyword_of(name) or (name, "")
            raise KeywordMissing(name, keyword, contents.source.path)
    return Meta(values)


def open(  # noqa: A001 - calcore.open
    path: Path | str, kind: type[Any] | None = None, *, planes: bool = True
) -> Any:
    """Read an exposure or product into memory.

    Parameters
    ----------
    path : path
        A FITS file of any stage, compressed or not, or a catalogue (``.ecsv``).
    kind : record class, optional
        What to read it as; found out from the file if not given.
    planes : bool
        False leaves the planes of a file that is not compressed there, as `open_lazy` does.

    Returns
    -------
    Record or Catalog
        Planes are C-ordered and in the machine's byte order.

    Raises
    ------
    FileProblem, FileInvalid, FileTruncated
        The file cannot be read, is not what it should be, or is cut short.
    """
    path = Path(path)
    if kind is Catalog or (kind is None and path.suffix == ".ecsv"):
        return _catalog(path)
    record = open_lazy(path, kind)
    chosen: Any = type(record)
    read = {
        name: plane[...]
        for name in fields_of(chosen, Plane)
        if (plane := getattr(record, name)) is not None and (planes or path.suffix == ".gz")
    }
    carried = record.carried
    whole = Carried(
        carried.cards, tuple(_in_memory(item) for item in carried.extensions), dict(carried.tree)
    )
    return record.replace(carried=whole, meta=record.meta.set(_leaves(whole.tree)), **read)


def _leaves(tree: Any) -> dict[str, Any]:
    """Return the plain values of a tree's ``meta`` that no keyword holds, by dotted name."""
    plain = (str, int, float, bool)
    return {
        name: value
        for name, value in flat(lookup(tree, "meta") or {}).items()
        if isinstance(value, plain) and keywords.row_of(name) is None
    }


def open_lazy(path: Path | str, kind: type[Any] | None = None) -> Any:
    """Open an exposure or product and leave its planes in the file.

    Planes are `Section` objects that read what is asked of them; `Record.cut` makes arrays of them.
    Tables, world coordinates and metadata are read at once.

    Raises
    ------
    FileProblem, FileInvalid, FileTruncated
        The file cannot be read, is not what it should be, or is cut short.
    """
    path = Path(path)
    contents = scan(open_source(path))
    check_single(contents)
    chosen: Any = kind or kind_of(contents)
    fields = planes_of(contents, chosen)
    fields |= tables_of(contents, chosen)
    for name, several in fields_of(chosen, Several).items():
        fields[name] = _several(contents, several.kind)
    asdf = contents.find("ASDF")
    nodes = fields_of(chosen, Node)
    tree = LazyTree(lambda: _unknown(read_tree(asdf), nodes))
    if nodes:
        whole = read_tree(asdf)
        fields |= {name: lookup(whole, node.path) for name, node in nodes.items()}
        check_read(path, [fields[name] for name in nodes])
        tree = LazyTree(lambda: _unknown(whole, nodes))
    known = extensions_of(chosen)
    carried = Carried(
        cards={e.name: carried_cards(e) for e in contents.extensions if e.name != "ASDF"},
        extensions=tuple(
            e
            for e in contents.extensions[1:]
            if rides_along(e, known) and e.name not in members_of(chosen)
        ),
        tree=tree,
    )
    return chosen(meta=_meta(contents, apart=members_of(chosen)), carried=carried, **fields)


def _several(contents: Contents, kind: Any) -> tuple[Any, ...]:
    """Return the records of a file that EXTVER tells apart, in their order."""
    [(name, table)] = fields_of(kind, TableExtension).items()
    found = [e for e in contents.extensions if e.name == table.extension]
    return tuple(
        kind(
            meta=Meta(own_values(extension)),
            carried=Carried(cards={extension.name: carried_cards(extension)}),
            **{name: read_table(extension), table.units: units_of(extension)},
        )
        for extension in sorted(found, key=lambda extension: extension.version)
    )


def read_node(path: Path | str, name: str) -> dict[str, Any]:
    """Return a node of a product's ASDF tree; empty if there is none."""
    node = read_tree(scan(open_source(Path(path))).find("ASDF")).get(name)
    return node if isinstance(node, dict) else {}


def tables_of(contents: Contents, kind: Any, *, lower: bool = False) -> dict[str, Any]:
    """Return the tables of a record."""
    found: dict[str, Any] = {}
    for name, table in fields_of(kind, TableExtension).items():
        extension = contents.find(table.extension)
        if extension is None and table.required:
            there = ", ".join(e.name for e in contents.extensions[1:]) or "no extension"
            raise FileInvalid(
                contents.source.path,
                f"has no table {table.extension}, which a file of type {kind.__name__} needs; it "
                f"holds {there}. Give another file",
            )
        found[name] = read_table(extension, lower=lower) if extension is not None else None
    return found


def _unknown(tree: dict[str, Any], nodes: dict[str, Node]) -> dict[str, Any]:
    """Return what of a tree is neither a record's nor in the headers."""
    for node in nodes.values():
        tree = without(tree, node.path)
    for name in flat(tree.get("meta") or {}):
        if keywords.row_of(name) is not None:
            tree = without(tree, f"meta.{name}")
    return tree


def _in_memory(extension: Extension) -> Extension:
    """Return an extension that no longer needs its file."""
    source = extension.source
    if isinstance(source, MemorySource):
        return extension
    content = source.read(extension.start, extension.stop - extension.start)
    shift = extension.start
    held: Source = MemorySource(source.path, b"\0" + content)
    return Extension(held, extension.cards, 1, extension.offset - shift + 1, extension.size)


def _catalog(path: Path) -> Catalog:
    """Read a catalogue."""
    from astropy.table import QTable  # noqa: PLC0415 - slow to import

    try:
        return Catalog(QTable.read(path, format="ascii.ecsv"))
    except FileNotFoundError as error:
        raise FileProblem(path, "there is no such file; check name and folder") from error
    except Exception as error:
        raise FileInvalid(path, f"is not a catalogue in ECSV: {error}") from error
