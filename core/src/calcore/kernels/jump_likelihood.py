"""Jumps in ramps, found by how much better a ramp fits when one difference is left out.

The differences of successive groups share read noise with their neighbours, with opposite sign, so
that neighbours tell much of a difference's error. The test of Brandt 2024 (PASP 136, 045005) uses
it: with C the covariance of the differences d, ``u = C^-1 1``, ``w = C^-1 (d - rate)``, leaving out
difference i lowers chi square by ``w_i^2 / ((C^-1)_ii - u_i^2 / sum(u))``, which is the square of a
standard normal deviate where there is no jump.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import B1x1, F4x2, F4x4, F8x1, F8x2, I8x1, U1x4, helper, kernel

_UNUSABLE = int(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = np.uint8(DQ.JUMP_DET)
_NOT_JUMP = np.uint8(0xFF ^ DQ.JUMP_DET)


@helper
def _median(value: F8x1, usable: B1x1, out_sorted: F8x1) -> float:
    """Return the median of the usable differences."""
    count = 0
    for k in range(value.size):
        if usable[k]:
            item = value[k]
            j = count
            while j > 0 and out_sorted[j - 1] > item:
                out_sorted[j] = out_sorted[j - 1]
                j -= 1
            out_sorted[j] = item
            count += 1
    low, high = out_sorted[(count - 1) // 2], out_sorted[count // 2]
    middle: float = 0.5 * (low + high)
    return middle


@helper
def _solve_part(
    value: F8x1, first: int, count: int, diagonal: float, beside: float, out: F8x2
) -> None:
    """Solve C u = 1 and C v = d for one run of differences; rows of `out`: u, v, diag C^-1, pivots."""
    out[3, first] = diagonal
    out[0, first] = 1.0
    out[1, first] = value[first]
    for k in range(first + 1, first + count):
        factor = beside / out[3, k - 1]
        out[3, k] = diagonal - factor * beside
        out[0, k] = 1.0 - factor * out[0, k - 1]
        out[1, k] = value[k] - factor * out[1, k - 1]
    last = first + count - 1
    inverse = 1 / out[3, last]
    out[0, last] *= inverse
    out[1, last] *= inverse
    for k in range(last - 1, first - 1, -1):
        inverse = 1 / out[3, k]
        out[0, k] = (out[0, k] - beside * out[0, k + 1]) * inverse
        out[1, k] = (out[1, k] - beside * out[1, k + 1]) * inverse
    for k in range(count):
        # The pivots from the other end are the same, mirrored, since the diagonals are constant.
        out[2, first + k] = 1 / (out[3, first + k] + out[3, last - k] - diagonal)


@helper
def _worst(
    value: F8x1, usable: B1x1, diagonal: float, beside: float, out: F8x2, out_worst: F8x1
) -> int:
    """Return the difference whose loss improves the fit most, and in `out_worst` by how many sigma.

    Of several that are equally bad, as two differences always are, the larger one is returned.
    """
    n = value.size
    first = 0
    while first < n:
        if not usable[first]:
            first += 1
            continue
        stop = first
        while stop < n and usable[stop]:
            stop += 1
        _solve_part(value, first, stop - first, diagonal, beside, out)
        first = stop
    weight, weighted = 0.0, 0.0
    for k in range(n):
        if usable[k]:
            weight += out[0, k]
            weighted += out[1, k]
    rate = weighted / weight
    best, where = -1.0, -1
    for k in range(n):
        if usable[k]:
            deviation = out[1, k] - rate * out[0, k]
            square = deviation * deviation / (out[2, k] - out[0, k] ** 2 / weight)
            nearly = square > best * 0.999999
            if square > best * 1.000001 or (nearly and where >= 0 and value[k] > value[where]):
                best, where = square, k
    out_worst[0] = np.sqrt(max(best, 0.0))
    return where


@kernel
def _find(
    data: F4x4, groupdq: U1x4, gain: F4x2, noise: F4x2, group_time: float, spread: float,
    thresholds: F8x1, out: U1x4, out_count: I8x1, out_value: F8x1, out_sorted: F8x1,
    out_solved: F8x2, out_worst: F8x1, out_usable: B1x1,
) -> None:  # fmt: skip
    n_int, n_group, rows, columns = data.shape
    for n in range(n_int):
        for y in range(rows):
            for group in range(n_group):
                for x in range(columns):
                    flag = groupdq[n, group, y, x]
                    out[n, group, y, x] = flag & _NOT_JUMP if flag & _UNUSABLE else flag
            for x in range(columns):
                electrons = np.float64(gain[y, x])
                read = np.float64(noise[y, x]) ** 2
                if not (electrons > 0 and read > 0):
                    continue
                left = 0
                for k in range(n_group - 1):
                    bad = (groupdq[n, k, y, x] | groupdq[n, k + 1, y, x]) & _UNUSABLE
                    step = np.float64(data[n, k + 1, y, x]) - np.float64(data[n, k, y, x])
                    out_value[k] = step * electrons
                    out_usable[k] = bad == 0 and np.isfinite(step)
                    left += int(out_usable[k])
                while left >= 2:
                    photons = max(_median(out_value, out_usable, out_sorted), 0.0) / group_time
                    diagonal = photons * (group_time - 2 * spread) + 2 * read
                    beside = photons * spread - read
                    where = _worst(out_value, out_usable, diagonal, beside, out_solved, out_worst)
                    limit = thresholds[0] if left >= 4 else thresholds[4 - left]
                    if out_worst[0] <= limit:
                        break
                    out_usable[where] = False
                    out[n, where + 1, y, x] |= _JUMP
                    left -= 1
            for group in range(n_group):
                for x in range(columns):
                    out_count[y] += int((out[n, group, y, x] & _JUMP) != 0)


def find_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    group_time_s: float,
    frame_time_s: float,
    n_frames: int = 1,
    thresholds: tuple[float, float, float] = (4.0, 5.0, 6.0),
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Flag differences between groups without which a ramp fits much better.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A value that is not finite takes no part.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of each sample. Groups with DO_NOT_USE or SATURATED take no part, and carry no
        JUMP_DET in the result.
    gain : float32 (ny, nx)
        Gain [electron/DN]; no jumps are found where it is not positive.
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN]; no jumps are found where it is not positive.
    group_time_s, frame_time_s : float
        Time between groups and time of one read [s].
    n_frames : int
        Reads averaged into a group.
    thresholds : (float, float, float)
        Largest deviation that is no jump [sigma], where at least four, three, two differences are
        left.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with JUMP_DET in the first group after a jump.
    count : int64 (ny,)
        Jumps in each row, those known before included.

    Notes
    -----
    The worst difference is taken away and the rest are looked at again, until none is left that
    deviates. Photon noise is that of the median difference. Every integration is on its own.
    """
    n_group = data.shape[1]
    out = np.empty_like(groupdq)
    count = np.zeros(data.shape[2], np.int64)
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    n = max(n_group - 1, 1)
    _find(
        data, groupdq, gain, noise, group_time_s,
        frame_time_s * (n_frames**2 - 1) / (6 * n_frames), np.array(thresholds, np.float64),
        out, count, np.empty(n), np.empty(n), np.empty((4, n)), np.empty(1), np.empty(n, bool),
    )  # fmt: skip
    return out, count
