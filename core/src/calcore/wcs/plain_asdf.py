"""ASDF as plain values: mappings, sequences, numbers and arrays, without the package that knows more.

Making hundreds of models of a file takes ten times as long as reading what they are made of. A mapping
with a tag has it under ``!``; anything else with one is the ``=`` of such a mapping.
"""

import bz2
import math
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

KIND, VALUE = "!", "="
_HEADER = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"
_END = b"\n...\n"
_OWN = "tag:stsci.edu:asdf/"
_BLOCK = b"\xd3BLK"
_FRONT = struct.Struct(">4sH")
"""Of a block: its mark, and the length of what comes between this and its data."""
_MIDDLE = struct.Struct(">I4sQQQ16s")
"""Flags, compression, bytes in the file, bytes used and after decompression, and a checksum or zeros."""
_UNPACK: dict[bytes, Callable[[Any], bytes]] = {
    b"\0\0\0\0": bytes,
    b"zlib": zlib.decompress,
    b"bzp2": bz2.decompress,
}
_TYPES = frozenset(
    f"{kind}{8 * size}"
    for kind, sizes in {
        "int": (1, 2, 4, 8), "uint": (1, 2, 4, 8), "float": (4, 8), "complex": (8, 16)
    }.items()
    for size in sizes
)  # fmt: skip
_KNOWN = frozenset({"asdf", "software", "extension_metadata"})
"""Tags that say nothing that the values do not."""


def kind_of(node: Any) -> str:
    """Return the name of a mapping's tag, such as ``shift``, without its version; empty if it has none."""
    tag = node.get(KIND, "") if isinstance(node, Mapping) else ""
    return str(tag).rpartition("/")[2].partition("-")[0]


def is_plain(node: Any) -> bool:
    """Tell whether nothing in a tree has a tag."""
    if isinstance(node, Mapping):
        return KIND not in node and all(is_plain(value) for value in node.values())
    return not isinstance(node, list) or all(is_plain(value) for value in node)


def loads(content: bytes) -> dict[str, Any]:
    """Return the tree of an ASDF file.

    Raises
    ------
    LookupError, ValueError, yaml.YAMLError
        It has something that is no plain value, or is broken.
    """
    text, end, _ = content.partition(b"\n...")
    loader = _Loader(text)
    loader.blocks = _blocks(content, len(text) + len(end))
    try:
        tree = loader.get_single_data()
    finally:
        loader.dispose()
    return tree if isinstance(tree, dict) else {}


def dumps(tree: Mapping[str, Any]) -> bytes:
    """Return a tree as ASDF.

    Raises
    ------
    TypeError
        A node is no plain value.
    """
    blocks: list[NDArray[Any]] = []
    text = _HEADER + _emit(tree, "", blocks).encode("ascii") + _END
    return b"".join([text, *(part for block in blocks for part in _block(block))])


