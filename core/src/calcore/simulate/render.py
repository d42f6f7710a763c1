"""The sky as a detector would count it without noise.

A star's light in electrons per second follows from its flux density and the *nominal* solid angle of
a pixel, whatever the true one is where it falls; it is spread by the point-spread function. The
sky and galaxies have a surface brightness, which each pixel collects over its true solid angle.
So a calibrated image in MJy/sr is flat where the sky is, and photometry of stars needs the area map.

Stars are rendered in two parts: the core of the point-spread function star by star, and the
wings, for all stars at once, by a convolution on half-pixel steps. The galaxies join the second
with the whole function. Convolutions are done phase by phase on the pixel grid, which
keeps memory at a few frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from calcore.errors import BadParameter
from calcore.simulate.geometry import Geometry
from calcore.simulate.layers import Canvas, GalaxyShape
from calcore.simulate.optics import COARSE, PointSpread, point_spread
from calcore.simulate.pointing import ARCSEC, Pointing
from calcore.simulate.scene import GALAXY, STAR, Population, Scene, power_law, to_tangent
from calcore.simulate.tables import Detector, Filter, Subarray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What is known of each source on a frame; arrays with the axis (source,).

    Attributes
    ----------
    source_id, kind, ra_deg, dec_deg, flux_jy, isolated
        As in the scene.
    x, y
        Position in the sub-array, counted from 0 [pixel]; the source may lie off the frame.
    rate_electron_s
        All its light [electron/s], pixels off the frame and off the stamp included.
    on_frame_electron_s
        What the frame's light-sensitive pixels hold of it [electron/s].
    """

    source_id: NDArray[np.int64]
    kind: NDArray[np.int64]
    ra_deg: FloatArray
    dec_deg: FloatArray
    flux_jy: FloatArray
    isolated: NDArray[np.bool_]
    x: FloatArray
    y: FloatArray
    rate_electron_s: FloatArray
    on_frame_electron_s: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class SkyImage:
    """A noiseless frame of count rates and what made it.

    Attributes
    ----------
    rate
        Signal in science orientation of the sub-array, (ny, nx) [electron/s]. Reference pixels
        see no light: 0. Flat field and detector effects are not in it.
    truth
        The sources that leave light on it.
    geometry
        Detector, sub-array, filter and pointing; `geometry.exposure_pointing.keywords(...)` gives
        the header.
    point_spread
        What the stars look like.
    gain
        Electrons per DN that were assumed [electron/DN].
    electron_s_per_mjysr
        Signal of 1 MJy/sr in a pixel of nominal area [electron/s].
    """

    rate: FloatArray
    truth: Truth
    geometry: Geometry
    point_spread: PointSpread
    gain: float
    electron_s_per_mjysr: float

    @property
    def planes(self) -> Mapping[str, tuple[FloatArray, str]]:
        """Further images for the truth: none."""
        return {}

    def table(self) -> Table:
        """Return the sources that leave light on the frame."""
        table = Table({name: getattr(self.truth, name) for name in vars(self.truth)})
        table.meta["electron_s_per_mjysr"] = self.electron_s_per_mjysr
        table.meta["gain"] = self.gain
        return table


def render(
    scene: Scene,
    *,
    detector: Detector,
    subarray: Subarray,
    band: Filter,
    pointing: Pointing,
    gain: float,
    spread: PointSpread | None = None,
    seed: int = 0,
) -> SkyImage:
    """Render a scene as one detector counts it.

    Parameters
    ----------
    scene
        The sky.
    detector, subarray, band, pointing
        Who looks where; `pointing` may be described at any reference point.
    gain
        Electrons per DN [electron/DN]; the filter's calibration is in DN.
    spread
        The point-spread function; without it that of the telescope is computed.
    seed
        The wavefront's, where no point-spread function is given.
    """
    geometry = Geometry(detector=detector, subarray=subarray, pointing=pointing, filter=band)
    if spread is None:
        spread = point_spread(detector, band, seed=seed)
    per_mjysr = gain / band.photmjsr
    per_jy = per_mjysr * 1e-6 / detector.pixel_area_sr
    x, y = geometry.from_sky(scene.source_ra_deg, scene.source_dec_deg)
    lit = lit_rectangle(detector, subarray)
    rate = scene.flux_jy * per_jy
    canvas = Canvas(subarray.shape, spread)
    reach = spread.half_size + 1
    left, right, bottom, top = lit
    within = np.zeros(x.shape)
    near = (x > left - reach) & (x < right + reach) & (y > bottom - reach) & (y < top + reach)
    stars = near & (scene.kind == STAR)
    canvas.add_stars(x[stars], y[stars], rate[stars])
    within[stars] = spread.fraction_within(
        left - x[stars], right - x[stars], bottom - y[stars], top - y[stars]
    )
    for k in np.flatnonzero((scene.kind == GALAXY) & np.isfinite(x)):
        shape = _galaxy_shape(scene, geometry, int(k), float(x[k]), float(y[k]))
        within[k] = canvas.add_galaxy(float(x[k]), float(y[k]), float(rate[k]), shape, lit)
    near = within > 0
    image = canvas.finish()
    image += per_mjysr * geometry.area_map() * _background(scene, geometry)
    dark = np.ones(subarray.shape, dtype=np.bool_)
    dark[round(bottom + 0.5) : round(top + 0.5), round(left + 0.5) : round(right + 0.5)] = False
    image[dark] = 0.0
    truth = Truth(
        source_id=scene.source_id[near],
        kind=scene.kind[near],
        ra_deg=scene.source_ra_deg[near],
        dec_deg=scene.source_dec_deg[near],
        flux_jy=scene.flux_jy[near],
        isolated=scene.isolated[near],
        x=x[near],
        y=y[near],
        rate_electron_s=rate[near],
        on_frame_electron_s=(rate * within)[near],
    )
    return SkyImage(
        rate=image,
        truth=truth,
        geometry=geometry,
        point_spread=spread,
        gain=gain,
        electron_s_per_mjysr=per_mjysr,
    )


