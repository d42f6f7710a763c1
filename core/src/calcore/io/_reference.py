"""Reading reference files: cut to the science exposure's sub-array, with flags by name."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import (
    FileInvalid,
    FileProblem,
    KeywordInvalid,
    ReferenceInvalid,
    ReferenceMissing,
    with_article,
)
from calcore.flags import DQ, remap
from calcore.io._hdu import Contents, scan
from calcore.io._headers import meta_of_reference
from calcore.io._planes import planes_of
from calcore.io._read import tables_of
from calcore.io._section import Translation
from calcore.io._source import open_source
from calcore.io._tables import read_table
from calcore.io._tree import check_read, flat, lookup, read_asdf, read_tree
from calcore.model import Meta, Reference, Window
from calcore.model.interleaved import Interleaved
from calcore.model.layout import Array, Node, Plane, TableExtension, fields_of
from calcore.model.stitched import lines_of
from calcore.model.stripes import Stripes

R = TypeVar("R", bound=Reference)
_TREES = {".asdf": "an ASDF", ".json": "a JSON"}


def open_reference(path: Path | str, kind: type[R], science: Meta | None = None) -> R:
    """Open a reference file for an exposure; planes stay in the file until they are cut.

    Parameters
    ----------
    path : path
        A FITS, ASDF or JSON file.
    kind : reference class
        What is read; its annotations say which extensions and nodes.
    science : Meta
        Metadata of the exposure, whose sub-array the planes are cut to; not cut if left out.

    Returns
    -------
    Reference
        Planes cover the exposure's frame. Flags are those of `DQ`, translated by name where the
        file has a DQ_DEF table. Column names of tables are in lower case.

    Raises
    ------
    ReferenceMissing
        There is no such file.
    ReferenceInvalid
        The file is not of this type, or does not cover the exposure's sub-array.
    FileTruncated
        The file is cut short.
    """
    path = Path(path)
    try:
        if path.suffix in _TREES:
            return _from_tree(path, kind)
        contents = scan(open_source(path))
        planes = planes_of(contents, kind, _translation(contents))
        tables = tables_of(contents, kind, lower=True)
        meta = Meta(meta_of_reference(contents))
        chosen: Any = kind
        nodes = fields_of(chosen, Node)
        tree = read_tree(contents.find("ASDF")) if nodes else {}
        fields = {name: _node(tree, node, path, kind) for name, node in nodes.items()}
        cut = _cut(path, kind, meta, science, planes)
    except FileInvalid as error:
        raise ReferenceInvalid(f"reference {kind.type}: {error}") from error
    except KeywordInvalid as error:
        raise ReferenceInvalid(f"reference {kind.type}: {path}: {error}") from error
    except FileProblem as error:
        if path.exists():
            raise
        raise ReferenceMissing(
            f"reference {kind.type}: {path} does not exist; check the name or fetch it again"
        ) from error
    return kind(meta=meta, **cut, **tables, **fields)


def _from_tree(path: Path, kind: type[R]) -> R:
    """Open a reference that is an ASDF or a JSON file."""
    chosen: Any = kind
    if fields_of(chosen, Plane) or fields_of(chosen, Array) or fields_of(chosen, TableExtension):
        raise FileInvalid(
            path,
            f"is {_TREES[path.suffix]} file, but {with_article(kind.type)} is a FITS file; give such a one",
        )
    nodes = fields_of(chosen, Node)
    if path.suffix == ".json":
        tree = _read_json_tree(path)
    else:
        some_plain = any(node.plain for node in nodes.values())
        made = () if some_plain else [node.path for node in nodes.values()]
        tree = read_asdf_tree(path, made=made)
    plain = (str, int, float, bool)
    leaves = flat(tree.get("meta") or {})
    meta = Meta({name: value for name, value in leaves.items() if isinstance(value, plain)})
    fields = {name: _node(tree, node, path, kind) for name, node in nodes.items()}
    return kind(meta=meta, **fields)


def _read_json_tree(path: Path) -> dict[str, Any]:
    """Return the tree of a JSON file."""
    source = open_source(path)
    try:
        tree = json.loads(bytes(source.read(0, source.length)))
    except ValueError as error:
        raise FileInvalid(path, f"is no JSON file ({error}); give another") from error
    if not isinstance(tree, dict):
        raise FileInvalid(path, "holds no names with values, as a reference does; give another")
    return tree


def read_asdf_tree(path: Path | str, *, made: Iterable[str] = ("",)) -> dict[str, Any]:
    """Return the tree of an ASDF file; objects in other nodes than those `made` may stay mappings.

    Raises
    ------
    FileInvalid
        It is no ASDF file.
    """
    source = open_source(Path(path))
    return read_asdf(Path(path), source.read(0, source.length), made=made)


def _node(tree: dict[str, Any], node: Node, path: Path, kind: type[Reference]) -> Any:
    """Return a node of a tree, which must be there if it is required."""
    value = lookup(tree, node.path)
    if value is None and node.required:
        raise FileInvalid(
            path,
            f"has no node {node.path}, which a file of type {kind.type} needs; it holds "
            f"{', '.join(map(str, tree)) or 'nothing'}. Give another file",
        )
    check_read(path, value)
    return value


def _translation(contents: Contents) -> Translation | None:
    """Return how flags are renumbered, or None if the file numbers them as products do."""
    extension = contents.find("DQ_DEF")
    if extension is None:
        return None
    table = read_table(extension, lower=True)
    names = table.dtype.names or ()
    if "value" not in names or "name" not in names:
        raise FileInvalid(
            contents.source.path,
            f"its DQ_DEF table has no columns VALUE and NAME but {', '.join(names)}; correct it",
        )
    pairs = zip(table["value"], table["name"], strict=True)
    definition = [(int(value), str(name).strip()) for value, name in pairs]
    wrong = [value for value, _ in definition if not 0 <= value < 1 << 32]
    if wrong:
        raise FileInvalid(
            contents.source.path,
            f"its DQ_DEF table has the value {wrong[0]}, which is no flag of 32 bits; correct it",
        )

    def translate(dq: NDArray[Any]) -> NDArray[Any]:
        # Most pixels carry no flag, and only the others need a look.
        result = np.zeros(dq.shape, np.uint32)
        flagged = np.flatnonzero(dq)
        if flagged.size:
            result.reshape(-1)[flagged] = remap(dq.reshape(-1)[flagged], definition)
        return result

    everything = sum(bit for bit in {1 << place for place in range(32)})
    same = all(name in DQ.__members__ and DQ[name] == value for value, name in definition)
    complete = same and sum({value for value, _ in definition}) == everything
    return None if complete else translate


def _cut(
    path: Path, kind: Any, meta: Meta, science: Meta | None, planes: dict[str, Any]
) -> dict[str, Any]:
    """Cut planes to the science exposure's sub-array."""
    names = [name for name in fields_of(kind, Plane) if planes.get(name) is not None]
    if not names or science is None:
        return planes
    if "subarray.xsize" not in science or "subarray.ysize" not in science:
        return planes
    rows, columns = planes[names[0]].shape[-2:]
    size = int(science["subarray.ysize"]), int(science["subarray.xsize"])
    interleaved = Interleaved.of(science) if science.has_facts else None
    if interleaved is not None and rows == interleaved.rows:
        return planes
    if interleaved is not None and (rows, columns) == size:
        return {**planes, **{name: interleaved.spread(planes[name][...]) for name in names}}
    top, left = science.subarray_origin
    row, column = _origin(path, kind, meta, science, (rows, columns))
    first = top - row, left - column
    stripes = Stripes.of(science)
    together = stripes is not None and stripes.positions > 1
    if (rows, columns) == size and first == (0, 0) and not together:
        return planes
    if stripes is not None:
        place = Window(row, row + rows, column, column + columns, *_detector_size(science))
        whole = [planes[name] for name in names]
        parts = _stitched(path, kind, place, science, stripes, whole)
        return {**planes, **dict(zip(names, parts, strict=True))}
    if min(first) < 0 or first[0] + size[0] > rows or first[1] + size[1] > columns:
        raise ReferenceInvalid(
            f"reference {kind.type}: {path} covers rows {row + 1} to {row + rows} and columns "
            f"{column + 1} to {column + columns} of the detector, but the exposure reads rows "
            f"{top + 1} to {top + size[0]} and columns {left + 1} to {left + size[1]}; give a "
            "reference that covers them"
        )
    where = slice(first[0], first[0] + size[0]), slice(first[1], first[1] + size[1])
    cut = {
        name: planes[name].within(*where)
        if hasattr(planes[name], "within")
        else planes[name][..., where[0], where[1]]
        for name in names
    }
    return {**planes, **cut}


