"""Which pixels show nothing but background, so that noise can be read off them.

The levels are those of the JWST documentation's page on the step clean_flicker_noise.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F8x1, helper, kernel
from calcore.kernels.sky import clipped_about_median
from calcore.kernels.sorting import ascending

Pixels = NDArray[np.bool_]
Values = NDArray[np.float32]

_REACH, _TIMES = 3.0, 5  # clipping: within 3 sigma, five times
_HISTOGRAM_REACH, _BINS = 4.0, 2000
_LOST = 1e-6  # of a sum of squares that is taken away, so much cannot be told any more
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


@dataclass(frozen=True, eq=False)
class Quiet:
    """Which pixels are near the background, bool (ny, nx), and their values in ascending order."""

    pixels: Pixels
    ranked: Values

    @property
    def median(self) -> float:
        """Median of their values; NaN if there is none."""
        size = self.ranked.size
        if size == 0:
            return np.nan
        return float(np.float32(self.ranked[(size - 1) // 2] + self.ranked[size // 2]) / 2)


def quiet_pixels(
    image: Values,
    usable: Pixels,
    n_sigma: float,
    *,
    below: float | None = None,
    ranked: Values | None = None,
) -> Quiet:
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
    below : float, optional
        Another limit for what is below the background.
    ranked : float32 (n,), optional
        The values of usable pixels in ascending order, where these are known.

    Returns
    -------
    Quiet
        Pixels that are usable and quiet.
    """
    kept: Pixels = usable & np.isfinite(image)
    if ranked is None:
        ranked = ascending(image[kept], spoilt=True)
    if ranked.size == 0:
        return Quiet(kept, ranked)
    center, _, spread = _levels(ranked)
    lowest = _inward(center - (n_sigma if below is None else below) * spread, np.inf)
    highest = _inward(center + n_sigma * spread, -np.inf)
    kept &= (image >= lowest) & (image <= highest)
    start = np.searchsorted(ranked, lowest, "left")
    stop = np.searchsorted(ranked, highest, "right")
    return Quiet(kept, ranked[start:stop])


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


@helper
def _sums(ranked: F4x1, origin: float, low: int, high: int) -> tuple[float, float]:
    """Return the sums of some values' differences to one, and of their squares.

    Four at a time: a sum waits for the one before it.
    """
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    aa, bb, cc, dd = 0.0, 0.0, 0.0, 0.0
    whole = low + (high - low) // 4 * 4
    for k in range(low, whole, 4):
        first, second = ranked[k] - origin, ranked[k + 1] - origin
        third, fourth = ranked[k + 2] - origin, ranked[k + 3] - origin
        a, b, c, d = a + first, b + second, c + third, d + fourth
        aa, bb = aa + first * first, bb + second * second
        cc, dd = cc + third * third, dd + fourth * fourth
    for k in range(whole, high):
        first = ranked[k] - origin
        a, aa = a + first, aa + first * first
    return a + b + c + d, aa + bb + cc + dd


@kernel
def _clip(ranked: F4x1, reach: float, times: int, out: F8x1) -> None:
    """Clip values in ascending order about their median; then those below it, mirrored in it.

    Values are added up once; what is clipped is taken from the sums.
    """
    low, high = 0, ranked.size
    origin = np.float64(ranked[high // 2])
    first, second = _sums(ranked, origin, low, high)
    middle, spread = 0.0, 0.0
    for turn in range(times + 1):
        mean = first / (high - low)
        spread = np.sqrt(max(second / (high - low) - mean * mean, 0.0))
        middle = 0.5 * (
            np.float64(ranked[(low + high - 1) // 2]) + np.float64(ranked[(low + high) // 2])
        )
        before, whole = high - low, second
        while turn < times and ranked[low] < middle - reach * spread:
            off = ranked[low] - origin
            first, second, low = first - off, second - off * off, low + 1
        while turn < times and ranked[high - 1] > middle + reach * spread:
            off = ranked[high - 1] - origin
            first, second, high = first - off, second - off * off, high - 1
        if high - low == before:
            break
        if second < _LOST * whole:
            first, second = _sums(ranked, origin, low, high)
    out[0], out[1] = middle, spread
    low, high = 0, ranked.size
    while low < high:  # the first value above
        half = (low + high) // 2
        if ranked[half] <= middle:
            low = half + 1
        else:
            high = half
    low = 0
    _, second = _sums(ranked, middle, low, high)
    for turn in range(times + 1):
        spread = np.sqrt(max(second, 0.0) / (high - low))
        before, whole = low, second
        while turn < times and middle - ranked[low] > reach * spread:
            off = ranked[low] - middle
            second, low = second - off * off, low + 1
        if low == before:
            break
        if second < _LOST * whole:
            _, second = _sums(ranked, middle, low, high)
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
