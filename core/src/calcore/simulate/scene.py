"""A patch of sky with everything known about it.

Stars follow a power law of numbers with magnitude; galaxies are Sersic profiles (Sersic 1963;
Ciotti & Bertin 1999 for the half-light radius), cut off at `TRUNCATION` half-light radii.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from calcore.simulate.pointing import ARCSEC

FloatArray = NDArray[np.float64]


TRUNCATION = 8.0
"""A galaxy ends at this many half-light radii and holds all its flux within."""
STAR, GALAXY = 0, 1


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

    def at(self, east_arcsec: FloatArray, north_arcsec: FloatArray) -> FloatArray:
        """Return the surface brightness [MJy/sr] at offsets from the centre [arcsec]."""
        east, north = self.gradient_mjysr_arcmin
        return self.level_mjysr + (east * east_arcsec + north * north_arcsec) / 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Decades(Background):
    """A smooth light that climbs and falls by decades along a diagonal of the sky.

    Attributes
    ----------
    low_mjysr, high_mjysr
        Darkest and brightest places [MJy/sr].
    period_arcsec
        From one darkest line to the next [arcsec].
    """

    low_mjysr: float
    high_mjysr: float
    period_arcsec: float

    def at(self, east_arcsec: FloatArray, north_arcsec: FloatArray) -> FloatArray:
        """Return the surface brightness [MJy/sr] at offsets from the centre [arcsec]."""
        place = np.mod((east_arcsec + 0.5 * north_arcsec) / self.period_arcsec, 1.0)
        climb = 1 - np.abs(2 * place - 1)
        ratio: FloatArray = (self.high_mjysr / self.low_mjysr) ** climb
        return self.low_mjysr * ratio


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Stars, galaxies and background about a centre.

    All arrays have one value per source, axis (source,). A star has `kind` `STAR`, a galaxy `GALAXY`; the
    shape of a star is NaN.

    Attributes
    ----------
    ra_deg, dec_deg
        Centre of the scene, ICRS [deg].
    source_id
        From 1 upwards.
    kind
        `STAR` (0) or `GALAXY` (1).
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


@dataclass(frozen=True, kw_only=True)
class Population:
    """What kinds of sources a scene holds.

    Attributes
    ----------
    stars
        Number of stars in the disc.
    brightest_jy, faintest_jy
        Range of the stars' flux densities [Jy].
    slope
        The number per magnitude grows as ``10**(slope * magnitude)``.
    galaxies
        Number of galaxies in the disc.
    galaxy_brightest_jy, galaxy_faintest_jy
        Range of the galaxies' flux densities [Jy], of the same slope.
    galaxy_radius_arcsec
        Range of their half-light radii [arcsec].
    """

    stars: int = 0
    brightest_jy: float = 1e-3
    faintest_jy: float = 1e-7
    slope: float = 0.3
    galaxies: int = 0
    galaxy_brightest_jy: float = 3e-5
    galaxy_faintest_jy: float = 3e-7
    galaxy_radius_arcsec: tuple[float, float] = (0.15, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class IsolatedStars:
    """Stars at given places, from which all others keep away; axes (star,).

    Attributes
    ----------
    ra_deg, dec_deg, flux_jy
        Positions [deg] and flux densities [Jy].
    clearance_arcsec
        No other source lies nearer [arcsec].
    """

    ra_deg: FloatArray
    dec_deg: FloatArray
    flux_jy: FloatArray
    clearance_arcsec: float = 3.0


def make_scene(
    *,
    seed: int,
    ra_deg: float,
    dec_deg: float,
    radius_arcsec: float,
    background: Background,
    population: Population | None = None,
    isolated: IsolatedStars | None = None,
) -> Scene:
    """Draw a scene in a disc of the sky; the same seed gives the same scene.

    Isolated stars come first and are where they are said to be, inside the disc or not. A drawn
    source that comes too near to one of them is left out. `render.photometry_grid`
    gives places at the centre and in the corners of an exposure.
    """
    rng = np.random.default_rng(seed)
    population = population or Population()
    n = population.stars + population.galaxies
    galaxy = np.arange(n) >= population.stars
    east, north = _disc(rng, n, radius_arcsec)
    ra, dec = from_tangent(ra_deg, dec_deg, east, north)
    fainter = rng.random(n)
    flux = np.where(
        galaxy,
        power_law(
            fainter,
            population.galaxy_faintest_jy,
            population.galaxy_brightest_jy,
            population.slope,
        ),
        power_law(fainter, population.faintest_jy, population.brightest_jy, population.slope),
    )
    low, high = np.log(population.galaxy_radius_arcsec)
    shapes = np.stack(
        [
            np.exp(rng.uniform(low, high, n)),
            rng.uniform(1.0, 4.0, n),
            rng.uniform(0.25, 1.0, n),
            rng.uniform(0.0, 180.0, n),
        ]
    )
    shapes[:, ~galaxy] = np.nan
    special = np.zeros(n, dtype=np.bool_)
    if isolated is not None:
        keep = ~_crowding(isolated, ra, dec)
        count = isolated.ra_deg.size
        ra = np.concatenate([isolated.ra_deg, ra[keep]])
        dec = np.concatenate([isolated.dec_deg, dec[keep]])
        flux = np.concatenate([isolated.flux_jy, flux[keep]])
        galaxy = np.concatenate([np.zeros(count, dtype=np.bool_), galaxy[keep]])
        shapes = np.concatenate([np.full((4, count), np.nan), shapes[:, keep]], axis=1)
        special = np.arange(ra.size) < count
    return Scene(
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        source_id=np.arange(1, ra.size + 1, dtype=np.int64),
        kind=np.where(galaxy, GALAXY, STAR).astype(np.int64),
        source_ra_deg=ra,
        source_dec_deg=dec,
        flux_jy=flux,
        half_light_radius_arcsec=shapes[0],
        sersic_index=shapes[1],
        axis_ratio=shapes[2],
        position_angle_deg=shapes[3],
        isolated=special,
        background=background,
    )


def to_tangent(
    ra0_deg: float, dec0_deg: float, ra_deg: FloatArray, dec_deg: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return offsets east and north [arcsec] in the plane tangent at the first position."""
    ra, dec, dec0 = np.radians(ra_deg - ra0_deg), np.radians(dec_deg), np.radians(dec0_deg)
    cosine = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra)
    east = np.cos(dec) * np.sin(ra) / cosine
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra)) / cosine
    return east / ARCSEC, north / ARCSEC


