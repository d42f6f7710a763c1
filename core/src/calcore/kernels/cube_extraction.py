"""Spectra of what lies in a circle on a cube, or in all of it."""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import B1x3, F4x3, kernel

F8 = NDArray[np.float64]
Bool = NDArray[np.bool_]
Overlap = Literal["exact", "center", "subpixel"]
_ROUNDS = 5


class Sums(NamedTuple):
    """Of each plane (n_plane,), in units of the cube.

    `total` and its `variance`, over `area` spaxels; `level` of what surrounds them, for each
    spaxel, and the variance of that, `level_variance`. Without any spaxel, all but `area` are NaN.
    """

    total: F8
    variance: F8
    area: F8
    level: F8
    level_variance: F8


def circles(
    data: NDArray[np.float32],
    err: NDArray[np.float32],
    seen: Bool,
    centre: tuple[float, float],
    radii: F8,
    rings: tuple[F8, F8] | None = None,
    *,
    overlap: tuple[Overlap, int] = ("exact", 10),
    sigma: float = 3.0,
    by_plane: bool = False,
    linear: bool = False,
) -> Sums:
    """Sum what lies in a circle of each plane, and find the level of a ring around it.

    Parameters
    ----------
    data, err : float32 (n_plane, ny, nx)
        Values and their standard deviations. A NaN that is `seen` spoils its plane's sums.
    seen : bool (n_plane, ny, nx)
        True for spaxels that count.
    centre : tuple of float
        Column and row, 0-based.
    radii : float64 (n_plane,)
        Of the circles [spaxel].
    rings : tuple of float64 (n_plane,), optional
        Inner and outer radii of the rings [spaxel]; without, their level is 0.
    overlap : tuple
        How much of a spaxel counts: its part inside ("exact"), all if its middle is inside
        ("center"), or the share of so many middles of sub-pixels in each direction ("subpixel").
    sigma : float
        In rings, values farther from the median than so many standard deviations do not count.
    by_plane : bool
        Median and standard deviation are those of the whole plane, five rounds, and values that do
        not count are 0 instead.
    linear : bool
        A spaxel that is partly inside adds that part of its variance, not the square of it.

    Returns
    -------
    Sums
        Level and error of a ring are those of its weighted mean.
    """
    planes = len(data)
    total, variance, area, level, level_variance = np.full((5, planes), np.nan)
    power = 1 if linear else 2
    for plane in range(planes):
        image, noise, counts = data[plane].astype(float), err[plane].astype(float), seen[plane]
        inside = np.where(counts, covered(counts.shape, centre, float(radii[plane]), overlap), 0.0)
        used = inside > 0
        area[plane] = inside.sum()
        if area[plane] > 0:
            total[plane] = (inside[used] * image[used]).sum()
            variance[plane] = (inside[used] ** power * noise[used] ** 2).sum()
        if rings is None:
            level[plane], level_variance[plane] = 0.0, 0.0
            continue
        inner, outer = (covered(counts.shape, centre, float(r[plane]), overlap) for r in rings)
        around = np.where(counts, outer - inner, 0.0)
        used = around > 0
        if not used.any():
            continue
        share, values = around[used], image[used]
        sky = np.where(counts, image, np.nan) if by_plane else values
        low, high = _limits(sky, sigma, _ROUNDS if by_plane else None, by_plane)
        bad = (values < low) | (values > high)
        if by_plane:
            level[plane] = np.where(bad, 0.0, share * values).sum() / share.sum()
        else:
            share = np.where(bad, 0.0, share)
            level[plane] = (share[~bad] * values[~bad]).sum() / share.sum()
        errors = (share**power * noise[used] ** 2)[share > 0]
        level_variance[plane] = errors.sum() / share.sum() ** 2
    return Sums(total, variance, area, level, level_variance)


