"""Polygons on a pixel grid, as the pixels from start to stop of each row.

What lies in several polygons, or in none, is then found without looking at every pixel.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F8x1, I8x1, I8x3, helper, kernel

Points = NDArray[np.float64]
Spans = NDArray[np.int64]
"""First column and the one after the last, int64 (n, ny, 2), of so many spans in each row."""
_CLOSE = 1e-9


@kernel
def _inside(x: F8x1, y: F8x1, columns: int, out: I8x3) -> None:
    corners = x.size
    places = np.empty(corners)
    for j in range(out.shape[1]):
        count = 0
        previous = corners - 1
        for corner in range(corners):
            if (y[corner] > j) != (y[previous] > j):
                slope = (x[previous] - x[corner]) / (y[previous] - y[corner])
                value = min(max(np.ceil(x[corner] + slope * (j - y[corner])), 0.0), float(columns))
                k = count
                while k > 0 and places[k - 1] > value:
                    places[k] = places[k - 1]
                    k -= 1
                places[k] = value
                count += 1
            previous = corner
        for k in range(count // 2):
            out[k, j, 0], out[k, j, 1] = int(places[2 * k]), int(places[2 * k + 1])


def inside(x: Points, y: Points, shape: tuple[int, int]) -> Spans:
    """Return the pixels that have their centre inside a polygon.

    Parameters
    ----------
    x, y : float64 (n,)
        Corners, in order, 0-based [pixel]; they may lie outside the grid.
    shape : (int, int)
        Rows and columns of the grid.

    Returns
    -------
    int64 (m, ny, 2)
        Several spans where a row leaves the polygon and enters it again.
    """
    out = np.zeros((max(x.size // 2, 1), shape[0], 2), np.int64)
    _inside(np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y, np.float64), shape[1], out)
    used = (out[:, :, 0] < out[:, :, 1]).any(axis=1)
    return out[used]


def rounded(corners: Points, shape: tuple[int, int]) -> Spans:
    """Return the pixels that belong to a convex polygon whose corners are rounded to whole pixels.

    This is how the reference pipeline counts the pixels of an overlap: edges belong to it, their
    right ends rounded up. Of an axis along which the polygon begins left of or below the grid, the
    beginning and the length are rounded, and corners beyond the last column lie in it.

    Parameters
    ----------
    corners : float64 (n, 2)
        x and y, in order, 0-based [pixel].
    shape : (int, int)
        Rows and columns of the grid.

    Returns
    -------
    int64 (m, ny, 2)
        One span in each row; none at all for fewer than three corners.
    """
    if len(corners) < 3:
        return np.zeros((0, shape[0], 2), np.int64)
    low = corners.min(axis=0)
    whole = np.where(low < 0, np.rint(corners - low) + np.rint(low), np.rint(corners))
    whole[:, 0] = np.minimum(whole[:, 0], shape[1] - 1)
    first, last = np.full(shape[0], np.inf), np.full(shape[0], -np.inf)
    rows = np.arange(shape[0])
    for (x, y), (next_x, next_y) in zip(whole, np.roll(whole, -1, axis=0), strict=True):
        upon = (rows >= min(y, next_y)) & (rows <= max(y, next_y))
        place = x + (rows[upon] - y) * (next_x - x) / (next_y - y) if next_y != y else x
        first[upon], last[upon] = np.minimum(first[upon], place), np.maximum(last[upon], place)
    some = first <= last
    spans = np.zeros((1, shape[0], 2), np.int64)
    for axis, places in enumerate((first, last)):
        ends = np.ceil(places[some] - _CLOSE).astype(np.int64) + axis
        spans[0, some, axis] = np.clip(ends, 0, shape[1])
    return spans


@helper
def merged(spans: I8x3, row: int, out_starts: I8x1, out_stops: I8x1) -> int:
    """Fill the spans of a row in ascending order, those that meet as one; return their number."""
    count = 0
    for k in range(spans.shape[0]):
        start, stop = spans[k, row, 0], spans[k, row, 1]
        if start >= stop:
            continue
        place = count
        while place > 0 and out_starts[place - 1] > start:
            out_starts[place], out_stops[place] = out_starts[place - 1], out_stops[place - 1]
            place -= 1
        out_starts[place], out_stops[place] = start, stop
        count += 1
    kept = 0
    for k in range(1, count):
        if out_starts[k] <= out_stops[kept]:
            out_stops[kept] = max(out_stops[kept], out_stops[k])
        else:
            kept += 1
            out_starts[kept], out_stops[kept] = out_starts[k], out_stops[k]
    return min(count, kept + 1)
