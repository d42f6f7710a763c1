"""Scores of fluxes and positions of stars against the simulator's truth.

In calibrated exposures stars are fitted with their true image (amplitude, place and a level under
it, weighted by the true noise), so that what is found can be held against the Cramér-Rao bound. In
mosaics they are summed in apertures and placed by windowed centroids.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from benchmarks.truth_bound import FloatArray
from benchmarks.truth_exposure import DO_NOT_USE, ExposureTruth, convolved
from benchmarks.truth_stars import Stars
from scipy.ndimage import map_coordinates

import calcore
from calcore.simulate.optics import COARSE, PointSpread

HALF = 9
"""Half the width of the cut-out that is fitted [pixel]."""
EDGE = 14
"""Stars nearer to an edge than this are left out [pixel]."""
RADIUS, INNER, OUTER = 5.0, 10.0, 16.0
"""Aperture and annulus in mosaics [pixel]."""
WINDOW = 1.3
"""Rms width of the window of centroids [pixel]."""
SHIFTS = 200
SIDES = (0.9, 0.95, 1.0, 1.05, 1.1)
"""Of pixels of exposures over those of mosaics, for which shares of apertures are computed."""


def exposure_stars(
    cal: Path, sources: Path, truth: ExposureTruth, spread: PointSpread, groups: int
) -> Stars:
    """Fit the isolated stars of a calibrated exposure.

    Parameters
    ----------
    cal
        A ``_cal`` product.
    sources
        The truth's table of sources.
    truth
        The exposure.
    spread
        What a star looks like.
    groups
        Groups of a ramp that are used; some instruments leave out the first and the last.
    """
    image = calcore.open(cal)
    corrected = str(image.meta.get("cal_step.ipc")) == "COMPLETE"
    kernel = None if corrected else truth.spread
    table = Table.read(sources)
    gain = float(table.meta["gain"])
    per_mjysr = float(table.meta["electron_s_per_mjysr"])
    steradian = float(image.meta["photometry.pixelarea_steradians"])
    # Jansky of the light in each pixel.
    area = np.broadcast_to(image.area, image.data.shape)
    flux = np.asarray(image.data, np.float64) * area * steradian * 1e6
    # Noise of the rate at its bound, in the same unit; one number will do for one star's pixels.
    seconds = truth.sampling.group_time_s * (groups - 1)
    variance = truth.photon_variance(corrected) / seconds
    variance += 12 * (truth.read_level(corrected) / seconds) ** 2 / groups
    to_jy = gain / per_mjysr * steradian * 1e6
    variance = variance * to_jy**2
    bad = (image.dq & DO_NOT_USE != 0) | ~np.isfinite(flux)
    full = truth.signal_share() > 0.9
    world = image.wcs
    ny, nx = flux.shape
    rows = []
    for star in table[table["isolated"]]:
        x, y = float(star["x"]), float(star["y"])
        if not (EDGE <= x < nx - EDGE and EDGE <= y < ny - EDGE):
            continue
        j0, i0 = round(y) - HALF, round(x) - HALF
        box = slice(j0, j0 + 2 * HALF + 1), slice(i0, i0 + 2 * HALF + 1)
        core = slice(j0 + HALF - 2, j0 + HALF + 3), slice(i0 + HALF - 2, i0 + HALF + 3)
        if bad[core].any() or full[box].any():
            continue
        fitted = _fit(flux[box], variance[box], ~bad[box], spread, kernel, x - i0, y - j0)
        if fitted is None:
            continue
        amplitude, amplitude_error, dx, dy, limit = fitted
        rows.append(
            (
                star["source_id"], _place(x, y, nx, ny), amplitude / star["flux_jy"],
                amplitude_error / star["flux_jy"], -2.5 * np.log10(star["flux_jy"]),
                x + dx, y + dy, limit, np.degrees(np.sqrt(steradian * area[round(y), round(x)])),
                star["ra_deg"], star["dec_deg"],
            )
        )  # fmt: skip
    values = np.array(rows, float).reshape(-1, 11).T
    values[5], values[6] = _offsets(world, values[5], values[6], values[9], values[10])
    return Stars(**dict(zip(Stars.__dataclass_fields__, values, strict=False)))


def _offsets(
    world: Any, x: FloatArray, y: FloatArray, ra_deg: FloatArray, dec_deg: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return found minus true positions [pixel] as a user sees them, through the coordinates.

    Parameters
    ----------
    world
        From pixels to the sky.
    x, y : array (star,)
        Where the stars were found [pixel].
    ra_deg, dec_deg : array (star,)
        Where they are [deg].
    """

    def plane(x: FloatArray, y: FloatArray) -> FloatArray:
        ra, dec = world(x, y)
        east = np.mod(ra - ra_deg + 180, 360) - 180
        return np.stack([east * np.cos(np.radians(dec_deg)), dec - dec_deg])

    off = plane(x, y)
    by_x, by_y = plane(x + 0.5, y) - plane(x - 0.5, y), plane(x, y + 0.5) - plane(x, y - 0.5)
    area = by_x[0] * by_y[1] - by_x[1] * by_y[0]
    return (
        (off[0] * by_y[1] - off[1] * by_y[0]) / area,
        (by_x[0] * off[1] - by_x[1] * off[0]) / area,
    )