def from_tangent(
    ra0_deg: float, dec0_deg: float, east_arcsec: FloatArray, north_arcsec: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return RA in [0, 360) and Dec [deg] of offsets in the plane tangent at a position."""
    east, north = east_arcsec * ARCSEC, north_arcsec * ARCSEC
    dec0 = np.radians(dec0_deg)
    across = np.cos(dec0) - north * np.sin(dec0)
    ra = (ra0_deg + np.degrees(np.arctan2(east, across))) % 360.0
    dec = np.degrees(np.arctan2(np.sin(dec0) + north * np.cos(dec0), np.hypot(east, across)))
    return ra, dec


def _disc(rng: Generator, n: int, radius: float) -> tuple[FloatArray, FloatArray]:
    """Draw places evenly over a disc."""
    distance, angle = radius * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    return distance * np.sin(angle), distance * np.cos(angle)


def power_law(
    place: FloatArray, faintest_jy: float, brightest_jy: float, slope: float
) -> FloatArray:
    """Return flux densities [Jy] whose number per magnitude grows as 10**(slope * magnitude).

    `place` in [0, 1] is the fraction of the sources that are fainter.
    """
    index = -2.5 * slope  # number above a flux goes as flux**index
    if abs(index) < 1e-6:
        return faintest_jy * (brightest_jy / faintest_jy) ** place
    flux: FloatArray = (faintest_jy**index * (1 - place) + brightest_jy**index * place) ** (
        1 / index
    )
    return flux


def _crowding(isolated: IsolatedStars, ra: FloatArray, dec: FloatArray) -> NDArray[np.bool_]:
    """Return which sources lie too near to an isolated star, axis (source,)."""
    crowding = np.zeros(ra.shape, dtype=np.bool_)
    for ra0, dec0 in zip(isolated.ra_deg, isolated.dec_deg, strict=True):
        half = np.sqrt(
            np.sin(np.radians(dec - dec0) / 2) ** 2
            + np.cos(np.radians(dec))
            * np.cos(np.radians(dec0))
            * np.sin(np.radians(ra - ra0) / 2) ** 2
        )
        crowding |= 2 * np.arcsin(np.clip(half, 0, 1)) < isolated.clearance_arcsec * ARCSEC
    return crowding
