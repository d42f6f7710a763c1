"""What each pixel of an image slicer sees, as a box in a cube."""

import numpy as np
from numpy.polynomial.polynomial import polyvander2d
from numpy.typing import NDArray

from calcore.kernels.cube_drizzle import Boxes
from calcore.kernels.cube_shepard import Points
from calcore.kernels.slice_coordinates import corners_of
from calcore.wcs.cube_grid import CubeGrid
from calcore.wcs.slicer import Field, SlicedCoordinates

REACH = 0.4999
"""Pixels reach so far from their middle [pixel]; at a half, rounding would decide what they touch."""
_DEGREE = 4
_POINTS = 9

Plane = NDArray[np.float64]


def slice_boxes(
    coordinates: SlicedCoordinates,
    field: Field,
    grid: CubeGrid,
    values: NDArray[np.float32],
    variances: NDArray[np.float32],
    good: NDArray[np.bool_],
) -> Boxes:
    """Return the pixels of one field as boxes in a cube.

    On the sky a pixel is as wide as the slice, and as long as the next pixel is away; so is its range
    of wavelengths about its middle (Law et al. 2023, AJ 166, 45, section 3.1).

    Parameters
    ----------
    coordinates : SlicedCoordinates
        Of the exposure.
    field : Field
        One of its fields.
    grid : CubeGrid
        The cube.
    values, variances : float32 (ny, nx)
        Surface brightness and its variance.
    good : bool (ny, nx)
        Which pixels count, of those in slices of the field.
    """
    chosen = coordinates.pixels(field, good)
    place = coordinates.fields.index(field)
    beta = [one.place[1].terms[0, 0] for one in coordinates.slices if one.field == place]
    half = float(np.median(np.diff(np.sort(beta))) / 2)
    left, right, across, wavelength, before, after = coordinates.seen_by(chosen, REACH)
    spread = np.abs(after - before) / 2
    ends = _ends(np.stack([left, right])), _ends(across, half)
    x, y = corners_of(left, right, across, half, _to_grid(coordinates, field, grid, ends))
    return Boxes(
        x=x,
        y=y,
        low=wavelength - spread,
        high=wavelength + spread,
        values=np.ascontiguousarray(values.ravel()[chosen], np.float32),
        variances=np.ascontiguousarray(variances.ravel()[chosen], np.float32),
    )


def slice_points(
    coordinates: SlicedCoordinates,
    field: Field,
    grid: CubeGrid,
    values: NDArray[np.float32],
    variances: NDArray[np.float32],
    good: NDArray[np.bool_],
) -> Points:
    """Return the pixels of one field as points of a cube; parameters as of `slice_boxes`."""
    chosen = coordinates.pixels(field, good)
    left, _, across, wavelength, *_ = coordinates.seen_by(chosen)
    ra, dec = coordinates.sky(field, left, across)
    x, y = grid.spaxels(*grid.plane.project(ra, dec))
    return Points(
        x=x,
        y=y,
        wavelength=wavelength,
        values=np.ascontiguousarray(values.ravel()[chosen], np.float32),
        variances=np.ascontiguousarray(variances.ravel()[chosen], np.float32),
    )


def _ends(values: Plane, beyond: float = 0.0) -> tuple[float, float]:
    """Return the least and the largest value; 1 from 0 if there is none."""
    if not values.size:
        return -1.0, 1.0
    return float(values.min()) - beyond, float(values.max()) + beyond


def _to_grid(
    coordinates: SlicedCoordinates,
    field: Field,
    grid: CubeGrid,
    ends: tuple[tuple[float, float], tuple[float, float]],
) -> NDArray[np.float64]:
    """Return columns and rows as polynomials (2, n, n) of alpha and beta [arcsec] between ends.

    They are fitted to the whole way through telescope and sky. Over a field of some arcseconds that
    leaves less than 1e-9 spaxel.
    """
    nodes = [np.linspace(*end, _POINTS) for end in ends]
    places = np.stack(np.meshgrid(*nodes, indexing="ij"))
    wanted = grid.spaxels(*grid.plane.project(*coordinates.sky(field, *places)))
    scale = [max(abs(node).max(), 1e-9) for node in nodes]
    first, second = (place.ravel() / by for place, by in zip(places, scale, strict=True))
    terms = polyvander2d(first, second, (_DEGREE, _DEGREE))
    found = np.linalg.lstsq(terms, np.stack([axis.ravel() for axis in wanted], axis=-1))[0]
    powers = np.arange(_DEGREE + 1)
    units = scale[0] ** powers[:, None] * scale[1] ** powers
    return np.ascontiguousarray(found.T.reshape(2, _DEGREE + 1, _DEGREE + 1) / units)