def _place(x: float, y: float, nx: int, ny: int) -> int:
    """Return the place of a star: the thirds of the frame in both directions."""
    column, row = int(3 * x / nx), int(3 * y / ny)
    return {(1, 1): 0, (0, 0): 1, (2, 0): 2, (0, 2): 3, (2, 2): 4}.get((column, row), -1)


def _model(spread: PointSpread, kernel: FloatArray | None, x: float, y: float) -> FloatArray:
    """Return a star at (x, y) on a cut-out, (2 HALF + 1, 2 HALF + 1)."""
    size = 2 * HALF + 3
    place = np.arange(size) - 1.0
    grid = [(place - centre + spread.half_size) * COARSE for centre in (y, x)]
    wide = map_coordinates(
        spread.wings_spline, np.meshgrid(*grid, indexing="ij"), order=3, prefilter=False,
        mode="mirror",
    )  # fmt: skip
    core, y_first, x_first = spread.core_stamp(x, y)
    wide += core[-1 - y_first : size - 1 - y_first, -1 - x_first : size - 1 - x_first]
    return (wide if kernel is None else convolved(wide, kernel))[1:-1, 1:-1]


def _fit(
    flux: FloatArray,
    variance: FloatArray,
    good: FloatArray,
    spread: PointSpread,
    kernel: FloatArray | None,
    x: float,
    y: float,
) -> tuple[float, float, float, float, float] | None:
    """Fit amplitude, place and level; return amplitude, its error, offsets in x and y, limit."""
    weight = np.where(good, 1 / variance, 0).ravel()
    data = np.where(good, flux, 0).ravel()
    dx = dy = 0.0
    step = 0.02
    for _ in range(3):
        here = _model(spread, kernel, x + dx, y + dy).ravel()
        by_x = _model(spread, kernel, x + dx + step, y + dy).ravel()
        by_x = (by_x - _model(spread, kernel, x + dx - step, y + dy).ravel()) / (2 * step)
        by_y = _model(spread, kernel, x + dx, y + dy + step).ravel()
        by_y = (by_y - _model(spread, kernel, x + dx, y + dy - step).ravel()) / (2 * step)
        design = np.stack([here, by_x, by_y, np.ones_like(here)], axis=1)
        normal = design.T @ (weight[:, None] * design)
        found = np.linalg.solve(normal, design.T @ (weight * data))
        if not found[0] > 0:
            return None
        dx += float(np.clip(found[1] / found[0], -0.5, 0.5))
        dy += float(np.clip(found[2] / found[0], -0.5, 0.5))
    covariance = np.linalg.inv(normal)
    limit = np.sqrt((covariance[1, 1] + covariance[2, 2]) / 2) / found[0]
    return float(found[0]), float(np.sqrt(covariance[0, 0])), dx, dy, float(limit)


