"""Drifts of read-out electronics, measured in pixels that see no light.

The electronics adds to every pixel of an amplifier a level that differs from group to group and
between even and odd columns, and a slow drift from row to row (1/f noise), which all amplifiers
share. Both are described by Moseley et al. 2010 (SPIE 7742, 77421B) and Rauscher et al. 2011
(PASP 123, 953). Arrays here are in read-out order: the last axis is the one that is read fast.
Levels are computed in double precision, but where the reference pipeline computes in single: sums
of bright reference pixels then agree to the last bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x4, F8x1, F8x2, F8x3, F8x4, I8x1, helper, kernel, unsigned
from calcore.kernels.clipped_means import SIGMA, clipped_means, single_precision_means

Float = NDArray[np.float32]
Double = NDArray[np.float64]


def column_levels(
    lines: list[tuple[Float, NDArray[np.bool_]]],
    first: int,
    width: int,
    *,
    odd_even: bool,
    single: bool,
    sigma: float = SIGMA,
) -> Double:
    """Return the level of each column from the reference lines at the frame's edges.

    Parameters
    ----------
    lines : list of (float32 (n_int, n_group, n_line, n_column), bool (n_line, n_column))
        Signal [DN] of each edge, and True where a pixel is good.
    first : int
        Place of the first column on the detector, in read-out order.
    width : int
        Columns that one amplifier reads.
    odd_even : bool
        Take even and odd columns on their own.
    single : bool
        Compute all levels in single precision; else only those of the first group of all.
    sigma : float
        Limit of the outliers [standard deviations].

    Returns
    -------
    float64 (n_int, n_group, n_column)
        For each amplifier, the mean of the edges' clipped means [DN]; the other edge's where one
        has no good pixel, and 0 where none has.
    """
    columns = lines[0][0].shape[-1]
    place = np.arange(first, first + columns)
    _, kind = np.unique(2 * (place // width) + (place % 2 if odd_even else 0), return_inverse=True)
    kinds = int(kind.max()) + 1
    some = np.s_[:] if single else np.s_[:1, :1]
    rough = [
        single_precision_means(values[some], good, np.broadcast_to(kind, good.shape), kinds, sigma)
        for values, good in lines
    ]
    if single:
        levels = _mean_of_known(rough).astype(np.float64)
    else:
        means = [
            clipped_means(values, good, np.broadcast_to(kind, good.shape), kinds, sigma)
            for values, good in lines
        ]
        levels = _mean_of_known(means)
        levels[some] = _mean_of_known(rough)
    known: Double = np.nan_to_num(levels)
    return known[..., kind]


def common_levels(
    values: Float,
    column: NDArray[np.int64],
    columns: int,
    *,
    odd_even: bool,
    sigma: float = SIGMA,
) -> Double:
    """Return the level of each column from all reference pixels together.

    Parameters
    ----------
    values : float32 (n_int, n_group, n)
        Signal of good reference pixels [DN].
    column : int (n)
        Column of each.
    columns : int
        Number of columns.
    odd_even : bool
        Take even and odd columns on their own.
    sigma : float
        Limit of the outliers [standard deviations].

    Returns
    -------
    float64 (n_int, n_group, n_column)
        Clipped mean [DN]; 0 where there is no good pixel.
    """
    kinds = 2 if odd_even else 1
    good = np.ones((1, column.size), bool)
    means = single_precision_means(
        values[:, :, None, :], good, (column % kinds)[None], kinds, sigma
    )
    return np.nan_to_num(means.astype(np.float64))[..., np.arange(columns) % kinds]


def _mean_of_known(levels: list[Any]) -> Any:
    """Return the mean of one or two arrays; where one is NaN, the other."""
    if len(levels) == 1:
        return levels[0]
    one, other = levels
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, 0.5 * (one + other)))


@helper
def _enter(row: F8x1, buffer: F8x1, count: int) -> int:
    """Sort the values of a row into the buffer; return how many it then holds."""
    for value in row:
        if value == value:  # noqa: PLR0124 - not NaN
            k = count
            while k > 0 and buffer[k - 1] > value:
                buffer[k] = buffer[k - 1]
                k -= 1
            buffer[k] = value
            count += 1
    return count


@helper
def _leave(row: F8x1, buffer: F8x1, count: int) -> int:
    """Take the values of a row out of the buffer; return how many remain."""
    for value in row:
        if value == value:  # noqa: PLR0124 - not NaN
            k = 0
            while buffer[k] != value:
                k += 1
            for m in range(k, count - 1):
                buffer[m] = buffer[m + 1]
            count -= 1
    return count


@helper
def _reflect(line: int, total: int) -> int:
    """Return the line that stands for one beyond the first or the last."""
    if line < 0:
        return -line
    return 2 * (total - 1) - line if line >= total else line


@kernel
def _running_median(values: F8x3, first: int, total: int, length: int, out: F8x2,
                    out_buffer: F8x1) -> None:  # fmt: skip
    planes, rows, _ = values.shape
    before, after = length // 2, (length - 1) // 2
    for p in range(planes):
        count = 0
        for line in range(first - before, first + after):
            k = _reflect(line, total) - first
            if 0 <= k < rows:
                count = _enter(values[p, k], out_buffer, count)
        for row in range(first, first + rows):
            k = _reflect(row + after, total) - first
            if 0 <= k < rows:
                count = _enter(values[p, k], out_buffer, count)
            middle = count // 2
            if count == 0:
                out[p, row - first] = np.nan
            elif count % 2 == 1:
                out[p, row - first] = out_buffer[middle]
            else:
                out[p, row - first] = (out_buffer[middle - 1] + out_buffer[middle]) / 2
            k = _reflect(row - before, total) - first
            if 0 <= k < rows:
                count = _leave(values[p, k], out_buffer, count)


def running_median(values: Double, first: int, total: int, length: int) -> Double:
    """Return the median of each row and of those around it.

    Parameters
    ----------
    values : float64 (n_int, n_group, n_row, n)
        Signal [DN]; NaN is left out.
    first, total : int
        Place of the first row on the detector, and the detector's rows. At the detector's first
        and last row the rows are continued by reflection; rows that were not read are left out.
    length : int
        Rows in a window; if even, there is one more before the row than after it.

    Returns
    -------
    float64 (n_int, n_group, n_row)
        NaN where a window holds no value.
    """
    out = np.empty(values.shape[:3], np.float64)
    rows, columns = values.shape[2:]
    stack = np.ascontiguousarray(values).reshape(-1, rows, columns)
    buffer = np.empty((length + 1) * columns, np.float64)
    _running_median(stack, first, total, length, out.reshape(-1, rows), buffer)
    return out


def row_levels(sides: list[Double], first: int, total: int, length: int, gain: float) -> Double:
    """Return the level of each row from the reference columns at its ends.

    Parameters
    ----------
    sides : list of float64 (n_int, n_group, n_row, n)
        Signal [DN] of each end, column levels subtracted; NaN where a pixel is bad.
    first, total, length : int
        As for `running_median`.
    gain : float
        Share of the level that is seen by other pixels.

    Returns
    -------
    float64 (n_int, n_group, n_row)
        Mean of the ends' running medians [DN], or the only one there is; 0 where there is none.
        The first group's medians are rounded to single precision.
    """
    medians = [running_median(side, first, total, length) for side in sides]
    for side in medians:
        side[0, 0] = side[0, 0].astype(np.float32)
    return np.asarray(np.nan_to_num(_mean_of_known(medians)) * gain)


@kernel
def _subtract(data: F4x4, first: F8x4, second: F8x4, which: I8x1, across: bool,
              out: F4x4) -> None:  # fmt: skip
    integrations, groups, rows, columns = data.shape
    for i in range(integrations):
        for g in range(groups):
            if not across:
                for y in range(rows):
                    level, part = first[i, g, y, 0], which[y]
                    for x in range(unsigned(columns)):
                        out[i, g, y, x] = data[i, g, y, x] - level - second[i, g, part, x]
                continue
            stop = 0
            while stop < columns:  # neighbours that take the same level
                start, part = stop, which[stop]
                while stop < columns and which[stop] == part:
                    stop += 1
                for y in range(rows):
                    level = second[i, g, part, y]
                    for k in range(unsigned(stop - start)):
                        x = unsigned(start) + k
                        out[i, g, y, x] = data[i, g, y, x] - first[i, g, 0, x] - level


def subtract_levels(
    data: Float,
    columns: Double,
    rows: Double,
    amplifier: NDArray[np.int64],
    *,
    fast_along_x: bool,
    first_in_steps: bool,
) -> Float:
    """Subtract the levels of columns, then those of rows, as the read-out counts them.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    columns : float64 (n_int, n_group, nx or ny)
        Levels [DN] along the axis that is read fast, in the order in which that of `data` runs.
    rows : float64 (n_int, n_group, n_amplifier, ny or nx)
        Levels [DN] along the other axis, likewise.
    amplifier : int64 (nx or ny)
        Which of the levels of rows each place along the fast axis takes.
    fast_along_x : bool
        True if x is read fast.
    first_in_steps : bool
        Round the first group of all in between, as single precision does.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
    """
    out = np.empty_like(data)
    first = columns[:, :, None, :] if fast_along_x else columns[:, :, :, None]
    rows = np.ascontiguousarray(rows)
    _subtract(data, np.ascontiguousarray(first), rows, amplifier, fast_along_x, out)
    if first_in_steps:
        lines = rows[0, 0][amplifier]
        second = lines.T if fast_along_x else lines
        out[0, 0] = (data[0, 0] - first[0, 0]).astype(np.float32) - second
    return out
