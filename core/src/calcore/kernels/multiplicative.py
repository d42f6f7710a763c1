"""Apply a multiplicative correction to a signal and its uncertainties."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x3, F8x2, kernel

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]


@kernel
def _multiply(plane: F4x3, factor: F8x2, squared: bool, inverse: bool, out: F4x3) -> None:
    for i in range(plane.shape[0]):
        for row in range(plane.shape[1]):
            for column in range(plane.shape[2]):
                by = factor[row, column]
                if squared:
                    by *= by
                value = float(plane[i, row, column])
                out[i, row, column] = value / by if inverse else value * by


@kernel
def _multiply_all(plane: F4x3, factor: float, squared: bool, inverse: bool, out: F4x3) -> None:
    by = factor * factor if squared else factor
    if inverse:
        by = 1.0 / by
    for i in range(plane.shape[0]):
        for row in range(plane.shape[1]):
            for column in range(plane.shape[2]):
                out[i, row, column] = float(plane[i, row, column]) * by


def multiply(plane: F4, factor: F8 | float, *, variance: bool = False, inverse: bool = False) -> F4:
    """Return a plane times a correction's factor, or divided by it.

    Parameters
    ----------
    plane : float32 ([n_int,] ny, nx)
        Signal, error or variance. NaN stays NaN.
    factor : float64 (ny, nx), or a number
        What the correction multiplies a signal by.
    variance : bool
        The plane is a variance, which goes with the square of the factor.
    inverse : bool
        Undo the correction: divide.

    Returns
    -------
    float32, shape of `plane`
    """
    out = np.empty_like(plane)
    cube = (-1, *plane.shape[-2:])
    if isinstance(factor, np.ndarray):
        _multiply(plane.reshape(cube), factor, variance, inverse, out.reshape(cube))
    else:
        _multiply_all(plane.reshape(cube), float(factor), variance, inverse, out.reshape(cube))
    return out
