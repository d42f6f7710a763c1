"""What a simulated visit looks at, and how many sources it meets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcore.simulate.geometry import Geometry
from calcore.simulate.optics import PointSpread
from calcore.simulate.physics import Physics
from calcore.simulate.render import photometry_grid
from calcore.simulate.scene import (
    Background,
    Decades,
    IsolatedStars,
    Population,
    Scene,
    make_scene,
)

MARGIN_ARCSEC = 4.0
FILLED = 0.7
"""Brightest part of a smooth sky: signal at the end of an integration over the full well."""
PERIODS = 3.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a visit looks.

    Attributes
    ----------
    ra_deg, dec_deg
        Position of the middle of the apertures at the first dither point, ICRS [deg].
    roll_deg
        Position angle of V3 there, east of north [deg].
    va_scale
        Velocity aberration (VA_SCALE).
    velocity_km_s
        The telescope's velocity away from the target, at which a spectrograph sees its light (VELOSYS); None
        is the mode's own.
    """

    ra_deg: float = 80.4875
    dec_deg: float = -69.4975
    roll_deg: float = 37.0
    va_scale: float = 1.00004
    velocity_km_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class SkyOptions:
    """What there is to see.

    Attributes
    ----------
    stars, galaxies
        Sources per million pixels of the first detector.
    brightest, faintest
        Flux densities of the brightest and the faintest star, relative to one that just fills its
        brightest pixel at the end of an integration.
    slope
        The number of stars per magnitude grows as ``10**(slope * magnitude)``.
    grid
        Add stars without neighbours in the middle and the corners of each detector, for photometry.
    background
        Level of the background relative to the filter's usual one.
    gradient
        Its increase to the east and to the north, relative to itself [1/arcmin].
    """

    stars: float = 300.0
    galaxies: float = 80.0
    brightest: float = 5.0
    faintest: float = 1e-4
    slope: float = 0.15
    grid: bool = True
    background: float = 1.0
    gradient: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def crowded(cls) -> "SkyOptions":
        """Return options for a crowded field: a few percent of the pixels fill up."""
        return cls(stars=3000.0, galaxies=0.0, brightest=1000.0, faintest=0.01, slope=0.1)


def full_flux_jy(
    geometry: Geometry, spread: PointSpread, physics: Physics, seconds: float
) -> float:
    """Return the flux density of a star that fills its brightest pixel in a time [Jy]."""
    stamp, _, _ = spread.stamp(0.0, 0.0)
    electrons = physics.pixels.full_scale_dn * physics.pixels.gain / seconds / float(stamp.max())
    per_mjysr = physics.pixels.gain / geometry.filter.photmjsr
    return electrons / per_mjysr * geometry.detector.pixel_area_sr * 1e6


def smooth_sky(
    options: SkyOptions, geometry: Geometry, *, centre: Target, physics: Physics, seconds: float
) -> Scene:
    """Return a sky without sources, for detectors that do not look at the sky's image.

    Its light covers what a detector measures: from the filter's background to `FILLED` of the full
    well, `PERIODS` times over the frame.

    Parameters
    ----------
    options
        The background, relative to the filter's usual one.
    geometry
        What the detector would see, had it an image.
    centre
        Middle of the field.
    physics
        What the detector is made of, at its usual gain.
    seconds
        Time of an integration [s].
    """
    electrons = physics.pixels.full_scale_dn * physics.pixels.gain / seconds
    high = FILLED * electrons / (physics.pixels.gain / geometry.filter.photmjsr)
    low = min(options.background * geometry.filter.background_mjysr, high / 10)
    pixel_arcsec = float(np.degrees(np.sqrt(geometry.detector.pixel_area_sr)) * 3600)
    ny, nx = geometry.subarray.shape
    return make_scene(
        seed=0,
        ra_deg=centre.ra_deg,
        dec_deg=centre.dec_deg,
        radius_arcsec=1.0,
        background=Decades(
            level_mjysr=low,
            gradient_mjysr_arcmin=(high, high),
            low_mjysr=low,
            high_mjysr=high,
            period_arcsec=float(np.hypot(nx, ny)) * pixel_arcsec / PERIODS,
        ),
    )


def draw_sky(
    options: SkyOptions,
    geometries: Sequence[Geometry],
    *,
    centre: Target,
    full_jy: float,
    reach_arcsec: float,
    background_mjysr: float,
    seed: int,
) -> Scene:
    """Draw the sky that a visit sees.

    Parameters
    ----------
    options
        What there is.
    geometries
        All detectors at the first dither point.
    centre
        Middle of the disc that is filled.
    full_jy
        Flux density to which the stars' are relative [Jy].
    reach_arcsec
        Largest dither offset [arcsec]; the disc reaches beyond the corners by it.
    background_mjysr
        The filter's usual background [MJy/sr].
    seed
        Seed of the visit.
    """
    radius = _radius_arcsec(geometries, centre) + reach_arcsec + MARGIN_ARCSEC
    pixels = np.pi * np.radians(radius / 3600) ** 2 / geometries[0].detector.pixel_area_sr
    population = Population(
        stars=round(options.stars * pixels / 1e6),
        galaxies=round(options.galaxies * pixels / 1e6),
        brightest_jy=options.brightest * full_jy,
        faintest_jy=options.faintest * full_jy,
        slope=options.slope,
        galaxy_brightest_jy=2.0 * full_jy,
        galaxy_faintest_jy=0.02 * full_jy,
    )
    level = options.background * background_mjysr
    east, north = options.gradient
    return make_scene(
        seed=seed,
        ra_deg=centre.ra_deg,
        dec_deg=centre.dec_deg,
        radius_arcsec=radius,
        background=Background(
            level_mjysr=level, gradient_mjysr_arcmin=(level * east, level * north)
        ),
        population=population,
        isolated=_grid(geometries, full_jy) if options.grid else None,
    )


def _grid(geometries: Sequence[Geometry], full_jy: float) -> IsolatedStars:
    """Return stars for photometry: the middle and the corners of each detector.

    Their flux densities step down from a quarter of the full one by factors of two.
    """
    places = [photometry_grid(geometry) for geometry in geometries]
    ra = np.concatenate([place[0] for place in places])
    dec = np.concatenate([place[1] for place in places])
    steps = np.tile(0.25 * 0.5 ** np.arange(5), len(places))
    return IsolatedStars(ra_deg=ra, dec_deg=dec, flux_jy=full_jy * steps)


def _radius_arcsec(geometries: Sequence[Geometry], centre: Target) -> float:
    """Return the largest distance of a corner from the centre [arcsec]."""
    largest = 0.0
    for geometry in geometries:
        ny, nx = geometry.subarray.shape
        ra, dec = geometry.to_sky(np.array([0, nx, nx, 0]), np.array([0, 0, ny, ny]))
        east = (np.mod(ra - centre.ra_deg + 180, 360) - 180) * np.cos(np.radians(centre.dec_deg))
        largest = max(largest, float(np.hypot(east, dec - centre.dec_deg).max()) * 3600)
    return largest
