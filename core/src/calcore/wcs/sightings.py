"""Stars seen in images: where they are in a plane tangent to the sky, and which are the same."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from gwcs import WCS
from numpy.typing import NDArray
from scipy.spatial import cKDTree

F8 = NDArray[np.float64]
_ARCSEC = 3600 * 180 / np.pi


@dataclass(frozen=True, eq=False, kw_only=True)
class Sighting:
    """Stars seen in an image.

    Attributes
    ----------
    name : str
        What the image is called in messages.
    exposure : hashable
        Images of one exposure are moved as one.
    wcs : gwcs.WCS
        World coordinates as they are now.
    v2_arcsec, v3_arcsec, roll_deg : float
        V2_REF, V3_REF, ROLL_REF: where the tangent plane touches.
    x, y : float64 (n,)
        Positions of stars, 0-based [pixel].
    weight : float64 (n,), optional
        Weight of each star in the fit.
    snr : float64 (n,), optional
        Signal to noise of each star.
    """

    name: str
    exposure: Hashable
    wcs: WCS
    v2_arcsec: float
    v3_arcsec: float
    roll_deg: float
    x: F8
    y: F8
    weight: F8 | None = None
    snr: F8 | None = None


def to_sky(wcs: WCS, x: F8, y: F8) -> F8:
    """Return right ascension and declination (n, 2) [deg]."""
    if x.size == 0:
        return np.zeros((0, 2))
    return np.stack(wcs(x, y, with_bounding_box=False), axis=1)


def middle_of(sky: F8) -> tuple[float, float]:
    """Return the mean direction [rad]."""
    ra, dec = np.radians(sky).T
    x, y = np.mean(np.cos(dec) * np.cos(ra)), np.mean(np.cos(dec) * np.sin(ra))
    return float(np.arctan2(y, x)), float(np.arctan2(np.mean(np.sin(dec)), np.hypot(x, y)))


def on_plane(sky: F8, middle: tuple[float, float]) -> F8:
    """Return places (n, 2) in the plane tangent at `middle`, east and north [arcsec]."""
    away, dec = np.radians(sky[:, 0]) - middle[0], np.radians(sky[:, 1])
    depth = np.sin(middle[1]) * np.sin(dec) + np.cos(middle[1]) * np.cos(dec) * np.cos(away)
    east = np.cos(dec) * np.sin(away)
    north = np.cos(middle[1]) * np.sin(dec) - np.sin(middle[1]) * np.cos(dec) * np.cos(away)
    return np.asarray(np.stack([east, north], axis=1) * (_ARCSEC / depth[:, None]))


def pairs_of(
    points: F8, owner: NDArray[np.intp], radius: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs of points of different owners that are each other's nearest, both ways round."""
    near = cKDTree(points).query_pairs(radius, output_type="ndarray")
    first = np.concatenate([near[:, 0], near[:, 1]])
    second = np.concatenate([near[:, 1], near[:, 0]])
    apart = owner[first] != owner[second]
    first, second = first[apart], second[apart]
    distance = np.hypot(*(points[first] - points[second]).T)
    order = np.lexsort((distance, owner[second], first))
    first, second = first[order], second[order]
    nearest = np.ones(first.size, bool)
    nearest[1:] = (first[1:] != first[:-1]) | (owner[second[1:]] != owner[second[:-1]])
    first, second = first[nearest], second[nearest]
    mutual = np.isin(first * len(points) + second, second * len(points) + first)
    return first[mutual], second[mutual]
