"""Levels of four outputs that take turns along a row, subtracted from differences of groups."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x4, kernel

OUTPUTS = 4


@kernel
def _subtract(data: F4x4, levels: F4x4, first_row: int, out: F4x4) -> None:
    integrations, groups, rows, columns = data.shape
    for i in range(integrations):
        for y in range(rows):
            for x in range(columns):
                out[i, 0, y, x] = data[i, 0, y, x]
        for g in range(1, groups):
            for y in range(rows):
                parity = (first_row + y) % levels.shape[2]
                for x in range(columns):
                    first = data[i, 0, y, x]
                    change = data[i, g, y, x] - first
                    out[i, g, y, x] = (change - levels[i, g, parity, x]) + first


def subtract_output_levels(
    data: NDArray[np.float32], levels: NDArray[np.float64], first_row: int, first_column: int
) -> NDArray[np.float32]:
    """Subtract each output's level from all groups but the first.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    levels : float64 (n_int, n_group, n_parity, 4)
        Level of each output [DN] relative to the first group, for even and odd rows or for all.
    first_row, first_column : int
        Place of the first row and column in the frame, whose column 0 is the first output's.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
    """
    outputs = (first_column + np.arange(data.shape[-1])) % OUTPUTS
    out = np.empty_like(data)
    _subtract(data, np.take(levels.astype(np.float32), outputs, axis=-1), first_row, out)
    return out
