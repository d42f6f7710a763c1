"""Where an image lies on the sky."""

from collections.abc import Iterable

import numpy as np
from gwcs import WCS
from numpy.typing import NDArray

Angles = NDArray[np.float64]


def corners(wcs: WCS) -> NDArray[np.float64]:
    """Return the sky positions of the corners of the bounding box.

    Returns
    -------
    float64 (4, 2)
        Right ascension and declination [deg] of the outer corners in the order (left, bottom),
        (left, top), (right, top), (right, bottom).
    """
    (x_low, x_high), (y_low, y_high) = wcs.bounding_box.bounding_box(order="F")
    x = np.array([x_low, x_low, x_high, x_high], dtype=np.float64)
    y = np.array([y_low, y_high, y_high, y_low], dtype=np.float64)
    return np.stack(wcs(x, y, with_bounding_box=False), axis=1)


def region(wcs: WCS) -> str:
    """Return the footprint as the keyword S_REGION has it, to 1e-9 deg.

    ``POLYGON ICRS  ra dec ra dec …`` (Space-Time Coordinate metadata, Rots 2007, in its string form).
    """
    return polygon((ra, dec) for ra, dec in corners(wcs))


def enclosing_region(ra: Angles, dec: Angles) -> str:
    """Return the box of right ascension and declination that encloses positions, as S_REGION has it."""
    west, south, east, north = enclosing_box(ra, dec)
    return polygon([(west, south), (east, south), (east, north), (west, north)])


def enclosing_box(ra: Angles, dec: Angles) -> tuple[float, float, float, float]:
    """Return least right ascension, least declination, and the largest of both [deg].

    Parameters
    ----------
    ra, dec : float64 (...)
        Positions [deg]; NaN does not count. Right ascensions may lie on both sides of 0: then the
        least is more than the largest.
    """
    some = ra[np.isfinite(ra)][0]
    beside = (ra - some + 180) % 360 - 180
    least, most = (some + np.nanmin(beside)) % 360, (some + np.nanmax(beside)) % 360
    return float(least), float(np.nanmin(dec)), float(most), float(np.nanmax(dec))


def polygon(positions: Iterable[tuple[float, float]]) -> str:
    """Return corners [deg] as S_REGION has them."""
    return "POLYGON ICRS  " + " ".join(f"{ra:.9f} {dec:.9f}" for ra, dec in positions)
