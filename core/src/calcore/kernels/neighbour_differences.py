"""Pixels that stand out from their neighbours, by differences that no point-spread function makes."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x2, kernel

F4 = NDArray[np.float32]
Mask = NDArray[np.bool_]
Beyond = Literal["missing", "zero"]


def nearest_difference(data: F4, axis: int, beyond: Beyond) -> F4:
    """Return how much each pixel differs from the one of two neighbours that it differs from less.

    An edge of a bright trace differs from one neighbour only, a bad pixel from both.

    Parameters
    ----------
    data : float32 (ny, nx)
        Signal; NaN where there is none.
    axis : int
        Axis of the neighbours, square to the dispersion.
    beyond : str
        Neighbours beyond the edge are missing, or 0.

    Returns
    -------
    float32 (ny, nx)
        Absolute difference; NaN where the pixel, or both neighbours, are.
    """
    edge = np.float32(np.nan if beyond == "missing" else 0)
    width = [(1, 1) if n == axis else (0, 0) for n in range(2)]
    steps = np.abs(np.diff(np.pad(data, width, constant_values=edge), axis=axis))
    count = data.shape[axis]
    before, after = (np.take(steps, range(n, n + count), axis=axis) for n in (0, 1))
    found: F4 = np.fmin(before, after)
    return found


@kernel
def _median(plane: F4x2, rows: int, columns: int, zero: bool, out_values: F4x1, out: F4x2) -> None:
    ny, nx = plane.shape
    for y in range(ny):
        for x in range(nx):
            count = 0
            for j in range(y - rows, y + rows + 1):
                for i in range(x - columns, x + columns + 1):
                    value = np.float32(0)
                    if 0 <= j < ny and 0 <= i < nx:
                        value = plane[j, i]
                        if np.isnan(value):
                            continue
                    elif not zero:
                        continue
                    place = count
                    while place > 0 and out_values[place - 1] > value:
                        out_values[place] = out_values[place - 1]
                        place -= 1
                    out_values[place] = value
                    count += 1
            if count == 0:
                out[y, x] = np.nan
            elif count % 2:
                out[y, x] = out_values[count // 2]
            else:
                half = count // 2
                out[y, x] = np.float32(0.5) * (out_values[half - 1] + out_values[half])


def local_median(plane: F4, size: tuple[int, int], beyond: Beyond) -> F4:
    """Return the median around each pixel.

    Parameters
    ----------
    plane : float32 (ny, nx)
        Values; NaN does not count.
    size : (int, int)
        Rows and columns of the window [pixel]; odd.
    beyond : str
        Pixels beyond the edges are missing, or 0.

    Returns
    -------
    float32 (ny, nx)
        NaN where nothing in the window counts.
    """
    out = np.empty_like(plane)
    room = np.empty(size[0] * size[1], np.float32)
    _median(np.ascontiguousarray(plane), size[0] // 2, size[1] // 2, beyond == "zero", room, out)
    return out


def prominence(differences: F4, size: tuple[int, int], beyond: Beyond) -> F4:
    """Return differences in units of what is usual around a pixel, (ny, nx).

    Where that is less than a third of the median of all differences, it is taken to be that much.
    """
    known = differences[np.isfinite(differences)]
    usual = local_median(differences, size, beyond)
    floor = np.float32(np.median(known) / 3 if known.size else 0)
    scale: F4 = np.where(np.isnan(usual), usual, np.maximum(usual, floor))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: F4 = differences / scale
    return ratio


def above_percentile(values: F4, percent: float, border: int) -> Mask:
    """Tell which values exceed a percentile of those that are not within a border of the frame."""
    inner = values[border:-border, border:-border] if border else values
    inner = inner[~np.isnan(inner)]
    if not inner.size:
        return np.zeros(values.shape, np.bool_)
    return np.asarray(values > np.percentile(inner, percent))


def extremes(values: F4, lower: float, upper: float) -> Mask:
    """Tell which values are among the least and the greatest.

    Parameters
    ----------
    values : float32 (ny, nx)
        NaN does not count.
    lower, upper : float
        Part of the values that are the least, and the greatest.

    Returns
    -------
    bool (ny, nx)
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return np.zeros(values.shape, np.bool_)
    low, high = np.percentile(known, (100 * lower, 100 * (1 - upper)))
    return np.asarray((values < low) | (values > high))
