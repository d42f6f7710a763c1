"""Straight lines between points of a table, and beyond its ends."""

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def linear(at: F8, known: F8, values: F8) -> F8:
    """Return values between those of a table; beyond its ends, the last straight line goes on.

    Parameters
    ----------
    at : float64 (n,)
        Where; NaN gives NaN.
    known, values : float64 (m,)
        The table, in any order of `known`. One row alone is a constant.

    Returns
    -------
    float64 (n,)
    """
    order = np.argsort(known, kind="stable")
    known, values = known[order], values[order]
    if known.size == 1:
        return np.where(np.isnan(at), np.nan, values[0])
    place = np.clip(np.searchsorted(known, at), 1, known.size - 1)
    low, high = place - 1, place
    part = (at - known[low]) / (known[high] - known[low])
    between: F8 = values[low] + part * (values[high] - values[low])
    return between