def photometry_grid(
    geometry: Geometry, *, margin_pixel: float = 100.0
) -> tuple[FloatArray, FloatArray]:
    """Return RA, Dec [deg] of the centre and the four corners of a frame, axis (5,).

    The corners' places lie `margin_pixel` inside the light-sensitive pixels. With
    `scene.IsolatedStars` they become stars for photometry.
    """
    left, right, bottom, top = lit_rectangle(geometry.detector, geometry.subarray)
    margin = min(margin_pixel, (right - left) / 4, (top - bottom) / 4)
    x = np.array([(left + right) / 2, left + margin, right - margin, left + margin, right - margin])
    y = np.array([(bottom + top) / 2, bottom + margin, bottom + margin, top - margin, top - margin])
    return geometry.to_sky(x, y)


def stars_to_saturate(
    geometry: Geometry,
    population: Population,
    *,
    radius_arcsec: float,
    saturating_electron_s: float,
    gain: float,
    fraction: float = 0.03,
    seed: int = 0,
) -> int:
    """Return how many stars make a scene so crowded that a fraction of the pixels saturates.

    Stars are counted one by one; where they overlap, a little more than that saturates.

    Parameters
    ----------
    geometry
        Who looks at it; the filter's calibration and the point-spread function count.
    population
        Its stars' range of flux densities and slope; its numbers do not count.
    radius_arcsec
        Of the scene [arcsec].
    saturating_electron_s
        Rate at which a pixel saturates before the exposure ends [electron/s].
    gain
        Electrons per DN [electron/DN].
    fraction
        Of the pixels that lie in the disc.
    seed
        The wavefront's.

    Raises
    ------
    BadParameter
        Not even the brightest star saturates a pixel.
    """
    detector, band = geometry.detector, geometry.filter
    spread = point_spread(detector, band, seed=seed)
    per_jy = gain / band.photmjsr * 1e-6 / detector.pixel_area_sr
    flux = power_law(
        (np.arange(400) + 0.5) / 400,
        population.faintest_jy,
        population.brightest_jy,
        population.slope,
    )
    samples = np.sort(spread.whole, axis=None)
    level = geometry.filter.background_mjysr * gain / band.photmjsr
    needed = np.maximum(saturating_electron_s - level, 0.0) / (flux * per_jy)
    pixels = (samples.size - np.searchsorted(samples, needed)) / COARSE**2
    if not pixels.any():
        raise BadParameter(
            f"no star of at most {population.brightest_jy} Jy saturates a pixel at "
            f"{saturating_electron_s} electron/s; make the stars brighter or the exposure longer"
        )
    disc = np.pi * radius_arcsec**2 * ARCSEC**2 / detector.pixel_area_sr
    return int(np.ceil(-np.log(1 - fraction) * disc / pixels.mean()))


def lit_rectangle(detector: Detector, subarray: Subarray) -> tuple[float, float, float, float]:
    """Return the edges of the light-sensitive part: left, right, bottom, top [pixel].

    In the sub-array's pixels; a pixel reaches from -0.5 to +0.5 about its number.
    """
    border_left, border_right, border_bottom, border_top = detector.reference_border
    x0, y0 = subarray.xstart - 1, subarray.ystart - 1
    return (
        max(border_left - x0, 0) - 0.5,
        min(detector.nx - border_right - x0, subarray.xsize) - 0.5,
        max(border_bottom - y0, 0) - 0.5,
        min(detector.ny - border_top - y0, subarray.ysize) - 0.5,
    )


def _galaxy_shape(scene: Scene, geometry: Geometry, k: int, x: float, y: float) -> GalaxyShape:
    """Return a galaxy's shape in pixels: the sky's axes at its place, turned to its own."""
    step = np.array([0.0, 0.5, -0.5, 0.0, 0.0])
    ra, dec = geometry.to_sky(x + step, y + step[[0, 3, 4, 1, 2]])
    east, north = to_tangent(float(ra[0]), float(dec[0]), ra, dec)
    by_x = east[1] - east[2], north[1] - north[2]
    by_y = east[3] - east[4], north[3] - north[4]
    angle = np.radians(scene.position_angle_deg[k])
    radius = scene.half_light_radius_arcsec[k]
    major = np.array([np.sin(angle), np.cos(angle)]) / radius
    minor = np.array([np.cos(angle), -np.sin(angle)]) / (radius * scene.axis_ratio[k])
    matrix = np.stack([major, minor]) @ np.array([by_x, by_y]).T
    return GalaxyShape(to_radii=matrix, sersic_index=float(scene.sersic_index[k]))


def _background(scene: Scene, geometry: Geometry) -> FloatArray:
    """Return the background under each pixel [MJy/sr], (ny, nx); smooth, so from a coarse grid."""
    ny, nx = geometry.subarray.shape
    if not any(scene.background.gradient_mjysr_arcmin):
        return np.full((ny, nx), scene.background.level_mjysr)
    rows, columns = (np.linspace(0, n - 1, 33) for n in (ny, nx))
    y, x = np.meshgrid(rows, columns, indexing="ij")
    level = scene.background.at(*to_tangent(scene.ra_deg, scene.dec_deg, *geometry.to_sky(x, y)))
    smooth = RegularGridInterpolator((rows, columns), level)
    result: FloatArray = smooth(tuple(np.ogrid[:ny, :nx]))
    return result
