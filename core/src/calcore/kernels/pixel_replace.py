"""Values for pixels that have none, from their neighbours."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

F4 = NDArray[np.float32]
Mask = NDArray[np.bool_]


def smoother_axis(data: F4, rule: Literal["prediction", "gradient"]) -> tuple[Mask, Mask]:
    """Find along which axis the mean of two neighbours is the better guess of a pixel.

    That is along the dispersion on a trace, and across it on an emission line of an extended source.

    Parameters
    ----------
    data : float32 (ny, nx)
        NaN where there is no value.
    rule : str
        ``"prediction"``: along which such means are nearer to the values around the pixel.
        ``"gradient"``: along which the two neighbours differ less, as they may on both sides of a
        peak, too.

    Returns
    -------
    bool (ny, nx)
        True if that is along x.
    bool (ny, nx)
        True if both neighbours along one axis, at least, have a value.
    """
    misses, knows = [], []
    for axis in (1, 0):
        before, after = _neighbours(data, axis)
        knows.append(np.isfinite(before + after))
        miss = np.abs(after - before)
        if rule == "prediction":
            miss = _mean_around(np.abs(data - np.float32(0.5) * (before + after)))
        misses.append(np.where(knows[-1], np.where(np.isnan(miss), np.float32(3e38), miss), np.inf))
    return misses[0] < misses[1], knows[0] | knows[1]


def _mean_around(plane: F4) -> F4:
    """Return the mean of what there is in a pixel's neighbourhood of 3 x 3; NaN if nothing is."""
    known = np.isfinite(plane)
    total = uniform_filter(np.where(known, plane, 0).astype(np.float64), 3, mode="constant")
    share = uniform_filter(known.astype(np.float64), 3, mode="constant")
    seen = share > 0.05  # one of nine, beyond rounding
    mean: F4 = np.where(seen, total / np.where(seen, share, 1), np.nan).astype(np.float32)
    return mean


def replaced(planes: Mapping[str, F4], where: Mask, along_x: Mask) -> dict[str, F4]:
    """Return planes with the mean of two neighbours in some places.

    Parameters
    ----------
    planes : mapping of float32 (ny, nx)
        Signal and errors by name; of those called ``var_…``, variances, the mean of the square
        roots counts.
    where : bool (ny, nx)
        What is replaced.
    along_x : bool (ny, nx)
        Whether the neighbours are those along x; along y otherwise.

    Returns
    -------
    dict of float32 (ny, nx)
    """
    found = {}
    for name, plane in planes.items():
        values = np.sqrt(plane) if name.startswith("var_") else plane
        means = [np.float32(0.5) * sum(_neighbours(values, axis)) for axis in (1, 0)]
        estimate = np.where(along_x, *means)
        if name.startswith("var_"):
            estimate = estimate * estimate
        found[name] = np.where(where, estimate, plane).astype(np.float32)
    return found


def _neighbours(plane: F4, axis: int) -> tuple[F4, F4]:
    """Return the neighbours of each pixel along an axis, before and after; NaN beyond the edges."""
    width = [(1, 1) if n == axis else (0, 0) for n in range(2)]
    padded = np.pad(plane, width, constant_values=np.float32(np.nan))
    count = plane.shape[axis]
    return np.take(padded, range(count), axis), np.take(padded, range(2, count + 2), axis)