# Reading.


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads plain values, with the tags that they have."""

    blocks: list[tuple[bytes, memoryview]]


def _pairs(loader: Any, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True)


def _tagged(loader: Any, rest: str, node: yaml.Node) -> Any:
    """Return a value with its tag, and arrays as arrays."""
    name = rest.rpartition("/")[2].rpartition("-")[0]
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    else:
        value = _pairs(loader, node)
    if name in _KNOWN:
        return value
    if name == "ndarray":
        return _array(value, loader.blocks)
    return {KIND: f"tag:{rest}", **(value if isinstance(value, dict) else {VALUE: value})}


def _ordered(loader: Any, node: yaml.Node) -> Any:
    """Return a mapping that is written as a list of its items, as libraries want some."""
    value = _pairs(loader, node)
    if isinstance(value, list):
        return OrderedDict(pair for item in value for pair in item.items())
    return value


_Loader.add_multi_constructor("tag:", _tagged)
_Loader.add_constructor("tag:yaml.org,2002:omap", _ordered)


def _blocks(content: bytes, start: int) -> list[tuple[bytes, memoryview]]:
    """Return how the blocks of a file are compressed, and their bytes."""
    found = []
    position = content.find(_BLOCK, start)
    while position >= 0 and content[position : position + 4] == _BLOCK:
        _, length = _FRONT.unpack_from(content, position)
        _, compression, room, used, _, _ = _MIDDLE.unpack_from(content, position + _FRONT.size)
        begin = position + _FRONT.size + length
        found.append((compression, memoryview(content)[begin : begin + used]))
        position = begin + room
    return found


def _array(node: Any, blocks: list[tuple[bytes, memoryview]]) -> Any:
    if not isinstance(node, dict):
        return np.array(node)
    if str(node.get("source", "")).startswith("fits:"):
        return node
    kind = np.dtype({"bool8": "bool"}.get(node["datatype"], node["datatype"]))
    if str(kind) not in _TYPES | {"bool"} or {"mask", "strides"} & {*node}:
        raise LookupError(f"an array of {node['datatype']}")
    if "data" in node:
        return np.array(node["data"], kind)
    if not 0 <= node["source"] < len(blocks):
        raise LookupError(f"an array in {node['source']}, of {len(blocks)} blocks")
    compression, content = blocks[node["source"]]
    stored = kind.newbyteorder(">" if node["byteorder"] == "big" else "<")
    shape = node["shape"]
    values = np.frombuffer(
        _UNPACK[compression](content), stored, math.prod(shape), node.get("offset", 0)
    )
    return np.array(values, kind).reshape(shape)


# Writing.


def _block(values: NDArray[Any]) -> tuple[bytes, bytes]:
    content = values.tobytes()
    size = len(content)
    head = _FRONT.pack(_BLOCK, _MIDDLE.size)
    return head + _MIDDLE.pack(0, bytes(4), size, size, size, bytes(16)), content


def _emit(node: Any, indent: str, blocks: list[NDArray[Any]]) -> str:
    """Return plain values as YAML."""
    if not isinstance(node, Mapping) or not node or _is_flowing(node):
        return _flow(node, blocks)
    inner = indent + "  "
    return "\n".join(
        f"{indent}{_text(str(key))}:{_branch(value, inner, blocks)}" for key, value in node.items()
    )


def _branch(value: Any, indent: str, blocks: list[NDArray[Any]]) -> str:
    below = isinstance(value, Mapping) and value and not _is_flowing(value)
    return ("\n" if below else " ") + _emit(value, indent, blocks)


def _is_flowing(node: Mapping[str, Any]) -> bool:
    """Tell whether a mapping is written on one line."""
    return KIND in node or isinstance(node, OrderedDict)


def _flow(node: Any, blocks: list[NDArray[Any]]) -> str:
    """Return plain values as YAML on one line."""
    if isinstance(node, OrderedDict):
        return "!!omap " + _flow([{key: value} for key, value in node.items()], blocks)
    if isinstance(node, Mapping):
        tag = f"{_tag(node[KIND])} " if KIND in node else ""
        if VALUE in node and tag:
            return tag + _flow(node[VALUE], blocks)
        items = (
            f"{_text(str(k))}: {_flow(v, blocks)}" for k, v in node.items() if not tag or k != KIND
        )
        return tag + "{" + ", ".join(items) + "}"
    if isinstance(node, list | tuple):
        return "[" + ", ".join(_flow(item, blocks) for item in node) + "]"
    if isinstance(node, np.ndarray):
        return _stored(node, blocks)
    return _scalar(node)


def _tag(tag: str) -> str:
    return f"!{tag.removeprefix(_OWN)}" if tag.startswith(_OWN) else f"!<{tag}>"


def _stored(values: NDArray[Any], blocks: list[NDArray[Any]]) -> str:
    """Return what YAML says of an array, which goes to a block."""
    kind = str(values.dtype.newbyteorder("="))
    if kind not in _TYPES:
        raise TypeError(f"an array of {kind} is not written as plain values")
    blocks.append(values.astype(values.dtype.newbyteorder("<"), copy=False))
    shape = ", ".join(map(str, values.shape))
    return (
        f"!core/ndarray-1.1.0 {{source: {len(blocks) - 1}, datatype: {kind}, byteorder: little, "
        f"shape: [{shape}]}}"
    )


def _scalar(node: Any) -> str:
    if node is None:
        return "null"
    if isinstance(node, bool | np.bool_):
        return "true" if node else "false"
    if isinstance(node, str):
        return _text(node)
    if isinstance(node, int | np.integer):
        return str(int(node))
    if isinstance(node, float | np.floating):
        return _real(float(node))
    raise TypeError(f"{type(node).__name__} is no plain value")


def _real(number: float) -> str:
    if math.isnan(number):
        return ".nan"
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    text = repr(number)
    mantissa, exponent, power = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    if exponent and power[0] not in "+-":
        power = "+" + power
    return mantissa + exponent + power


def _text(text: str) -> str:
    """Return a double-quoted YAML scalar in ASCII."""
    escaped = []
    for character in text:
        code = ord(character)
        if character in '"\\':
            escaped.append("\\" + character)
        elif character == "\n":
            escaped.append("\\n")
        elif 32 <= code < 127:
            escaped.append(character)
        else:
            escaped.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(escaped) + '"'
