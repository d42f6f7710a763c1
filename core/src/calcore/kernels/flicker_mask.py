"""Which pixels show nothing but background, so that noise can be read off them.

The levels are those of the JWST documentation's page on the step clean_flicker_noise.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F8x1, kernel
from calcore.kernels.sky import clipped_about_median
from calcore.kernels.sorting import ascending

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
    center, spread = _fitted(values) if fit_histogram else _levels(ascending(values))[:2]
    lowest = _inward(center - _LOWEST * spread, np.inf)
    highest = _inward(center + n_sigma * spread, -np.inf)
    kept &= (image >= lowest) & (image <= highest)
    return kept


def quiet_pixels(
    image: Values, usable: Pixels, n_sigma: float, *, below: float | None = None
) -> tuple[Pixels, float]:
    """Return the pixels whose value is near the background on either side, and their median.

    The spread is that of the values below the background, which sources do not raise.

    Parameters
    ----------
    image : float32 (ny, nx)
        Any values; those that are not finite are left out.
    usable : bool (ny, nx)
        False for pixels that do not count.
    n_sigma : float
        Limit on either side [standard deviations].
    below : float, optional
        Another limit for what is below the background.

    Returns
    -------
    bool (ny, nx)
        True for pixels that are usable and quiet.
    float
        Median of these; NaN if there is none.
    """
    kept: Pixels = usable & np.isfinite(image)
    values = ascending(image[kept], spoilt=True)
    if values.size == 0:
        return kept, np.nan
    center, _, spread = _levels(values)
    lowest = _inward(center - (n_sigma if below is None else below) * spread, np.inf)
    highest = _inward(center + n_sigma * spread, -np.inf)
    kept &= (image >= lowest) & (image <= highest)
    start = np.searchsorted(values, lowest, "left")
    stop = np.searchsorted(values, highest, "right")
    return kept, float(
        np.float32(values[(start + stop - 1) // 2] + values[(start + stop) // 2]) / 2
    )


def _inward(limit: float, direction: float) -> np.float32:
    """Return the first float32 in a direction from a limit, so that no array must be converted."""
    largest = float(np.finfo(np.float32).max)
    near = np.float32(min(max(limit, -largest), largest))
    outside = float(near) < limit if direction > 0 else float(near) > limit
    return np.nextafter(near, np.float32(direction)) if outside else near


def _levels(ranked: Values) -> NDArray[np.float64]:
    """Return median and standard deviation of values without outliers, and that of the lower half."""
    out = np.empty(3)
    _clip(ranked, _REACH, _TIMES, out)
    return out


@kernel
def _clip(ranked: F4x1, reach: float, times: int, out: F8x1) -> None:
    """Clip values in ascending order about their median; then those below it, mirrored in it."""
    low, high = 0, ranked.size
    middle, spread = 0.0, 0.0
    for turn in range(times + 1):
        total = 0.0
        for k in range(low, high):
            total += ranked[k]
        mean = total / (high - low)
        total = 0.0
        for k in range(low, high):
            total += (ranked[k] - mean) ** 2
        spread = np.sqrt(total / (high - low))
        middle = 0.5 * (
            np.float64(ranked[(low + high - 1) // 2]) + np.float64(ranked[(low + high) // 2])
        )
        before = high - low
        while turn < times and ranked[low] < middle - reach * spread:
            low += 1
        while turn < times and ranked[high - 1] > middle + reach * spread:
            high -= 1
        if high - low == before:
            break
    out[0], out[1] = middle, spread
    low, high = 0, 0
    while high < ranked.size and ranked[high] <= middle:
        high += 1
    for turn in range(times + 1):
        total = 0.0
        for k in range(low, high):
            total += (middle - ranked[k]) ** 2
        spread = np.sqrt(total / (high - low))
        before = low
        while turn < times and middle - ranked[low] > reach * spread:
            low += 1
        if low == before:
            break
    out[2] = spread


def _fitted(values: Values) -> tuple[float, float]:
    """Return centre and width of a Gaussian fitted to the histogram of values without outliers."""
    from scipy.optimize import OptimizeWarning, curve_fit  # noqa: PLC0415 - loads half of scipy

    kept = clipped_about_median(values, _HISTOGRAM_REACH, _TIMES)
    count, edges = np.histogram(kept, bins=_BINS)
    start = float(count.max()), float(np.median(kept)), float(kept.std())
    if start[2] == 0:
        return start[1], 0.0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", OptimizeWarning)  # the parameters' errors are of no use
        try:
            (_, center, width), _ = curve_fit(_gaussian, (edges[1:] + edges[:-1]) / 2, count, start)
        except RuntimeError:  # no Gaussian fits
            return start[1], start[2]
    return float(center), abs(float(width))


def _gaussian(
    x: NDArray[np.float64], height: float, center: float, width: float
) -> NDArray[np.float64]:
    result: NDArray[np.float64] = height * np.exp(-0.5 * ((x - center) / width) ** 2)
    return result
