"""Median over the integrations around each one."""

import numpy as np

from calcore.kernels._jit import F4x1, F4x3, helper, kernel


@helper
def _add(out_window: F4x1, count: int, value: float) -> int:
    """Put a value where it belongs among the sorted ones; NaN is left out."""
    if np.isnan(value):
        return count
    place = count
    while place > 0 and out_window[place - 1] > value:
        out_window[place] = out_window[place - 1]
        place -= 1
    out_window[place] = value
    return count + 1


@helper
def _remove(out_window: F4x1, count: int, value: float) -> int:
    """Take a value out of the sorted ones."""
    if np.isnan(value):
        return count
    place = 0
    while out_window[place] != value:
        place += 1
    for k in range(place, count - 1):
        out_window[k] = out_window[k + 1]
    return count - 1


@kernel
def _roll(data: F4x3, width: int, spread: bool, out_window: F4x1, out: F4x3) -> None:
    number, rows, columns = data.shape
    for j in range(rows):
        for i in range(columns):
            count, low = 0, 0
            for k in range(width):
                count = _add(out_window, count, data[k, j, i])
            for k in range(number):
                wanted = min(max(k - width // 2, 0), number - width)
                while low < wanted:
                    count = _remove(out_window, count, data[low, j, i])
                    count = _add(out_window, count, data[low + width, j, i])
                    low += 1
                if count == 0 or (spread and count < width):
                    out[k, j, i] = np.nan
                elif count % 2:
                    out[k, j, i] = out_window[count // 2]
                else:
                    pair = out_window[count // 2 - 1] + out_window[count // 2]
                    out[k, j, i] = np.float32(0.5) * pair


def rolling_median(data: F4x3, width: int, *, spread: bool = False) -> F4x3:
    """Return the median of the integrations around each one.

    Parameters
    ----------
    data : float32 (n_int, ny, nx)
        NaN does not count.
    width : int
        How many integrations, from 1 to n_int; those around the first and the last are the first and
        the last so many.
    spread : bool
        Whether one that is NaN makes the medians NaN that it would count for.

    Returns
    -------
    float32 (n_int, ny, nx)
        NaN where all are.

    Raises
    ------
    ValueError
        There are fewer integrations, or the width is not positive.
    """
    if not 1 <= width <= data.shape[0]:
        raise ValueError(f"a median of {width} integrations cannot be had from {data.shape[0]}")
    out, window = np.empty_like(data), np.empty(width, np.float32)
    _roll(np.ascontiguousarray(data), width, spread, window, out)
    return out
