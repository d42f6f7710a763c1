"""Where light enters the spectrograph: fixed slits, shutters, and the images of the slicer's slices.

Along the slit, places are fractions of its length from its middle, -0.5 and 0.5 at its ends. Metrology
of shutters and slits, and the slicer: Ferruit et al. 2022 (A&A 661, A81), Boeker et al. 2022 (A&A 661,
A82); forms of the files: JWST documentation, "MSA", "IFUSLICER" and "IFUPOST Reference File".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcore.errors import ReferenceInvalid
from calcore_nirspec.wcs.directions import Float

Edge = Callable[[float, Float], tuple[Float, Float]]
"""From a place along a slit and wavelengths [m] to x and y in the plane of the slits [m]."""

FIXED_SLITS = ("S200A1", "S200A2", "S400A1", "S1600A1", "S200B1")
"""In the order of the reference; the one after them is the window of the IFU.

(The documentation has the last two the other way round; jwst 3.0.0 takes them as here.)
"""
SLIT_QUADRANT = 5
SHUTTERS_A_ROW = 365
_PLACE = 4


@dataclass(frozen=True, kw_only=True)
class Aperture:
    """A slit: its `name`, and which places along it let light through, from `low` to `high`."""

    name: str
    edge: Edge
    low: float
    high: float


def fixed_slits(part: Mapping[str, Any], reach: float) -> list[Aperture]:
    """Return the fixed slits of a part ``Q5``, that reach to ±`reach` of their length."""
    places = _places(part["data"], len(FIXED_SLITS), "msa")
    return [
        Aperture(name=name, edge=_straight(place, part["model"]), low=-reach, high=reach)
        for name, place in zip(FIXED_SLITS, places, strict=True)
    ]


def slitlet(
    number: int,
    row: int,
    columns: Sequence[int],
    part: Mapping[str, Any],
    margin: float,
    pitch: float,
) -> Aperture:
    """Return shutters of one row of a quadrant that are open side by side.

    Parameters
    ----------
    number : int
        What the slitlet is called.
    row, columns : int, sequence of int
        Place across and places along the slitlet, counted from 1, as the MSA's metadata call them.
    part : mapping
        Part ``Q1`` to ``Q4`` of the reference.
    margin, pitch : float
        By how much of a shutter's height it reaches over the outermost ones' middles, and from one
        shutter to the next.

    Raises
    ------
    ReferenceInvalid
        There are no such shutters.
    """
    first, last = min(columns), max(columns)
    if not (1 <= row <= SHUTTERS_A_ROW and first >= 1):
        raise ReferenceInvalid(
            f"slitlet {number} is said to be in row {row}, column {first}, but shutters are counted "
            f"from 1, and {SHUTTERS_A_ROW} to a row; correct the MSA's metadata file"
        )
    index = (first - 1) * SHUTTERS_A_ROW + row - 1
    place = _places(part["data"], index + 1, "msa")[index]
    return Aperture(
        name=str(number), edge=_straight(place, part["model"]), low=-margin,
        high=margin + pitch * (last - first),
    )  # fmt: skip


def slices(
    data: Any, model: Any, post: Iterable[Mapping[str, Any]], reach: float
) -> list[Aperture]:
    """Return the images of slices, that reach to ±`reach` of their length.

    Parameters
    ----------
    data, model
        Of the slicer's reference.
    post : iterable of mapping
        Models from the slicer to the plane of the slits, slice by slice.
    """
    post = list(post)
    return [
        Aperture(name=str(number), edge=_sliced(place, model, way), low=-reach, high=reach)
        for number, (place, way) in enumerate(
            zip(_places(data, len(post), "ifuslicer"), post, strict=True)
        )
    ]


def _straight(place: Float, model: Any) -> Edge:
    x, y, _, height = place

    def edge(fraction: float, wavelength_m: Float) -> tuple[Float, Float]:
        across = np.full(np.shape(wavelength_m), x)
        along = np.full(np.shape(wavelength_m), y + fraction * height)
        found: tuple[Float, Float] = model(across, along)
        return found

    return edge


def _sliced(place: Float, model: Any, way: Mapping[str, Any]) -> Edge:
    """Return the edges of a slice's image: a turn and a scale, then polynomials with colours."""
    straight = _straight(place, model)

    def edge(fraction: float, wavelength_m: Float) -> tuple[Float, Float]:
        near = way["linear"](*straight(fraction, wavelength_m))
        x, y = (
            way[f"{axis}poly"](*near) + wavelength_m * way[f"{axis}poly_distortion"](*near)
            for axis in "xy"
        )
        return x, y

    return edge


def _places(data: Any, count: int, kind: str) -> Float:
    """Return centres and sizes (n, 4) [m] of the first apertures of a table.

    Its columns are a number, x and y of the centre, and the sizes in x and y, whatever their names.

    Raises
    ------
    ReferenceInvalid
        It has other columns, or fewer rows.
    """
    table = np.asarray(data)
    names = table.dtype.names or ()
    if len(names) != 1 + _PLACE or len(table) < count:
        raise ReferenceInvalid(
            f"a table of the {kind} reference has {len(table)} rows and {len(names)} columns where "
            f"{count} and {1 + _PLACE} are needed; give another with --ref {kind}=FILE"
        )
    return np.stack([np.asarray(table[name][:count], float) for name in names[1:]], axis=1)
