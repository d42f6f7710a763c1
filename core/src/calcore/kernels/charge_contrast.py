"""Charge that goes to neighbours with less of it: how much, and from which group on it matters.

Charge that arrives in a pixel is deflected to a neighbour in proportion to how much more charge the
pixel holds ("brighter-fatter"; P. Goudfrooij et al. 2024, PASP 136, 014503, arXiv 2311.16301, show
what it does to stars). A pixel's difference of groups is then ``d = r + b m`` with

``m = sum over four neighbours j of (r_j max(Q_j - Q, 0) - r max(Q - Q_j, 0))``

where r are rates and Q the signals amid the two groups: the ramps of peaks bend down, and those beside
them up. The coefficient b is the same for all pixels; it is the slope of d with m within each ramp.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import F4x2, F4x4, F8x1, F8x2, I8x2, U1x4, helper, kernel

_BAD = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_LOST = np.uint8(DQ.CHARGELOSS | DQ.DO_NOT_USE)
_FEWEST = 2  # differences that are always kept
_HIT = 5.0  # a ramp with a difference farther off than this takes no part in the fit [sigma]


@helper
def _rates(
    data: F4x4, groupdq: U1x4, n: int, out_rate: F8x2, out_first: I8x2, out_length: I8x2
) -> None:
    """Find rates [DN/group], first group and number of differences in a row of each pixel."""
    n_group, rows, columns = data.shape[1:]
    for y in range(rows):
        for x in range(columns):
            first = 0
            while first < n_group and groupdq[n, first, y, x] & _BAD:
                first += 1
            last = first
            while last + 1 < n_group and not groupdq[n, last + 1, y, x] & _BAD:
                last += 1
            out_first[y, x], out_length[y, x] = first, last - first
            out_rate[y, x] = np.nan
            if last > first:
                rise = np.float64(data[n, last, y, x]) - np.float64(data[n, first, y, x])
                out_rate[y, x] = rise / (last - first)


@helper
def _moved(data: F4x4, n: int, group: int, y: int, x: int, rate: F8x2) -> float:
    """Return m of the difference that ends in `group`; NaN if a neighbour's rate is not known."""
    total = 0.0
    held = np.float64(data[n, group - 1, y, x]) + np.float64(data[n, group, y, x])
    for side in range(4):
        v = y + (side == 0) - (side == 1)
        u = x + (side == 2) - (side == 3)
        if 0 <= v < data.shape[2] and 0 <= u < data.shape[3]:
            other = np.float64(data[n, group - 1, v, u]) + np.float64(data[n, group, v, u])
            contrast = 0.5 * (other - held)
            total += (rate[v, u] if contrast > 0 else rate[y, x]) * contrast
    return total


@kernel
def _sums(
    data: F4x4, groupdq: U1x4, gain: F4x2, readnoise: F4x2, frames: float, out_sums: F8x1,
    out_rate: F8x2, out_first: I8x2, out_length: I8x2, out_moved: F8x1,
) -> None:  # fmt: skip
    n_int, _, rows, columns = data.shape
    for n in range(n_int):
        _rates(data, groupdq, n, out_rate, out_first, out_length)
        for y in range(1, rows - 1):
            for x in range(1, columns - 1):
                first, length = out_first[y, x], out_length[y, x]
                rate = out_rate[y, x]
                if length < 3 or not (rate > 0 and gain[y, x] > 0):
                    continue
                noise = np.float64(readnoise[y, x])
                variance = rate / gain[y, x] + noise * noise / frames
                mean, calm = 0.0, True
                for k in range(length):
                    group = first + 1 + k
                    out_moved[k] = _moved(data, n, group, y, x, out_rate)
                    mean += out_moved[k] / length
                    step = np.float64(data[n, group, y, x]) - np.float64(data[n, group - 1, y, x])
                    off = step - rate
                    calm = calm and off * off < _HIT * _HIT * variance
                if not (calm and np.isfinite(mean)):
                    continue
                for k in range(length):
                    group = first + 1 + k
                    step = np.float64(data[n, group, y, x]) - np.float64(data[n, group - 1, y, x])
                    off = out_moved[k] - mean
                    out_sums[0] += off * (step - rate) / variance
                    out_sums[1] += off * off / variance


