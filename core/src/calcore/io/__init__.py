"""The files users have: FITS with the standard extensions, and ASDF."""

from calcore.io._hdu import Contents, contents
from calcore.io._output import write_text, write_tree
from calcore.io._products import KINDS, kind_of
from calcore.io._read import open, open_lazy, read_meta, read_node  # noqa: A004
from calcore.io._reference import open_reference, read_asdf_tree
from calcore.io._section import Filled, Section
from calcore.io._temporary import remove_leftovers, temporary_name
from calcore.io._whole import Begun, write
from calcore.io._write import ProductWriter

__all__ = [
    "KINDS",
    "Begun",
    "Contents",
    "Filled",
    "ProductWriter",
    "Section",
    "contents",
    "kind_of",
    "open",
    "open_lazy",
    "open_reference",
    "read_asdf_tree",
    "read_meta",
    "read_node",
    "remove_leftovers",
    "temporary_name",
    "write",
    "write_text",
    "write_tree",
]
