"""Where the light of dispersed sources falls whose traces are known."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.bool_]
Values = NDArray[np.float64]


def turned(trace: Values, pivot: tuple[float, float], degrees: float) -> Values:
    """Return a trace (n, 2) of x and y [pixel], turned about a point x, y from x towards y.

    That is what a disperser does that comes to rest at another angle (Baines et al. 2023,
    arXiv 2311.07769).
    """
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    turned_trace: Values = (trace - pivot) @ rotation.T + pivot
    return turned_trace


def near_traces(shape: tuple[int, int], traces: Iterable[Values], reach: float) -> Pixels:
    """Return the pixels of a frame that are near a trace.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    traces : iterable of float64 (n, 2)
        x and y [pixel], along x in either direction; points that are no number do not count.
    reach : float
        Distance in y that is still near [pixel]; pixels that are only in part are near.

    Returns
    -------
    bool (ny, nx)
        Beyond its ends a trace goes on as straight as it ends.
    """
    row = np.arange(shape[0])[:, None]
    column = np.arange(shape[1])
    near = np.zeros(shape, bool)
    for trace in traces:
        x, y = trace[np.isfinite(trace).all(axis=1)].T
        if not x.size:
            continue
        _, first = np.unique(x, return_index=True)
        middle = _along(column, x[first], y[first])
        near |= (row >= np.floor(middle - reach)) & (row <= np.ceil(middle + reach))
    return near


def _along(column: NDArray[np.int64], x: Values, y: Values) -> Values:
    """Return y at columns between points in ascending order, and beyond the outermost ones."""
    middle: Values = np.interp(column, x, y)
    if x.size > 1:
        for end, outer in ((np.s_[:2], column < x[0]), (np.s_[-2:], column > x[-1])):
            (x_0, x_1), (y_0, y_1) = x[end], y[end]
            middle[outer] = y_0 + (column[outer] - x_0) * (y_1 - y_0) / (x_1 - x_0)
    return middle