def mosaic_stars(
    i2d: Path, exposures: Sequence[Stars], scene: Path, spread: PointSpread, kernel: FloatArray
) -> Stars:
    """Measure the isolated stars of a mosaic.

    Parameters
    ----------
    i2d
        The mosaic.
    exposures
        The stars of the exposures in it; they bring the errors that can be expected.
    scene
        The truth's table of the sky.
    spread, kernel
        What a star looks like in an exposure, and how neighbours share their signal.
    """
    mosaic = calcore.open(i2d)
    data = np.asarray(mosaic.data, np.float64)
    steradian = float(mosaic.meta["photometry.pixelarea_steradians"])
    pixel_deg = float(np.degrees(np.sqrt(steradian)))
    table = Table.read(scene)
    every = Stars.joined(exposures)
    shares = [aperture_share(spread, kernel, side) for side in SIDES]
    ny, nx = data.shape
    rows = []
    for star in table[table["isolated"]]:
        here = every.source == star["source_id"]
        if not here.any():
            continue
        ra, dec = float(star["source_ra_deg"]), float(star["source_dec_deg"])
        x0, y0 = (float(v) for v in mosaic.wcs.invert(ra, dec))
        edge = OUTER + 1
        if not (edge <= x0 < nx - edge and edge <= y0 < ny - edge):
            continue
        box = (
            slice(round(y0 - edge), round(y0 + edge) + 1),
            slice(round(x0 - edge), round(x0 + edge) + 1),
        )
        cut = data[box]
        if not np.isfinite(cut).all():
            continue
        x_in, y_in = x0 - box[1].start, y0 - box[0].start
        total, level = aperture_sum(cut, x_in, y_in)
        side = float(np.mean(every.side[here]))
        total *= steradian * 1e6 / np.interp(side / pixel_deg, SIDES, shares)
        found = _centroid(cut - level, x_in, y_in)
        ra_found, dec_found = mosaic.wcs(found[0] + box[1].start, found[1] + box[0].start)
        east = (float(ra_found) - ra + 180) % 360 - 180
        flux = float(star["flux_jy"])
        rows.append(
            (
                star["source_id"], _place(x0, y0, nx, ny), total / flux,
                1 / np.sqrt(np.sum(every.flux_error[here] ** -2)), -2.5 * np.log10(flux),
                east * np.cos(np.radians(dec)) / pixel_deg, (float(dec_found) - dec) / pixel_deg,
                1 / np.sqrt(np.sum(every.limit[here] ** -2)), side,
            )
        )  # fmt: skip
    values = np.array(rows, float).reshape(-1, 9).T
    return Stars(**dict(zip(Stars.__dataclass_fields__, values, strict=True)))


def aperture_share(spread: PointSpread, kernel: FloatArray, side: float = 1.0) -> float:
    """Return the part of a star's light that aperture minus annulus hold in a mosaic.

    A pixel of the mosaic collects the pixels of an exposure by the area that they share: on average
    over their phases the star is convolved with a triangle of two pixels' width in both directions.

    Parameters
    ----------
    spread
        What a star looks like in an exposure.
    kernel : array (3, 3)
        How neighbours share their signal.
    side
        Of a pixel of the exposure over that of the mosaic: a camera's distortion has stars, whose
        width is some pixels everywhere, wider in one corner than in another.
    """
    half = int(OUTER) + 3
    rng = np.random.default_rng(1)
    total = np.zeros((2 * half + 1, 2 * half + 1))
    phase = rng.uniform(-0.5, 0.5, (SHIFTS, 2))
    shift = rng.triangular(-1, 0, 1, (SHIFTS, 2))
    held = []
    for (y, x), (dy, dx) in zip(phase, shift, strict=True):
        stamp, y_first, x_first = spread.stamp(x + dx + 500, y + dy + 500)
        wide = convolved(stamp, kernel)
        j, i = 500 - half - y_first, 500 - half - x_first
        total = wide[j : j + 2 * half + 1, i : i + 2 * half + 1]
        held.append(aperture_sum(total, half + x, half + y, side)[0])
    return float(np.mean(held))


def aperture_sum(image: FloatArray, x: float, y: float, side: float = 1.0) -> tuple[float, float]:
    """Return the sum in an aperture less its part of the annulus, and the level in the annulus.

    Radii count pixels of the mosaic; those of the image are as many of these as *side* says.
    """
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    radius = side * np.hypot(columns - x, rows - y)
    level = float(np.mean(image[(radius >= INNER) & (radius < OUTER)]))
    share = np.clip(RADIUS + 0.5 - radius, 0, 1)
    return float(np.sum(share * (image - level))), level


def _centroid(image: FloatArray, x: float, y: float) -> tuple[float, float]:
    """Return the windowed centroid near (x, y) (Bertin & Arnouts 1996; SExtractor's XWIN)."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    for _ in range(20):
        weight = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * WINDOW**2)) * image
        total = weight.sum()
        x += 2 * float(np.sum(weight * (columns - x)) / total)
        y += 2 * float(np.sum(weight * (rows - y)) / total)
    return x, y
