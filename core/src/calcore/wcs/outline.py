"""Where images overlap."""

from collections.abc import Sequence

import numpy as np
from gwcs import WCS
from numpy.typing import NDArray

from calcore.kernels.polygon import inside

_NEAR = np.cos(np.radians(5.0))


def outline(wcs: WCS, step: int | None = None) -> NDArray[np.float64]:
    """Return the sky positions of points along the edge of the bounding box.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels to the sky, with a bounding box.
    step : int, optional
        Distance of points [pixel]; only the corners if it is None.

    Returns
    -------
    float64 (n, 2)
        Right ascension and declination [deg], in order around the box.
    """
    (x_low, x_high), (y_low, y_high) = wcs.bounding_box.bounding_box(order="F")
    columns = 1 if step is None else max(1, int(np.ceil((x_high - x_low) / step)))
    rows = 1 if step is None else max(1, int(np.ceil((y_high - y_low) / step)))
    x = np.linspace(x_low, x_high, columns + 1)
    y = np.linspace(y_low, y_high, rows + 1)
    around_x = np.concatenate([x[:-1], np.full(rows, x_high), x[:0:-1], np.full(rows, x_low)])
    around_y = np.concatenate([np.full(columns, y_low), y[:-1], np.full(columns, y_high), y[:0:-1]])
    return np.stack(wcs(around_x, around_y, with_bounding_box=False), axis=1)


def within(
    wcs: WCS, shape: tuple[int, int], outlines: Sequence[NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Tell which pixels of an image have their centre within any of some outlines.

    Parameters
    ----------
    wcs : gwcs.WCS
        World coordinates of the image.
    shape : (int, int)
        Its rows and columns.
    outlines : sequence of float64 (n, 2)
        Right ascension and declination along outlines [deg]; those far away are heeded too.
    """
    common = np.zeros(shape, bool)
    middle = np.array(wcs((shape[1] - 1) / 2, (shape[0] - 1) / 2, with_bounding_box=False))
    for other in outlines:
        # Tangent projections see the other side of the sky upside down.
        if _cosines(other, middle).min() < _NEAR:
            continue
        x, y = wcs.invert(other[:, 0], other[:, 1], with_bounding_box=False)
        apart = x.max() < 0 or y.max() < 0 or x.min() > shape[1] - 1 or y.min() > shape[0] - 1
        if np.isfinite(x).all() and np.isfinite(y).all() and not apart:
            common |= inside(x, y, shape)
    return common


def _cosines(sky: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines of angular distances."""
    (longitude, latitude), (around, height) = np.radians(sky).T, np.radians(centre)
    cosines: NDArray[np.float64] = np.sin(latitude) * np.sin(height) + np.cos(latitude) * np.cos(
        height
    ) * np.cos(longitude - around)
    return cosines