@kernel
def _truncate(
    data: F4x4, groupdq: U1x4, gain: F4x2, readnoise: F4x2, frames: float, coefficient: float,
    limit: float, out: U1x4, out_rate: F8x2, out_first: I8x2, out_length: I8x2,
) -> None:  # fmt: skip
    n_int, n_group, rows, columns = data.shape
    for n in range(n_int):
        _rates(data, groupdq, n, out_rate, out_first, out_length)
        for y in range(rows):
            for x in range(columns):
                for group in range(n_group):
                    out[n, group, y, x] = groupdq[n, group, y, x]
                first, length = out_first[y, x], out_length[y, x]
                if length <= _FEWEST or not (np.isfinite(out_rate[y, x]) and gain[y, x] > 0):
                    continue
                photons = max(out_rate[y, x], 0.0) / gain[y, x]
                read = np.float64(readnoise[y, x]) * np.float64(readnoise[y, x]) / frames
                total = 0.0
                for k in range(1, length + 1):
                    total += _moved(data, n, first + k, y, x, out_rate)
                    bias = coefficient * total / k
                    variance = photons / k + 6 * read / (k * (k + 1.0) * (k + 2.0))
                    if k > _FEWEST and bias * bias > limit * limit * variance:
                        for group in range(first + k, n_group):
                            out[n, group, y, x] |= _LOST
                        break


def migration_sums(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    n_frames: int = 1,
) -> NDArray[np.float64]:
    """Return what a part of the frame tells of the coefficient b; its outermost pixels do not.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Linear signal [DN].
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. A ramp counts from its first sample without DO_NOT_USE or SATURATED to the next with.
    gain : float32 (ny, nx)
        Gain [electron/DN]; pixels where it is not positive take no part.
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN]; pixels where it is NaN take no part.
    n_frames : int
        Reads averaged into a group.

    Returns
    -------
    float64 (2,)
        Sums whose ratio is b [1/DN], the second of which is one over its variance. Those of several
        parts add. Ramps with hits take no part, nor those beside an unknown rate.
    """
    out = np.zeros(2)
    n_group, rows, columns = data.shape[1:]
    _sums(
        data, groupdq, gain, readnoise, float(n_frames), out, np.empty((rows, columns)),
        np.empty((rows, columns), np.int64), np.empty((rows, columns), np.int64), np.empty(n_group),
    )  # fmt: skip
    return out


def truncate_migration(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    coefficient: float,
    limit: float,
    n_frames: int = 1,
) -> NDArray[np.uint8]:
    """Flag the groups of each ramp from which on charge that moved would spoil its rate.

    Parameters
    ----------
    data, groupdq, gain, readnoise, n_frames
        As in `migration_sums`.
    coefficient : float
        What `migration_sums` found [1/DN].
    limit : float
        The largest bias of a rate that is borne, over its error [sigma].

    Returns
    -------
    uint8 (n_int, n_group, ny, nx)
        Flags with CHARGELOSS and DO_NOT_USE in these groups. Two differences are always kept.

    Notes
    -----
    The bias of a rate is b times the mean of m over its differences; its error is that of a fit by
    photons, plus that of a fit by reads. Pixels beyond the rows given are not known: bands need one
    row more on either side.
    """
    out = np.empty_like(groupdq)
    rows, columns = data.shape[2:]
    _truncate(
        data, groupdq, gain, readnoise, float(n_frames), coefficient, limit, out,
        np.empty((rows, columns)), np.empty((rows, columns), np.int64),
        np.empty((rows, columns), np.int64),
    )  # fmt: skip
    return out
