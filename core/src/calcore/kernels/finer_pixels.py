"""Lines of pixels on finer ones: straight lines between values, and where profiles are steep."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import B1x2, F8x1, F8x2, F8x3, kernel

PADDING = 3
"""Pixels beside a steep part of a profile that belong to the source, too."""


@kernel
def _between(planes: F8x3, good: B1x2, places: F8x1, out: F8x3) -> None:
    columns = good.shape[1]
    for row in range(good.shape[0]):
        before, after = -1, -1
        for n in range(places.size):
            place = places[n]
            while after < place:  # to the next good pixel that is not left of the place
                before, after = after, after + 1
                while after < columns and not good[row, after]:
                    after += 1
            for k in range(planes.shape[0]):
                out[k, row, n] = np.nan
                if before >= 0 and after < columns:
                    low, high = planes[k, row, before], planes[k, row, after]
                    out[k, row, n] = low + (place - before) / (after - before) * (high - low)
                elif before >= 0 or after < columns:
                    out[k, row, n] = planes[k, row, before if before >= 0 else after]


def between(planes: F8x3, good: B1x2, places: F8x1) -> F8x3:
    """Return values at places in rows of pixels, on straight lines between the good ones.

    Parameters
    ----------
    planes : float64 (n_plane, n_row, n_column)
        Values.
    good : bool (n_row, n_column)
        True for pixels that count.
    places : float64 (n,)
        Where in the rows, ascending [pixel].

    Returns
    -------
    float64 (n_plane, n_row, n)
        Held beyond the outermost good pixels; NaN in rows without any.
    """
    out = np.empty((*planes.shape[:2], places.size), np.float64)
    _between(np.ascontiguousarray(planes), np.ascontiguousarray(good), places, out)
    return out


def steep(profiles: F8x2, limit: float) -> NDArray[np.bool_]:
    """Tell where profiles are those of compact sources: steep, or beside such a place.

    Parameters
    ----------
    profiles : float64 (n_row, n_column)
        Profile of each row; NaN beside the slit.
    limit : float
        A profile is steep where neighbours differ by more than so much of its sum; 0 for everywhere
        that it is known.

    Returns
    -------
    bool (n_row, n_column)
    """
    known = np.isfinite(profiles)
    if limit <= 0:
        return known
    sums = np.nansum(profiles, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.abs(np.diff(profiles, axis=1)) / sums > limit
    found = np.zeros(profiles.shape, np.bool_)
    columns = profiles.shape[1]
    for by in range(-PADDING, PADDING + 2):  # a step belongs to the pixels on both sides
        low, high = max(0, by), min(columns, columns - 1 + by)
        if high > low:
            found[:, low:high] |= steps[:, low - by : high - by]
    return np.asarray(found & known)
