"""The ASDF tree of a product, and ASDF files.

Products keep the tree in a binary table of one row and one column of bytes, the extension ``ASDF``.
Trees of plain values are read and written without the `asdf` package, whose import is slow; what
holds world coordinates and transforms goes through it.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from calcore.errors import FileInvalid
from calcore.io._cards import Card
from calcore.io._hdu import Extension
from calcore.wcs.deferred import DeferredWcs
from calcore.wcs.plain_asdf import KIND, dumps, is_plain, loads

_EXTERNAL = re.compile(
    rb"!(?:core/|<tag:stsci\.edu:asdf/core/)ndarray-[\d.]+>?(\s*\{?\s*source:\s*['\"]?fits:)"
)
_EXTENSION = re.compile(rb" *- !core/extension_metadata-[\d.]+\n(?:    .*\n)+")
_EXTENSIONS = re.compile(rb"(?:" + _EXTENSION.pattern + rb")+")
_INTERNAL = frozenset({"asdf_library", "_fits_hash", "extra_fits"})


class LazyTree(Mapping[str, Any]):
    """A tree that is read when it is first looked at."""

    def __init__(self, load: Callable[[], dict[str, Any]]) -> None:
        self._load = load
        self._nodes: dict[str, Any] | None = None

    @property
    def nodes(self) -> dict[str, Any]:
        """The tree."""
        if self._nodes is None:
            self._nodes = self._load()
        return self._nodes

    def __getitem__(self, key: str) -> Any:
        return self.nodes[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.nodes,)


def read_tree(extension: Extension | None) -> dict[str, Any]:
    """Return the tree of a product's ASDF extension, without what asdf keeps for itself.

    Nodes that only point at another extension of the file are left out, and so is what the
    reference pipeline copies there of headers it does not know: the headers have it.

    Raises
    ------
    FileInvalid
        The tree cannot be read.
    """
    if extension is None:
        return {}
    content = _content(extension)
    try:
        tree = _plain(content)
        if tree is not None:
            tree = _with_slicer(tree)
        if tree is None or not is_plain(tree):
            tree = _through_asdf(content)
    except Exception as error:
        raise FileInvalid(
            extension.source.path,
            f"its ASDF extension cannot be read ({error}); make the file again",
        ) from error
    kept = {key: value for key, value in tree.items() if key not in _INTERNAL}
    history = kept.pop("history", None) or {}
    entries = history.get("entries") if isinstance(history, Mapping) else history
    if entries:
        kept["history"] = {"entries": list(entries)}
    return _here(kept)


def _with_slicer(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a tree with an image slicer's coordinates in place of what the file says of them."""
    wcs = lookup(tree, "meta.wcs")
    if not wcs:
        return tree
    from calcore.wcs.slicer_of import slicer_of  # noqa: PLC0415 - slow to import

    slicer = slicer_of(wcs)
    return tree if slicer is None else merged(tree, {"meta": {"wcs": slicer}})


def _content(extension: Extension) -> bytes:
    """Return the bytes of an ASDF extension, as products have it or as an image of bytes."""
    if str(extension.header.get("TFORM1", "")).strip().startswith(("1P", "P", "1Q", "Q")):
        form = ">i8" if "Q" in extension.header["TFORM1"] else ">i4"
        data = extension.read()
        count, start = np.frombuffer(data, form, 2)
        heap = int(extension.header.get("THEAP") or extension.header["NAXIS1"])
        return data[heap + start : heap + start + count]
    return extension.read()


