"""Position of a source by fitting a Gaussian to it."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Values = NDArray[np.float64]
_START = 1.0
"""Width the fit begins with (standard deviation) [pixel]."""
_LEAST = 10
"""Fewer pixels cannot tell nine numbers."""


def gaussian_centre(data: NDArray[np.float32]) -> tuple[float, float] | None:
    """Return where the brightest source of a small image lies.

    A Gaussian of any two widths and any angle on a background that is a plane is fitted by least
    squares, all pixels alike.

    Parameters
    ----------
    data : float32 (ny, nx)
        Image around the source; NaN does not count.

    Returns
    -------
    (float, float) or None
        x and y, counted from 0 [pixel]; None if nothing on the image stands out.
    """
    y, x = np.mgrid[: data.shape[0], : data.shape[1]].astype(np.float64)
    good = np.isfinite(data)
    if good.sum() < _LEAST:
        return None
    values, x, y = data[good].astype(np.float64), x[good], y[good]
    level = float(np.median(values))
    top = _peak(np.where(good, data - level, 0.0), good)
    height = float(values.max()) - level
    if height <= 0:
        return None

    def residuals(parameters: Values) -> Values:
        height_, x0, y0, a, b, c, plane, slope_x, slope_y = parameters
        dx, dy = x - x0, y - y0
        exponent = np.clip(0.5 * (a * a * dx * dx + 2 * b * dx * dy + c * c * dy * dy), -50, 700)
        model = height_ * np.exp(-exponent) + plane + slope_x * dx + slope_y * dy
        return np.asarray((model - values) / height)

    first = [height, top[1], top[0], 1 / _START, 0.0, 1 / _START, level, 0.0, 0.0]
    fit = least_squares(residuals, first, x_scale="jac")
    x0, y0 = float(fit.x[1]), float(fit.x[2])
    inside = -0.5 <= x0 <= data.shape[1] - 0.5 and -0.5 <= y0 <= data.shape[0] - 0.5
    return (x0, y0) if fit.success and inside and fit.x[0] > 0 else None


def _peak(data: Values, good: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the row and column around which nine pixels are brightest on average."""
    padded, counted = np.pad(data, 1), np.pad(good.astype(float), 1)
    windows = np.lib.stride_tricks.sliding_window_view
    total = windows(padded, (3, 3)).sum(axis=(2, 3))
    count = windows(counted, (3, 3)).sum(axis=(2, 3))
    row, column = np.unravel_index(np.argmax(total / np.maximum(count, 1)), data.shape)
    return int(row), int(column)
