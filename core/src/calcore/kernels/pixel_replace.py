"""Values for pixels that have none, from their neighbours."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from calcore.kernels.finer_pixels import between

F4 = NDArray[np.float32]
Mask = NDArray[np.bool_]
_TOLD = 5.0
"""A profile is told from noise where a signal is more than so many times its error."""


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


def from_profile(planes: Mapping[str, F4], bad: Mask, reach: int) -> tuple[dict[str, F4], Mask]:
    """Return planes with values of bad pixels from the profile of rows beside theirs.

    The profile is the median of these rows, each over its greatest signal; it is scaled to what is
    left of the row by least squares, and errors by the same factor. Where no signal of these rows is
    five times its error it is the median as it stands.

    Parameters
    ----------
    planes : mapping of float32 (ny, nx)
        The signal, ``data``, and errors by name, y being the dispersion; of those called ``var_…``,
        variances, the square roots are taken.
    bad : bool (ny, nx)
        What is replaced; neither these pixels nor NaN enter any profile.
    reach : int
        Rows on either side of which the profile is made.

    Returns
    -------
    dict of float32 (ny, nx)
    bool (ny, nx)
        True where there is a new value: where the row, and rows beside it, have any.
    """
    signal = np.where(bad, np.nan, planes["data"]).astype(np.float64)
    roots = {name: np.sqrt(p) if name.startswith("var_") else p for name, p in planes.items()}
    kept = {name: np.where(np.isnan(signal), np.nan, p) for name, p in roots.items()}
    peaks = np.max(signal, axis=1, where=np.isfinite(signal), initial=0)
    found = {name: plane.copy() for name, plane in planes.items()}
    known = np.zeros_like(bad)
    for row in map(int, np.flatnonzero(bad.any(axis=1) & (peaks > 0))):
        near = np.arange(max(0, row - reach), min(len(bad), row + reach + 1))
        near = near[(near != row) & (peaks[near] > 0)]
        # Where all is noise, its peaks and shape say nothing of the row's level.
        plain = not _peak(signal[near], planes.get("err"), near) > _TOLD
        heights = 1.0 if plain else peaks[near, None]
        profile = _median(signal[near] / heights)
        both = np.isfinite(profile) & np.isfinite(signal[row])
        norm = float(np.sum(profile[both] ** 2))
        if norm == 0:
            continue
        scale = 1.0 if plain else float(np.sum(profile[both] * signal[row, both])) / norm
        new = bad[row] & np.isfinite(profile)
        for name, plane in found.items():
            estimate = _median(kept[name][near][:, new] / heights) * scale
            plane[row, new] = estimate**2 if name.startswith("var_") else estimate
        known[row] = new
    return found, known


def _peak(signal: NDArray[np.float64], err: F4 | None, near: NDArray[np.intp]) -> float:
    """Return the greatest signal over its error; infinite without errors."""
    if err is None:
        return np.inf
    known = np.isfinite(signal) & (err[near] > 0)
    ratio = np.divide(signal, err[near], out=np.zeros_like(signal), where=known)
    return float(ratio.max(initial=0))


def _median(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the median of what each column has; NaN where it has nothing."""
    filled = np.isfinite(rows).any(axis=0)
    middle = np.full(rows.shape[1], np.nan)
    if filled.any():
        middle[filled] = np.nanmedian(rows[:, filled], axis=0)
    return middle


def lines_along(plane: F4, *, along_x: bool) -> F4:
    """Return a plane (ny, nx) with values on straight lines between those there are, along one axis.

    The outermost of them are held; NaN where there is none.
    """
    rows = plane if along_x else plane.T
    good = np.isfinite(rows)
    filled = between(
        rows[None].astype(np.float64), good, np.arange(rows.shape[1], dtype=np.float64)
    )
    lines: F4 = filled[0].astype(np.float32)
    return lines if along_x else lines.T
