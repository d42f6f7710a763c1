"""Positions of sources by the centroid under a Gaussian window."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import B1x2, F4x2, F8x1, kernel

_ITERATIONS = 30
_CLOSE_ENOUGH = 1e-4
_REACH = 4.0


@kernel
def _windowed(
    data: F4x2, hidden: B1x2, sigma: float, reach: float, out_x: F8x1, out_y: F8x1
) -> None:
    rows, columns = data.shape
    for source in range(out_x.size):
        x, y = out_x[source], out_y[source]
        for _ in range(_ITERATIONS):
            total, along_x, along_y = 0.0, 0.0, 0.0
            for j in range(max(0, int(y - reach)), min(rows, int(y + reach) + 2)):
                for i in range(max(0, int(x - reach)), min(columns, int(x + reach) + 2)):
                    square = (i - x) ** 2 + (j - y) ** 2
                    if hidden[j, i] or square > reach * reach:
                        continue
                    weighted = data[j, i] * np.exp(-square / (2 * sigma * sigma))
                    total += weighted
                    along_x += weighted * (i - x)
                    along_y += weighted * (j - y)
            if not total > 0:
                x, y = np.nan, np.nan
                break
            # Twice the centroid: the window takes half of any offset for a source of its own width.
            step_x, step_y = 2 * along_x / total, 2 * along_y / total
            x += step_x
            y += step_y
            if step_x * step_x + step_y * step_y < _CLOSE_ENOUGH * _CLOSE_ENOUGH:
                break
        out_x[source], out_y[source] = x, y


def windowed(
    data: F4x2, hidden: NDArray[np.bool_], x: F8x1, y: F8x1, fwhm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centroids under a Gaussian window that follows the source, as SExtractor's XWIN_IMAGE.

    For sources of the window's width this is as precise as fitting a profile (Bertin 2010,
    SExtractor v2.13 user's manual, section 9.7).

    Parameters
    ----------
    data : float32 (ny, nx)
        Image without background.
    hidden : bool (ny, nx)
        True for pixels that do not count; what they would have held is missing on one side, so
        sources beside them are drawn away.
    x, y : float64 (n,)
        First positions, 0-based [pixel].
    fwhm : float
        Width of the window [pixel].

    Returns
    -------
    float64 (n,), float64 (n,)
        Where a centroid moves away by more than the window's width, or has nothing positive under
        it, the first position stays.
    """
    sigma = fwhm / (2 * np.sqrt(2 * np.log(2)))
    new_x, new_y = np.array(x, np.float64), np.array(y, np.float64)
    _windowed(
        np.ascontiguousarray(data),
        np.ascontiguousarray(hidden),
        sigma,
        _REACH * sigma,
        new_x,
        new_y,
    )
    kept = np.hypot(new_x - x, new_y - y) <= fwhm
    return np.where(kept, new_x, x), np.where(kept, new_y, y)
