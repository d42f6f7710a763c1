"""An image slicer's geometry, taken from the gWCS of a product."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import NDArray

from calcore.wcs.deferred import as_tree
from calcore.wcs.divided import division_of
from calcore.wcs.plain import Polynomial, polynomial_of
from calcore.wcs.plain_asdf import kind_of
from calcore.wcs.pointing import ARCSEC_PER_DEGREE, Pointing
from calcore.wcs.slicer import Field, Slice, SlicedCoordinates

Node = Mapping[str, Any]
_JOINTS = frozenset({"remap_axes", "scale"})
"""What may stand between polynomials."""


def sliced(wcs: Any) -> SlicedCoordinates | None:
    """Return an exposure's world coordinates, in what form ever, as `slicer_of` does."""
    if wcs is None or isinstance(wcs, SlicedCoordinates):
        return wcs
    if not any(hasattr(step.transform, "label_mapper") for step in wcs.pipeline[:2]):
        return None
    return slicer_of(as_tree(wcs))


def slicer_of(tree: Any) -> SlicedCoordinates | None:
    """Return coordinates in a form that maps whole frames quickly.

    Parameters
    ----------
    tree : mapping
        The gWCS of a product of an image slicer, ours or the reference pipeline's, as
        `plain_asdf.loads` gives it.

    Returns
    -------
    SlicedCoordinates or None
        None if these are not polynomials of each slice and each field.
    """
    try:
        if (division := division_of(tree)) is not None:
            whole = slicer_of({**tree, "steps": tree["steps"][1:]})
            return None if whole is None else replace(whole.divided(*division), told=tree)
        to_slicer, to_telescope, aberration, attitude, _ = (
            step["transform"] for step in tree["steps"]
        )
        labels = np.ascontiguousarray(to_slicer["label_mapper"]["mapper"], np.int32)
        fields = tuple(_fields(to_telescope))
        found = [_slice(number, model, labels, fields) for number, model in _models(to_slicer)]
        slices, stretches = zip(*found, strict=True)
        (stretch,) = set(stretches)
        return SlicedCoordinates(
            labels=labels,
            slices=slices,
            fields=fields,
            pointing=_pointing(aberration, attitude),
            stretch=stretch,
            told=tree,
        )
    except (LookupError, StopIteration, TypeError, ValueError):
        return None


def _models(selector: Node) -> Iterator[tuple[int, Node]]:
    """Return the labels and transforms of a selector."""
    chosen = selector["selector"]
    return zip(map(int, chosen["labels"]), chosen["transforms"], strict=True)


def _fields(selector: Node) -> Iterator[Field]:
    ranges = selector["label_mapper"]["mapper"]
    limits = {
        int(_leaves(model)[-1]["value"]): (float(low), float(high))
        for (low, high), model in zip(ranges["labels"], ranges["models"], strict=True)
    }
    for number, model in _models(selector):
        yield Field(
            number=number,
            wavelengths=limits[number],
            to_telescope=_pair(_leaves(model)),
            back=_pair(_inverse(model)),
        )


def _slice(
    number: int, model: Node, labels: NDArray[np.int32], fields: tuple[Field, ...]
) -> tuple[Slice, float]:
    """Return a slice, and by how much wavelengths are more than its polynomial says."""
    (alpha, beta, wavelength), after = _polynomials(_leaves(model), 3)
    stretch = math.prod(_factor(leaf) for leaf in after)
    middle = stretch * _value(wavelength, *_pixel(labels, number))
    field = next(
        place
        for place, one in enumerate(fields)
        if one.wavelengths[0] <= middle <= one.wavelengths[1]
    )
    place, back = (alpha, beta, wavelength), _pair(_inverse(model))
    return Slice(number=number, field=field, place=place, back=back), stretch


def _pixel(labels: NDArray[np.int32], number: int) -> tuple[float, float]:
    """Return y and x of a pixel in a slice: in the middle row, or else in the middle of the slice."""
    row = len(labels) // 2
    columns = np.flatnonzero(labels[row] == number)
    if columns.size:
        return float(row), float(columns[columns.size // 2])
    rows, columns = np.nonzero(labels == number)
    middle = rows.size // 2
    return float(rows[middle]), float(columns[middle])


def _value(polynomial: Polynomial, first: float, second: float) -> float:
    one, other = first + polynomial.shift[0], second + polynomial.shift[1]
    return float(polyval2d(one, other, polynomial.terms))


def _pointing(aberration: Node, attitude: Node) -> Pointing:
    scale = next((leaf for leaf in _leaves(aberration) if kind_of(leaf) == "scale"), None)
    turns = next(leaf for leaf in _leaves(attitude) if kind_of(leaf) == "rotate_sequence_3d")
    v2, v3, roll, dec, ra = (float(angle) for angle in turns["angles"])
    return Pointing(
        ra_deg=-ra,
        dec_deg=dec,
        roll_deg=roll,
        v2_arcsec=v2 * ARCSEC_PER_DEGREE,
        v3_arcsec=-v3 * ARCSEC_PER_DEGREE,
        aberration_scale=None if scale is None else float(scale["factor"]),
    )


def _pair(leaves: list[Node]) -> tuple[Polynomial, Polynomial]:
    (first, second), _ = _polynomials(leaves, 2)
    return first, second


def _factor(leaf: Node) -> float:
    """Return by how much a transform behind all polynomials stretches wavelengths."""
    kind = kind_of(leaf)
    if kind == "scale":
        return float(leaf["factor"])
    if kind == "multiply":
        same, factor = leaf["forward"]
        if (kind_of(same), kind_of(factor)) == ("identity", "constant"):
            return float(factor["value"])
    if kind != "identity":
        raise ValueError(f"{kind} behind the polynomials of a slice")
    return 1.0


def _polynomials(leaves: list[Node], count: int) -> tuple[list[Polynomial], list[Node]]:
    """Return the first polynomials of a transform, each with the shifts before it, and what follows."""
    found: list[Polynomial] = []
    shifts: list[float] = []
    for place, leaf in enumerate(leaves):
        kind = kind_of(leaf)
        if kind in {"polynomial", "constant"}:
            one = polynomial_of(leaf)
            if kind == "polynomial":
                first, second = shifts or (0.0, 0.0)
                one, shifts = one.shifted(first, second), []
            found.append(one)
        elif kind == "shift":
            shifts.append(float(leaf["offset"]))
        elif kind == "identity":
            shifts += [0.0] if leaf.get("n_dims", 1) == 1 else []
        elif kind not in _JOINTS:
            break
        if len(found) == count:
            return found, leaves[place + 1 :]
    raise ValueError(f"there are not {count} polynomials and nothing but what joins them")


def _leaves(node: Node) -> list[Node]:
    """Return what a compound transform is made of, in order."""
    if kind_of(node) not in {"compose", "concatenate"}:
        return [node]
    return [leaf for part in node["forward"] for leaf in _leaves(part)]


def _inverse(node: Node) -> list[Node]:
    """Return what the inverse of a transform is made of; parts of it may say theirs."""
    if "inverse" in node:
        return _leaves(node["inverse"])
    if kind_of(node) in _JOINTS | {"identity"}:
        return []
    parts = node["forward"][:: -1 if kind_of(node) == "compose" else 1]
    return [leaf for part in parts for leaf in _inverse(part)]
