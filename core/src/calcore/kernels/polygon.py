"""Polygons on a pixel grid."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F8x1, U1x2, kernel


@kernel
def _inside(x: F8x1, y: F8x1, out: U1x2) -> None:
    corners = x.size
    rows, columns = out.shape
    for j in range(rows):
        for i in range(columns):
            odd = False
            previous = corners - 1
            for corner in range(corners):
                if (y[corner] > j) != (y[previous] > j):
                    slope = (x[previous] - x[corner]) / (y[previous] - y[corner])
                    if i < x[corner] + slope * (j - y[corner]):
                        odd = not odd
                previous = corner
            out[j, i] = 1 if odd else 0


def inside(x: F8x1, y: F8x1, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which pixels have their centre inside a polygon.

    Parameters
    ----------
    x, y : float64 (n,)
        Corners, in order, 0-based [pixel]; they may lie outside the grid.
    shape : (int, int)
        Rows and columns of the grid.

    Returns
    -------
    bool (ny, nx)
    """
    out = np.empty(shape, np.uint8)
    _inside(np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y, np.float64), out)
    return out.astype(bool)
