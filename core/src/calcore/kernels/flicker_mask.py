"""Which pixels show nothing but background, so that noise can be read off them.

The levels are those of the JWST documentation's page on the step clean_flicker_noise.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from calcore.kernels.sky import clipped_about_median

Pixels = NDArray[np.bool_]
Values = NDArray[np.float32]

_REACH, _TIMES = 3.0, 5  # clipping: within 3 sigma, five times
_HISTOGRAM_REACH, _BINS = 4.0, 2000
_LOWEST = 3.0  # pixels this many sigma below the background are bad


def background_pixels(
    image: Values, usable: Pixels, n_sigma: float, *, fit_histogram: bool = False
) -> Pixels:
    """Return the pixels of an image that show background only.

    Parameters
    ----------
    image : float32 (ny, nx)
        Count rate [DN/s]. Pixels that are NaN or exactly 0 have none, and are left out.
    usable : bool (ny, nx)
        False for pixels that are known to show more.
    n_sigma : float
        Pixels this many standard deviations above the background show a source; 0 leaves all in.
    fit_histogram : bool
        Take level and spread from a Gaussian fitted to the histogram of the values.

    Returns
    -------
    bool (ny, nx)
        True for background.
    """
    kept: Pixels = usable & np.isfinite(image) & (image != 0)
    if n_sigma <= 0 or not kept.any():
        return kept
    values = image[kept]
    center, spread = _fitted(values) if fit_histogram else _clipped(values)
    kept &= (image >= center - _LOWEST * spread) & (image <= center + n_sigma * spread)
    return kept


def quiet_pixels(image: Values, usable: Pixels, n_sigma: float) -> Pixels:
    """Return the pixels whose value is near the background on either side.

    The spread is that of the values below the background, which sources do not raise.

    Parameters
    ----------
    image : float32 (ny, nx)
        Any values; those that are not finite are left out.
    usable : bool (ny, nx)
        False for pixels that do not count.
    n_sigma : float
        Limit on either side [standard deviations].

    Returns
    -------
    bool (ny, nx)
        True for pixels that are usable and quiet.
    """
    kept = usable & np.isfinite(image)
    values = image[kept]
    if values.size == 0:
        return kept
    center, _ = _clipped(values)
    below = center - values[values <= center].astype(np.float64)
    spread = 0.0
    for last in (*[False] * _TIMES, True):
        spread = float(np.sqrt(np.mean(below * below)))
        near = below <= _REACH * spread
        if last or near.all():
            break
        below = below[near]
    return kept & (image >= center - n_sigma * spread) & (image <= center + n_sigma * spread)


def _clipped(values: Values) -> tuple[float, float]:
    """Return median and standard deviation of values without outliers."""
    kept = clipped_about_median(values, _REACH, _TIMES)
    return float(np.median(kept)), float(kept.std())


def _fitted(values: Values) -> tuple[float, float]:
    """Return centre and width of a Gaussian fitted to the histogram of values without outliers."""
    kept = clipped_about_median(values, _HISTOGRAM_REACH, _TIMES)
    count, edges = np.histogram(kept, bins=_BINS)
    start = float(count.max()), float(np.median(kept)), float(kept.std())
    try:
        (_, center, width), _ = curve_fit(_gaussian, (edges[1:] + edges[:-1]) / 2, count, p0=start)
    except RuntimeError:  # no Gaussian fits
        return start[1], start[2]
    return float(center), abs(float(width))


def _gaussian(
    x: NDArray[np.float64], height: float, center: float, width: float
) -> NDArray[np.float64]:
    result: NDArray[np.float64] = height * np.exp(-0.5 * ((x - center) / width) ** 2)
    return result