def _here(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree without the nodes that only point at another extension."""
    kept: dict[str, Any] = {}
    for key, node in tree.items():
        if not isinstance(node, dict):
            kept[key] = node
        elif not str(node.get("source", "")).startswith("fits:"):
            kept[key] = _here(node)
    return kept


def _plain(content: bytes) -> dict[str, Any] | None:
    """Return a tree of plain values, whatever their tags; None if it holds anything else."""
    try:
        return loads(content)
    except (LookupError, TypeError, ValueError, yaml.YAMLError):
        return None


def _through_asdf(content: bytes) -> dict[str, Any]:
    """Return a tree with everything that asdf knows how to read."""
    import asdf  # noqa: PLC0415 - slow to import, and not needed for most files

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = io.BytesIO(_EXTERNAL.sub(rb"\1", content))
        with asdf.open(source, lazy_load=False, memmap=False) as file:
            return dict(file.tree)


def read_asdf(path: Path, content: bytes, *, made: Iterable[str] = ("",)) -> dict[str, Any]:
    """Return the tree of an ASDF file.

    Parameters
    ----------
    path, content
        The file's name, for errors, and its bytes.
    made
        Dotted paths of the nodes whose transforms and other objects are made; those of other nodes
        may stay mappings, since what asdf loads for the only one takes seconds.

    Raises
    ------
    FileInvalid
        It is no ASDF file, holds objects whose package is not installed, or keywords without names.
    """
    if not content.startswith(b"#ASDF"):
        what = f"begins with {content[:10].decode('latin-1')!a}" if content else "is empty"
        raise FileInvalid(path, f"is not an ASDF file: it {what}; give an ASDF file")
    try:
        tree = _plain(content)
        if tree is None or not all(is_plain(lookup(tree, node)) for node in made):
            tree = _through_asdf(content)
    except Exception as error:
        raise FileInvalid(
            path, f"cannot be read as ASDF: {error}; fetch or make it again"
        ) from error
    meta = tree.get("meta") or {}
    if not isinstance(meta, Mapping):
        what = type(meta).__name__
        raise FileInvalid(path, f"its node meta is a {what}, no mapping; fetch or make it again")
    check_read(path, tree)
    return {key: value for key, value in tree.items() if key not in {"asdf_library", "history"}}


def check_read(path: Path, node: Any) -> None:
    """Check that every node was read by the package that knows it.

    Raises
    ------
    FileInvalid
        asdf has returned a bare dictionary, as no installed package knows the node's tag.
    """
    tag = _unread(node)
    if tag:
        raise FileInvalid(path, f"holds {tag}, which nothing installed can read{_remedy(tag)}")


def _remedy(what: str) -> str:
    """Return what to install."""
    if "jwst_pipeline" in what or "jwst" in what:
        return "; pip install stdatamodels"
    return "; install the package that defines it"


def _unread(node: Any) -> str:
    """Return the tag of the first node that no converter has read, or nothing."""
    tag = getattr(node, "_tag", "")
    if isinstance(tag, str) and tag and type(node).__name__.startswith("Tagged"):
        return tag
    items = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return next((found for item in items if (found := _unread(item))), "")


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted name; a mapping with a tag is a leaf."""
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping) and KIND not in value:
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings of leaves given by dotted name."""
    tree: dict[str, Any] = {}
    for name, value in leaves.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return tree


def lookup(tree: Mapping[str, Any], path: str) -> Any:
    """Return the node at a dotted path, or None; the tree itself for an empty one."""
    node: Any = tree
    for part in path.split(".") if path else ():
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def without(tree: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a tree without the node at a dotted path, and without branches that are left empty."""
    head, _, rest = path.partition(".")
    copy = dict(tree)
    if head not in copy:
        return copy
    branch = without(copy[head], rest) if rest and isinstance(copy[head], Mapping) else None
    if branch:
        copy[head] = branch
    elif branch is not None or not rest:
        del copy[head]
    return copy


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two trees as one; where both have a leaf, that of `above` counts."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def tree_bytes(tree: Mapping[str, Any]) -> bytes:
    """Return a tree as ASDF."""
    try:
        return dumps(_each(tree, lambda wcs: wcs.tree))
    except TypeError:
        pass  # there is more in it than plain values
    import asdf  # noqa: PLC0415 - slow to import, and not needed for most files

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asdf.AsdfFile(_each(tree, lambda wcs: wcs.wcs)).write_to(buffer)
    return _EXTENSIONS.sub(_sorted, buffer.getvalue(), count=1)


def _each(tree: Mapping[str, Any], form: Callable[[DeferredWcs], Any]) -> dict[str, Any]:
    """Return a tree with world coordinates in a form that can be written."""
    return {
        key: form(node) if isinstance(node, DeferredWcs)
        else _each(node, form) if isinstance(node, dict)
        else node
        for key, node in tree.items()
    }  # fmt: skip


def _sorted(listed: re.Match[bytes]) -> bytes:
    """Return the list of asdf's extensions in order: asdf has another order in each process."""
    return b"".join(sorted(_EXTENSION.findall(listed[0])))


def tree_cards(content: bytes) -> list[Card]:
    """Return the header of an ASDF extension."""
    return [
        Card("XTENSION", "BINTABLE", "binary table extension"),
        Card("BITPIX", 8),
        Card("NAXIS", 2),
        Card("NAXIS1", len(content), "bytes in a row"),
        Card("NAXIS2", 1, "rows"),
        Card("PCOUNT", 0),
        Card("GCOUNT", 1),
        Card("TFIELDS", 1, "columns"),
        Card("TTYPE1", "ASDF_METADATA"),
        Card("TFORM1", f"{len(content)}B"),
        Card("EXTNAME", "ASDF"),
        Card("EXTVER", 1),
    ]