def _stitched(
    path: Path, kind: Any, place: Window, science: Meta, stripes: Stripes, planes: list[Any]
) -> list[Any]:
    """Return planes of a part of the detector as a frame of stripes has them, not read yet."""
    top, left = science.subarray_origin
    if stripes.along_rows:
        lines, across, begin = place.rows, place.columns, left
        length = int(science["subarray.xsize"])
    else:
        lines, across, begin = place.columns, place.rows, top
        length = int(science["subarray.ysize"])
    needed = stripes.lines
    fits = lines.start <= needed.min() and needed.max() < lines.stop
    if not fits or begin < across.start or begin + length > across.stop:
        what, other = ("rows", "columns") if stripes.along_rows else ("columns", "rows")
        raise ReferenceInvalid(
            f"reference {kind.type}: {path} covers {what} {lines.start + 1} to {lines.stop} and "
            f"{other} {across.start + 1} to {across.stop} of the detector, but the exposure reads "
            f"stripes of {what} {needed.min() + 1} to {needed.max() + 1} and {other} {begin + 1} to "
            f"{begin + length}; give a reference of the whole detector"
        )
    part = slice(begin - across.start, begin - across.start + length)
    return [lines_of(plane, stripes, lines.start, part) for plane in planes]


def _detector_size(science: Meta) -> tuple[int, int]:
    detector = science.facts.detector
    return detector.rows, detector.columns


def _origin(
    path: Path, kind: type[Reference], meta: Meta, science: Meta, shape: tuple[int, int]
) -> tuple[int, int]:
    """Return row and column of the reference's first pixel in the full frame, from 0.

    A file that does not say where it lies is a full frame if it has the detector's size, and
    otherwise lies where the exposure does if it has the exposure's size.
    """
    size = meta.get("subarray.ysize"), meta.get("subarray.xsize")
    if None not in size and size != shape:
        raise ReferenceInvalid(
            f"reference {kind.type}: {path} has SUBSIZE2, SUBSIZE1 = {size[0]}, {size[1]} but its "
            f"arrays have {shape[0]} rows and {shape[1]} columns; correct the file"
        )
    if "subarray.ystart" in meta and "subarray.xstart" in meta:
        return meta.subarray_origin
    if shape == (science["subarray.ysize"], science["subarray.xsize"]):
        return science.subarray_origin
    return 0, 0
