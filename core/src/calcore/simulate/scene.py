"""A patch of sky with everything known about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Background:
    """Sky and telescope background: a plane on the sky.

    Attributes
    ----------
    level_mjysr
        At the scene's centre [MJy/sr].
    gradient_mjysr_arcmin
        Increase to the east and to the north [MJy/sr per arcmin].
    """

    level_mjysr: float
    gradient_mjysr_arcmin: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Stars, galaxies and background about a centre.

    All arrays have one value per source, axis (source,). A star has `kind` 0, a galaxy 1; the
    shape of a star is NaN.

    Attributes
    ----------
    ra_deg, dec_deg
        Centre of the scene, ICRS [deg].
    source_id
        From 1 upwards.
    kind
        0 star, 1 galaxy.
    source_ra_deg, source_dec_deg
        Positions [deg].
    flux_jy
        Total flux density [Jy].
    half_light_radius_arcsec, sersic_index, axis_ratio, position_angle_deg
        A galaxy's major half-light radius [arcsec], Sersic index, minor over major axis and the
        major axis' angle east of north [deg].
    isolated
        True for the stars of the photometry grid, which have no neighbours.
    background
        The plane below it all.
    """

    ra_deg: float
    dec_deg: float
    source_id: NDArray[np.int64]
    kind: NDArray[np.int64]
    source_ra_deg: FloatArray
    source_dec_deg: FloatArray
    flux_jy: FloatArray
    half_light_radius_arcsec: FloatArray
    sersic_index: FloatArray
    axis_ratio: FloatArray
    position_angle_deg: FloatArray
    isolated: NDArray[np.bool_]
    background: Background


def make_scene(
    *,
    seed: int,
    ra_deg: float,
    dec_deg: float,
    radius_arcsec: float,
    background: Background,
    stars: int = 0,
    brightest_jy: float = 1e-3,
    faintest_jy: float = 1e-7,
    slope: float = 0.3,
    galaxies: int = 0,
    isolated_ra_deg: FloatArray | None = None,
    isolated_dec_deg: FloatArray | None = None,
    isolated_flux_jy: FloatArray | None = None,
    isolation_arcsec: float = 3.0,
) -> Scene:
    """Draw a scene in a disc of the sky; the same seed gives the same scene.

    The number of stars per magnitude grows as ``10**(slope * magnitude)``. No drawn star or galaxy
    lies nearer than `isolation_arcsec` to a star of the isolated list (a photometry grid:
    `render.photometry_grid` gives positions at the centre and in the corners of an exposure).
    """
    raise NotImplementedError
