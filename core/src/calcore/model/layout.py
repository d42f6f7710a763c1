"""How a record's fields lie in a file: said once, as annotations of the fields themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Plane:
    """An image extension whose last two axes are detector rows and columns.

    `axes` names all axes, slowest first. A plane that a file lacks is None, or filled with `fill`
    where that is given; one that is `required` must be there. One that is `single` has no axis
    more where the others have one for integrations; a reference's image may have one if `stacked`.
    """

    extension: str
    dtype: str
    axes: tuple[str, ...] = ("y", "x")
    required: bool = False
    fill: float | None = None
    single: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class Array:
    """An image extension that is not cut to rows and columns, such as a convolution kernel."""

    extension: str
    dtype: str
    required: bool = True


@dataclass(frozen=True)
class TableExtension:
    """A binary table extension, kept as a numpy structured array, row for row.

    If `dotted`, columns are called by dotted names, and by their keywords in a file. `units` names
    the field of the record, if any, that maps columns to their units.
    """

    extension: str
    required: bool = False
    dotted: bool = False
    units: str = ""


@dataclass(frozen=True)
class Several:
    """Records of one class, such as spectra of many sources; EXTVER tells their extensions apart."""

    kind: Any


@dataclass(frozen=True)
class Node:
    """A node of the ASDF tree, by its dotted path, such as ``meta.wcs``; the whole tree if empty.

    In a reference of which a node is `plain`, transforms stay mappings as they stand in the file,
    arrays included; `transform` names each. Of other references those in nodes asked for are made.
    """

    path: str
    required: bool = False
    plain: bool = False


@cache
def fields_of(record: Any, kind: type[T]) -> dict[str, T]:
    """Return the fields of a record class whose annotation carries a `kind`, in order."""
    found: dict[str, T] = {}
    for name, hint in get_type_hints(record, include_extras=True).items():
        for extra in _metadata(hint):
            if isinstance(extra, kind):
                found[name] = extra
    return found


def disagreement(record: Any, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return in words which planes of a record class do not fit each other; nothing if all do.

    Planes must agree with the first one in rows, columns, and all other axes of the same name. They
    may have more axes than their annotation says if the first one has, as images of several
    integrations do.
    """
    first: tuple[Plane, tuple[int, ...]] | None = None
    for name, plane in fields_of(record, Plane).items():
        shape = shapes.get(name)
        if shape is None:
            continue
        first = first or (plane, shape)
        if _fits(plane, shape, *first):
            continue
        return (
            f"{plane.extension} is {times(shape)}, but {first[0].extension} is {times(first[1])} "
            "(slowest axis first)"
        )
    return ""


def _fits(plane: Plane, shape: tuple[int, ...], first: Plane, wanted: tuple[int, ...]) -> bool:
    """Tell whether a plane's shape agrees with that of the first plane."""
    if len(shape) < len(plane.axes):
        return False
    if plane.axes == first.axes:
        return shape == (wanted[-len(shape) :] if plane.single else wanted)
    if len(shape) > len(plane.axes) and "n_group" not in first.axes:
        return False
    known = dict(zip(first.axes[::-1], wanted[::-1], strict=False))
    own = zip(plane.axes[::-1], shape[::-1], strict=False)
    return all(known.get(axis, size) == size for axis, size in own)


def times(shape: tuple[int, ...]) -> str:
    """Return a shape in words, such as ``5 x 64 x 72``."""
    return " x ".join(str(size) for size in shape)


def _metadata(hint: Any) -> tuple[Any, ...]:
    """Return what `Annotated` carries, also inside ``X | None``."""
    extras: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    for part in getattr(hint, "__args__", ()):
        extras += getattr(part, "__metadata__", ())
    return extras
