"""How the noise of a mosaic's pixels is correlated, found where exposures overlap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.correlated_noise import Correlation, measured
from calcore.kernels.drizzling import Drop, drizzle
from calcore.model.exposure import Image
from calcore.model.meta import Meta
from calcore.model.mosaic import exposure_time
from calcore.wcs.grid import Places, position_of
from calcore.wcs.mosaic import Grid

F8 = NDArray[np.float64]
_PATCH = 24
"""Side of the places that are looked at [pixel of the mosaic]."""
_PLACES = ((0.5, 0.5), (0.2, 0.3), (0.3, 0.8), (0.7, 0.2), (0.8, 0.7))
"""Where they are in exposures that follow each other, as parts of rows and columns."""
_DEEPEST = 12
"""So many exposures of one place tell what more would."""
_BROAD = {"gaussian": 2, "lanczos2": 4, "lanczos3": 6}
"""What shapes other than the square reach beyond their pixel [pixel]."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One exposure of a mosaic: where its pixels fall, their number, and its weight."""

    places: Places
    weight: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.places.shape


def layers(images: Sequence[Image], grid: Grid) -> list[Layer]:
    """Return the exposures of a mosaic, weighted by time."""
    return [
        Layer(grid.map_from(one.wcs, one.data.shape).places, exposure_time(one.meta))
        for one in images
    ]


def in_words(found: Correlation | None) -> dict[str, float]:
    """Return what the metadata of a mosaic say of its noise."""
    if found is None:
        return {}
    return {"resample.noise_correlation": found.ratio, "resample.noise_scale": found.scale}


def told(meta: Meta) -> Correlation:
    """Return how the noise of a mosaic is correlated, as its metadata say or as its drops would."""
    ratio = meta.get("resample.noise_correlation")
    if ratio is not None:
        return Correlation(float(ratio), float(meta.get("resample.noise_scale", 1.0)))
    drop = float(meta.get("resample.pixfrac", 1.0))
    return Correlation.of_drops(drop, float(meta.get("resample.pixel_scale_ratio", 1.0)))


def correlation(exposures: Sequence[Layer], grid: Grid, drop: Drop) -> Correlation | None:
    """Measure how the noise of a mosaic is correlated, from the drops of single pixels.

    Some places of the mosaic are drizzled again, as it was, with pixels that are 1 here and 0
    there. Noise is taken as alike in all pixels of an exposure.

    Parameters
    ----------
    exposures : sequence of Layer
        The exposures; a weight stands for the inverse of the variance.
    grid : Grid
        The mosaic's.
    drop : Drop
        What pixels were shrunk to.

    Returns
    -------
    Correlation or None
        Average of the places; None if none of them has anything.
    """
    measurements = []
    for number, (down, right) in enumerate(_PLACES):
        centre = exposures[number * len(exposures) // len(_PLACES)]
        ny, nx = centre.shape
        places = centre.places.at(np.array([down * (ny - 1)]), np.array([right * (nx - 1)]))
        x, y = (round(float(v)) for v in places.ravel())
        one = _at(x, y, exposures, grid.pixel_scale_ratio, drop)
        if one is not None:
            measurements.append((one.ratio, one.scale))
    return Correlation(*np.mean(measurements, axis=0).tolist()) if measurements else None


def _at(x: int, y: int, exposures: Sequence[Layer], size: float, drop: Drop) -> Correlation | None:
    """Measure the correlation at a place of the mosaic, whose pixels are so large."""
    broad = 1 + _BROAD.get(drop.kernel, 0)
    reach = math.ceil(broad / size) + 1
    period = math.ceil(reach * size + size + broad) + 1
    side = _PATCH + 2 * reach
    origin = np.array([x - side // 2, y - side // 2], np.float64)
    parts, weights = [], []
    for layer in exposures:
        crop = _crop(layer, origin, side, round(side * size / 2) + period)
        if crop is not None:
            parts.append(_contributions(crop, layer.weight, (side, side), drop, period))
            weights.append(layer.weight)
        if len(parts) == _DEEPEST:
            break
    if not parts:
        return None
    # The error of a mean of exposures that are weighted by the inverse of their variances.
    depth = np.zeros((side, side))
    for weight, part in zip(weights, parts, strict=True):
        depth += weight * (part.sum(axis=0) > 0)
    reported = np.divide(1, depth * size**2, out=np.zeros_like(depth), where=depth > 0)
    return measured(parts, [weight**-0.5 for weight in weights], reported, reach)


def _crop(layer: Layer, origin: F8, side: int, half: int) -> F8 | None:
    """Return where the pixels around a place fall in it, (2, n, n); None if the layer ends there."""
    ny, nx = layer.shape
    if min(ny, nx) <= 2 * half:
        return None
    at = position_of(layer.places, origin + side / 2)
    x, y = (round(float(v)) if np.isfinite(v) else -1 for v in at)
    if not (half <= x < nx - half and half <= y < ny - half):
        return None
    placed = layer.places.at(np.arange(y - half, y + half + 1), np.arange(x - half, x + half + 1))
    return np.asarray(placed - origin[:, None, None])


def _contributions(
    pixel_map: F8, weight: float, shape: tuple[int, int], drop: Drop, period: int
) -> F8:
    """Return what pixels of each class contribute, float64 (period^2, ny, nx)."""
    rows, columns = np.indices(pixel_map.shape[1:]) % period
    number = rows * period + columns
    planes = [(number == k).astype(np.float32) for k in range(period**2)]
    weights = np.full(number.shape, weight, np.float32)
    part = drizzle(planes, weights, pixel_map, shape, drop)
    total = np.zeros((period**2, *shape))
    total[:, part.rows, part.columns] = np.nan_to_num(part.planes) * part.weight
    return total
