"""Read ASDF files whose polynomials stay trees of plain values.

Making hundreds of astropy models takes ten times as long as reading their coefficients.
"""

from functools import cache
from typing import Any

import asdf
from asdf.extension import Converter, Extension

NAMES = (
    "polynomial",
    "constant",
    "identity",
    "shift",
    "scale",
    "remap_axes",
    "compose",
    "concatenate",
)
"""Transforms that stay plain: polynomials, and what joins them."""


class _Plain(Converter):  # type: ignore[misc]  # asdf has no types
    """Leaves a transform as the mapping that the file holds, arrays included."""

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __init__(self, tags: tuple[str, ...]) -> None:
        self.tags = tags

    def select_tag(self, obj: Any, tags: Any, ctx: Any) -> str:
        """Refuse to write: nothing is of this kind."""
        del obj, ctx
        raise TypeError(f"plain transforms are read only, not written as {tags[0]}")

    def to_yaml_tree(self, obj: Any, tag: str, ctx: Any) -> Any:
        """Refuse to write: nothing is of this kind."""
        del obj, ctx
        raise TypeError(f"plain transforms are read only, not written as {tag}")

    def from_yaml_tree(self, node: Any, tag: str, ctx: Any) -> dict[str, Any]:
        """Return the mapping, with the name of the transform under ``transform``."""
        del ctx
        return {**node, "transform": _name(tag)}


class _PlainTransforms(Extension):  # type: ignore[misc]  # asdf has no types
    extension_uri = "asdf://calcore/extensions/plain-transforms-1.0.0"

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._tags = tags

    @property
    def tags(self) -> tuple[str, ...]:
        return self._tags

    @property
    def converters(self) -> list[Converter]:
        return [_Plain(self._tags)]


@cache
def plain_transforms() -> Extension:
    """Return the extension of asdf that leaves transforms as they are."""
    known = {tag.tag_uri for extension in asdf.get_config().extensions for tag in extension.tags}
    ours = (uri for uri in known if "asdf/transform/" in uri and _name(uri) in NAMES)
    return _PlainTransforms(tuple(sorted(ours)))


def _name(tag: str) -> str:
    """Return what a tag such as ``tag:stsci.edu:asdf/transform/shift-1.2.0`` stands for."""
    return tag.rpartition("/")[2].rpartition("-")[0]