def everything(
    data: NDArray[np.float32], err: NDArray[np.float32], seen: Bool, sigma: float = 3.0
) -> Sums:
    """Sum all of each plane; its level is the mean without outliers.

    Parameters are as for `circles`; the level's outliers are found in five rounds.
    """
    sums = np.full((5, len(data)), np.nan)
    for plane, counts in enumerate(seen):
        values, noise = data[plane][counts].astype(float), err[plane][counts].astype(float)
        sums[2, plane] = values.size
        if not values.size:
            continue
        sums[0, plane], sums[1, plane] = values.sum(), (noise**2).sum()
        low, high = _limits(values, sigma, _ROUNDS, True)
        good = ~((values < low) | (values > high))
        sums[3, plane] = values[good].mean()
        sums[4, plane] = (noise[good] ** 2).sum() / good.sum() ** 2
    return Sums(*sums)


def covered(
    shape: tuple[int, ...], centre: tuple[float, float], radius: float, overlap: tuple[Overlap, int]
) -> F8:
    """Return how much of each spaxel (ny, nx) lies in a circle, as photutils counts it."""
    from photutils.geometry import circular_overlap_grid  # noqa: PLC0415 - much for cubes alone

    rows, columns = shape
    x, y = centre
    form, parts = overlap
    inside: F8 = circular_overlap_grid(
        -0.5 - x, columns - 0.5 - x, -0.5 - y, rows - 0.5 - y, columns, rows, radius,
        int(form == "exact"), 1 if form == "center" else parts,
    )  # fmt: skip
    return inside


def _limits(values: F8, sigma: float, rounds: int | None, about_mean: bool) -> tuple[float, float]:
    """Return between what values are that are no outliers; NaN does not count."""
    kept = np.sort(values[np.isfinite(values)])  # once: then medians and limits are but places
    if not kept.size:
        return -np.inf, np.inf
    done = 0
    while rounds is None or done < rounds:
        middle, reach = _median(kept), sigma * _deviation(kept)
        first, last = kept.searchsorted(middle - reach), kept.searchsorted(middle + reach, "right")
        done += 1
        if last - first == kept.size:
            break
        kept = kept[first:last]
    middle = float(kept.mean() if about_mean else _median(kept))
    reach = sigma * _deviation(kept)
    return middle - reach, middle + reach


def _median(ordered: F8) -> float:
    return float(ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2


def _deviation(values: F8) -> float:
    away = values - values.sum() / values.size
    return math.sqrt(float(away @ away) / values.size)


@kernel
def _bridge(longest: int, out_data: F4x3, out_err: F4x3, out_bad: B1x3, out_filled: B1x3) -> None:
    planes, rows, columns = out_data.shape
    for j in range(rows):
        for i in range(columns):
            last = -1
            for plane in range(planes):
                if out_bad[plane, j, i]:
                    continue
                gap = plane - last - 1
                if last >= 0 and 0 < gap <= longest:
                    for k in range(last + 1, plane):
                        part = (k - last) / (gap + 1)
                        for values in (out_data, out_err):
                            values[k, j, i] = (1 - part) * values[last, j, i] + part * values[
                                plane, j, i
                            ]
                        out_filled[k, j, i] = True
                last = plane
    for plane in range(planes):
        for j in range(rows):
            for i in range(columns):
                if out_filled[plane, j, i]:
                    out_bad[plane, j, i] = False


def bridged(
    data: NDArray[np.float32], err: NDArray[np.float32], bad: Bool, longest: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], Bool, Bool]:
    """Fill short gaps of spaxels from the planes before and after them.

    Parameters
    ----------
    data, err : float32 (n_plane, ny, nx)
        Values and their standard deviations.
    bad : bool (n_plane, ny, nx)
        True where there is none.
    longest : int
        Gaps of more planes stay.

    Returns
    -------
    data, err : float32 (n_plane, ny, nx)
        Straight lines across gaps; errors, too, since planes beside each other share them.
    bad, filled : bool (n_plane, ny, nx)
        What is still missing, and what was filled.
    """
    data, err, bad = np.array(data, np.float32), np.array(err, np.float32), np.array(bad)
    filled = np.zeros(bad.shape, np.bool_)
    _bridge(longest, data, err, bad, filled)
    return data, err, bad, filled
