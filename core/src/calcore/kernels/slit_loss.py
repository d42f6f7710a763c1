"""Light that a slit keeps from the detector, by where in it the source lies."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def at_place(planes: Values, column: float, row: float) -> Values | None:
    """Return what maps of a slit say of one place.

    Parameters
    ----------
    planes : float64 (n, ny, nx)
        A map for each wavelength.
    column, row : float
        The place, counted from 0 [pixel of the maps].

    Returns
    -------
    float64 (n,) or None
        Interpolated linearly between the four pixels around; None if the place is not on the maps.
    """
    _, rows, columns = planes.shape
    left, low = int(np.floor(column)), int(np.floor(row))
    if not (0 <= left < columns - 1 and 0 <= low < rows - 1):
        return None
    dx, dy = column - left, row - low
    near = planes[:, low : low + 2, left : left + 2]
    weights = np.outer([1 - dy, dy], [1 - dx, dx])
    return np.asarray((near * weights).sum(axis=(1, 2)))
