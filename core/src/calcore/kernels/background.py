"""The mean of background exposures, without the values that do not belong to it."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import B1x3, F4x2, F4x3, F8x1, I4x2, helper, kernel

F4 = NDArray[np.float32]


@helper
def _insert(values: F8x1, n: int, new: float) -> None:
    """Add a value to the first `n`, which are sorted, and keep them so."""
    k = n
    while k > 0 and values[k - 1] > new:
        values[k] = values[k - 1]
        k -= 1
    values[k] = new


@helper
def _clipped(values: F8x1, n: int, sigma: float, max_iterations: int) -> float:
    """Return the mean of the first `n` sorted values after clipping about their median."""
    low, high = 0, n
    iteration = 0
    while True:
        mean = 0.0
        for k in range(low, high):
            mean += values[k]
        mean /= high - low
        if iteration == max_iterations:
            return mean
        variance = 0.0
        for k in range(low, high):
            variance += (values[k] - mean) ** 2
        deviation = sigma * np.sqrt(variance / (high - low))
        middle = (low + high) // 2
        if (high - low) % 2 == 1:
            median = values[middle]
        else:
            median = 0.5 * (values[middle - 1] + values[middle])
        before = high - low
        while low < high and values[low] < median - deviation:
            low += 1
        while low < high and values[high - 1] > median + deviation:
            high -= 1
        iteration += 1
        if high == low:
            return np.nan
        if high - low == before:
            return mean


@kernel
def _clipped_mean(
    planes: F4x3, usable: B1x3, sigma: float, max_iterations: int, out: F4x2, out_count: I4x2
) -> None:
    n_plane, ny, nx = planes.shape
    values = np.empty(n_plane)
    for row in range(ny):
        for column in range(nx):
            n = 0
            for i in range(n_plane):
                value = planes[i, row, column]
                if usable[i, row, column] and np.isfinite(value):
                    _insert(values, n, float(value))
                    n += 1
            out_count[row, column] = n
            if n == 0:
                out[row, column] = np.nan
            else:
                out[row, column] = _clipped(values, n, sigma, max_iterations)


def clipped_mean(
    planes: F4, usable: NDArray[np.bool_], *, sigma: float, max_iterations: int | None
) -> tuple[F4, NDArray[np.int32]]:
    """Return the mean of several images, pixel by pixel, without outliers.

    Values farther from the median than `sigma` standard deviations are rejected, again and again until
    none is or `max_iterations` is reached (Kappa-sigma clipping; the standard deviation is that of
    the values left, divided by their number).

    Parameters
    ----------
    planes : float32 (n_plane, ny, nx)
        Images; NaN and infinite values do not count.
    usable : bool (n_plane, ny, nx)
        False where a value does not count.
    sigma : float
        Limit [standard deviation].
    max_iterations : int or None
        None: until no more values are rejected.

    Returns
    -------
    float32 (ny, nx)
        The mean; NaN where no value counts or all were rejected.
    int32 (ny, nx)
        How many values counted before rejection.
    """
    mean = np.empty(planes.shape[1:], np.float32)
    count = np.empty(planes.shape[1:], np.int32)
    limit = -1 if max_iterations is None else max_iterations
    _clipped_mean(planes, usable, sigma, limit, mean, count)
    return mean, count
