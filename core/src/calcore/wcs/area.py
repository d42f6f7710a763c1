"""Solid angles of pixels."""

import numpy as np
from gwcs import WCS
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

ARCSEC = np.pi / 648000
"""One arcsecond [rad]."""


def pixel_area(wcs: WCS, x: ArrayLike, y: ArrayLike) -> Float:
    """Return the solid angles of pixels [sr].

    A pixel is taken as the parallelogram spanned by the vectors between the middles of its
    opposite edges, which is its area to second order in its size.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels to the sky [deg].
    x, y : array, any shape
        Centres of pixels, counted from 0 [pixel].

    Returns
    -------
    float64, shape of `x`
        Solid angles [sr]; defined outside the bounding box too.
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    along_x = _unit(wcs, x + 0.5, y) - _unit(wcs, x - 0.5, y)
    along_y = _unit(wcs, x, y + 0.5) - _unit(wcs, x, y - 0.5)
    area: Float = np.linalg.norm(np.cross(along_x, along_y), axis=-1)
    return area


def pixel_scale(wcs: WCS, x: float, y: float) -> float:
    """Return the side of a square as large as a pixel [arcsec]."""
    return float(np.sqrt(pixel_area(wcs, x, y)) / ARCSEC)


def _unit(wcs: WCS, x: Float, y: Float) -> Float:
    """Return unit vectors on the last axis."""
    longitude, latitude = np.radians(wcs(x, y, with_bounding_box=False))
    vectors: Float = np.stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ],
        axis=-1,
    )
    return vectors
