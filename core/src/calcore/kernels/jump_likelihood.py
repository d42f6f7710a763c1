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
from calcore.kernels._jit import B1x1, F4x2, F4x4, F8x1, F8x2, I8x1, U1x3, U1x4, helper, kernel
from calcore.kernels.jump_screen import may_jump

# How far a difference that is left out moves the rate, for each sigma that it deviates: up to the
# first the rate does not rest on it, from the second on it does [errors of the rate].
_LIGHT, _HEAVY = 0.5, 1.0
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
def _forward(
    value: F8x1, usable: B1x1, diagonal: float, beside: float, out: F8x2, out_sums: F8x1
) -> None:
    """Eliminate downwards in every run of usable differences.

    Rows of `out` then hold 1 and d of C u = 1 and C v = d, and the inverse pivots (row 3). The sums
    are those of 1 C^-1 1, 1 C^-1 d and d C^-1 d.
    """
    out_sums[0], out_sums[1], out_sums[2] = 0.0, 0.0, 0.0
    inside = False
    for k in range(value.size):
        if not usable[k]:
            inside = False
            continue
        one, step, pivot = 1.0, value[k], diagonal
        if inside:
            factor = beside * out[3, k - 1]
            one -= factor * out[0, k - 1]
            step -= factor * out[1, k - 1]
            pivot -= factor * beside
        inverse = 1 / pivot
        out[0, k], out[1, k], out[3, k] = one, step, inverse
        out_sums[0] += one * one * inverse
        out_sums[1] += one * step * inverse
        out_sums[2] += step * step * inverse
        inside = True


@helper
def _backward(usable: B1x1, diagonal: float, beside: float, out: F8x2) -> None:
    """Substitute upwards: rows of `out` then hold u, v and the diagonal of C^-1."""
    n = usable.size
    stop = n
    while stop > 0:
        if not usable[stop - 1]:
            stop -= 1
            continue
        first = stop
        while first > 0 and usable[first - 1]:
            first -= 1
            out[0, first] *= out[3, first]
            out[1, first] *= out[3, first]
            if first + 1 < stop:
                factor = beside * out[3, first]
                out[0, first] -= factor * out[0, first + 1]
                out[1, first] -= factor * out[1, first + 1]
        for k in range(first, stop):
            # The pivots from the other end are the same, mirrored, since the diagonals are constant.
            other = stop - 1 - (k - first)
            out[2, k] = 1 / (1 / out[3, k] + 1 / out[3, other] - diagonal)
        stop = first


@helper
def _limit(lever: float, rising: bool, limit: float, heavy: float, falling: float) -> float:
    """Return by how many sigma a difference must deviate.

    Limits are those of a difference that the rate does not rest on, of one that it does, and of one
    that is too small.
    """
    if lever > _LIGHT:
        share = min((lever - _LIGHT) / (_HEAVY - _LIGHT), 1.0)
        limit += max(heavy - limit, 0.0) * share
    return limit if rising else max(limit, falling)


@helper
def _worst(
    value: F8x1, usable: B1x1, diagonal: float, beside: float, limit: float, heavy: float,
    falling: float, out: F8x2, out_sums: F8x1,
) -> int:  # fmt: skip
    """Return the difference whose loss improves the fit most, or -1 if none does by its limit.

    Of several that are equally bad, as two differences always are, the larger one is returned.
    """
    _forward(value, usable, diagonal, beside, out, out_sums)
    weight = out_sums[0]
    rate = out_sums[1] / weight
    if out_sums[2] - rate * out_sums[1] <= limit * limit:
        return -1  # no part of chi square is larger than the whole
    _backward(usable, diagonal, beside, out)
    best, where = 0.0, -1
    for k in range(value.size):
        if usable[k]:
            deviation = out[1, k] - rate * out[0, k]
            own = out[2, k] - out[0, k] * out[0, k] / weight
            square = deviation * deviation / own
            lever = out[0, k] / np.sqrt(weight * own)
            least = _limit(lever, deviation > 0, limit, heavy, falling)
            if square <= least * least:
                continue
            alike = where >= 0 and abs(square - best) <= 1e-6 * best
            if (alike and value[k] > value[where]) or (square > best and not alike):
                best, where = square, k
    return where


@kernel
def _find(
    data: F4x4, groupdq: U1x4, gain: F4x2, noise: F4x2, group_time: float, spread: float,
    thresholds: F8x1, heavy: float, falling: float, suspect: U1x3, out: U1x4,
    out_count: I8x1, out_value: F8x1, out_sorted: F8x1,
    out_solved: F8x2, out_sums: F8x1, out_usable: B1x1,
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
                read = np.float64(noise[y, x]) * np.float64(noise[y, x])
                if not (suspect[n, y, x] and electrons > 0 and read > 0):
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
                    limit = thresholds[0] if left >= 4 else thresholds[4 - left]
                    where = _worst(
                        out_value, out_usable, diagonal, beside, limit, heavy, falling,
                        out_solved, out_sums,
                    )  # fmt: skip
                    if where < 0:
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
    heavy: float = 0.0,
    falling: float = 0.0,
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
    heavy : float
        The same for differences that the rate rests on, where that is more [sigma].
    falling : float
        The same for differences that are too small, where that is more [sigma]: hits add charge.

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

    A difference that is left out for nothing moves the rate by u_i / sqrt(sum(u) ((C^-1)_ii -
    u_i^2 / sum(u))) errors for each sigma of its own deviation: by little in a ramp of photons, by
    almost two where there is read noise alone. Between half an error and one, the limit goes over
    to `heavy`.
    """
    n_group = data.shape[1]
    out = np.empty_like(groupdq)
    count = np.zeros(data.shape[2], np.int64)
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    n = max(n_group - 1, 1)
    spread = frame_time_s * (n_frames**2 - 1) / (6 * n_frames)
    suspect = may_jump(
        data, groupdq, gain, noise, shared=spread / group_time_s, rising=thresholds[0],
        falling=max(thresholds[0], falling),
    )  # fmt: skip
    _find(
        data, groupdq, gain, noise, group_time_s, spread, np.array(thresholds, np.float64),
        heavy, falling, suspect, out, count, np.empty(n), np.empty(n), np.empty((4, n)), np.empty(3),
        np.empty(n, bool),
    )  # fmt: skip
    return out, count
