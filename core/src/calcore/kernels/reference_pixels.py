"""Drifts of read-out electronics, measured in pixels that see no light.

The electronics adds to every pixel of an amplifier a level that differs from group to group and
between even and odd columns, and a slow drift from row to row (1/f noise), which all amplifiers
share. Both are described by Rauscher et al. 2011 (PASP 123, 953) and Moseley et al. 2010 (SPIE
7742). Arrays here are in read-out order: the last axis is the one that is read fast.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x2, F4x3, F4x4, helper, kernel

Float = NDArray[np.float32]


def clipped_mean(values: Float, sigma: float = 3.0) -> np.float32:
    """Return the mean without outliers.

    Parameters
    ----------
    values : float32 (n)
        Contiguous; none is NaN.
    sigma : float
        Values farther than this many standard deviations from the mean are left out, again and
        again until none is.

    Returns
    -------
    float32
        The mean, in single precision as its input; NaN if there are no values.
    """
    if values.size == 0:
        return np.float32(np.nan)
    size = -1
    while size != values.size:
        size = values.size
        mean, spread = values.mean(), values.std()
        if spread == 0:
            return np.float32(mean)
        near = (values >= mean - sigma * spread) & (values <= mean + sigma * spread)
        values = values[near]
    return np.float32(values.mean())


def column_levels(
    lines: list[tuple[Float, NDArray[np.bool_]]],
    first: int,
    width: int,
    *,
    odd_even: bool,
) -> Float:
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

    Returns
    -------
    float32 (n_int, n_group, n_column)
        For each amplifier, the mean of the edges' clipped means [DN]; the other edge's where one
        has no good pixel, and 0 where none has.
    """
    shape = lines[0][0].shape
    result = np.zeros((*shape[:2], shape[3]), np.float32)
    place = np.arange(first, first + shape[3])
    kinds = 2 * (place // width) + (place % 2 if odd_even else 0)
    for kind in np.unique(kinds):
        columns = np.flatnonzero(kinds == kind)
        picks = [good[:, columns] for _, good in lines]
        parts = [values[..., columns] for values, _ in lines]
        for index in np.ndindex(shape[:2]):
            means = [
                clipped_mean(part[index][pick])
                for part, pick in zip(parts, picks, strict=True)
                if pick.any()
            ]
            if means:
                level = means[0]
                if len(means) == 2:
                    level = np.float32(0.5) * (means[0] + means[1])
                result[(*index, columns)] = level
    return result


def common_levels(
    values: Float, column: NDArray[np.intp], n_column: int, *, odd_even: bool
) -> Float:
    """Return the level of each column from all reference pixels together.

    Parameters
    ----------
    values : float32 (n_int, n_group, n)
        Signal of good reference pixels [DN], in the order in which they are read.
    column : int (n)
        Column of each.
    n_column : int
        Number of columns.
    odd_even : bool
        Take even and odd columns on their own.

    Returns
    -------
    float32 (n_int, n_group, n_column)
        Clipped mean [DN]; 0 where there is no good pixel.
    """
    result = np.zeros((*values.shape[:2], n_column), np.float32)
    for parity in (0, 1) if odd_even else (None,):
        which = slice(None) if parity is None else np.flatnonzero(column % 2 == parity)
        chosen = np.ascontiguousarray(values[..., which])
        if chosen.shape[-1] == 0:
            continue
        targets = slice(None) if parity is None else slice(parity, None, 2)
        for index in np.ndindex(values.shape[:2]):
            result[(*index, targets)] = clipped_mean(chosen[index])
    return result


@helper
def _enter(row: F4x1, buffer: F4x1, count: int) -> int:
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
def _leave(row: F4x1, buffer: F4x1, count: int) -> int:
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
def _running_median(values: F4x3, first: int, total: int, half: int, out: F4x2,
                    out_buffer: F4x1) -> None:  # fmt: skip
    planes, rows, _ = values.shape
    for p in range(planes):
        count = 0
        for line in range(first - half, first + half):
            k = _reflect(line, total) - first
            if 0 <= k < rows:
                count = _enter(values[p, k], out_buffer, count)
        for row in range(first, first + rows):
            k = _reflect(row + half, total) - first
            if 0 <= k < rows:
                count = _enter(values[p, k], out_buffer, count)
            middle = count // 2
            if count == 0:
                out[p, row - first] = np.nan
            elif count % 2 == 1:
                out[p, row - first] = out_buffer[middle]
            else:
                pair = out_buffer[middle - 1] + out_buffer[middle]
                out[p, row - first] = pair / np.float32(2)
            k = _reflect(row - half, total) - first
            if 0 <= k < rows:
                count = _leave(values[p, k], out_buffer, count)


def running_median(values: Float, first: int, total: int, length: int) -> Float:
    """Return the median of each row and of those around it.

    Parameters
    ----------
    values : float32 (n_int, n_group, n_row, n)
        Signal [DN]; NaN is left out.
    first, total : int
        Place of the first row on the detector, and the detector's rows. At the detector's first
        and last row the rows are continued by reflection; rows that were not read are left out.
    length : int
        Rows in a window, odd.

    Returns
    -------
    float32 (n_int, n_group, n_row)
        NaN where a window holds no value.
    """
    out = np.empty(values.shape[:3], np.float32)
    rows, columns = values.shape[2:]
    stack = np.ascontiguousarray(values).reshape(-1, rows, columns)
    buffer = np.empty((length + 1) * columns, np.float32)
    _running_median(stack, first, total, length // 2, out.reshape(-1, rows), buffer)
    return out


def row_levels(sides: list[Float], first: int, total: int, length: int, gain: float) -> Float:
    """Return the level of each row from the reference columns at its ends.

    Parameters
    ----------
    sides : list of float32 (n_int, n_group, n_row, n)
        Signal [DN] of each end, column levels subtracted; NaN where a pixel is bad.
    first, total, length : int
        As for `running_median`.
    gain : float
        Share of the level that is seen by other pixels.

    Returns
    -------
    float32 (n_int, n_group, n_row)
        Mean of the ends' running medians [DN], or the only one there is; 0 where there is none.
    """
    medians = [running_median(side, first, total, length) for side in sides]
    level = medians[0]
    if len(medians) == 2:
        one, other = medians
        both = (one + other) / np.float32(2)
        level = np.where(np.isnan(one), other, np.where(np.isnan(other), one, both))
    return np.nan_to_num(level) * np.float32(gain)


@kernel
def _subtract(data: F4x4, first: F4x4, second: F4x4, across: bool, out: F4x4) -> None:
    integrations, groups, rows, columns = data.shape
    for i in range(integrations):
        for g in range(groups):
            for y in range(rows):
                if across:
                    level = second[i, g, y, 0]
                    for x in range(columns):
                        out[i, g, y, x] = data[i, g, y, x] - first[i, g, 0, x] - level
                else:
                    level = first[i, g, y, 0]
                    for x in range(columns):
                        out[i, g, y, x] = data[i, g, y, x] - level - second[i, g, 0, x]


def subtract_levels(
    data: Float, columns: Float, rows: Float | None, *, fast_along_x: bool
) -> Float:
    """Subtract the levels of columns, then those of rows, as the read-out counts them.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    columns, rows : float32 (n_int, n_group, nx or ny)
        Levels [DN] along the axis that is read fast, and along the other one, in the order in
        which the axes of `data` run. None is 0.
    fast_along_x : bool
        True if x is read fast.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
    """
    other = data.shape[2] if fast_along_x else data.shape[3]
    if rows is None:
        rows = np.zeros((*data.shape[:2], other), np.float32)
    out = np.empty_like(data)
    if fast_along_x:
        first, second = columns[:, :, None, :], rows[:, :, :, None]
    else:
        first, second = columns[:, :, :, None], rows[:, :, None, :]
    _subtract(data, np.ascontiguousarray(first), np.ascontiguousarray(second), fast_along_x, out)
    return out
