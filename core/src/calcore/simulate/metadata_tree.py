"""The ASDF extension of a raw file: its keywords once more, as a tree.

The archive's files carry it, and readers that choose references look into it. It is written as
text, with nothing in it that depends on a library's version.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy.io import fits

from calcore.io.keywords import name_of
from calcore.simulate.headers import Keyword

START = "#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"


def metadata_hdu(primary: Iterable[Keyword], science: Iterable[Keyword]) -> fits.BinTableHDU:
    """Return the ASDF extension of the keywords of the primary header and of SCI.

    Keywords that the data model does not know are left out.
    """
    tree: dict[str, Any] = {}
    for keywords, hdu in ((primary, "PRIMARY"), (science, "SCI")):
        for keyword, value, _ in keywords:
            name = name_of(keyword, hdu)
            if name is None:
                continue
            node = tree
            *parents, last = name.split(".")
            for parent in parents:
                node = node.setdefault(parent, {})
            node[last] = value
    content = START.encode() + f"meta:\n{_yaml(tree, 2)}...\n".encode()
    values = np.frombuffer(content, np.uint8)
    column = fits.Column(name="ASDF_METADATA", format=f"{len(values)}B", array=values[None, :])
    return fits.BinTableHDU.from_columns([column], name="ASDF")


def _yaml(tree: dict[str, Any], indent: int) -> str:
    """Return a tree of words and numbers as YAML, keys sorted."""
    lines = []
    for key in sorted(tree):
        value = tree[key]
        if isinstance(value, dict):
            lines.append(f"{' ' * indent}{key}:\n{_yaml(value, indent + 2)}")
        else:
            lines.append(f"{' ' * indent}{key}: {_scalar(value)}\n")
    return "".join(lines)


def _scalar(value: str | float | bool) -> str:
    """Return a value as YAML 1.1 reads it back with its type."""
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"'{quoted}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return (
        text.replace("e", "e+") if "e" in text and "e-" not in text and "e+" not in text else text
    )
