"""Which pixels cannot have a jump: a look at many pixels side by side, in single precision.

Most ramps have no flags and no difference anywhere near a threshold. Telling so for sixteen pixels at
a time costs a fraction of looking at each by itself.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import F4x2, F4x3, F4x4, I8x2, U1x1, U1x3, U1x4, kernel
from calcore.kernels._networks import sorting_pairs
from calcore.kernels._whole import whole_span

_UNUSABLE, _DNU = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED), np.uint8(DQ.DO_NOT_USE)
_CHUNK = 128  # pixels side by side
_NEAR = 0.99  # of a threshold: from here on it takes double precision


@kernel
def _screen(
    data: F4x4,
    groupdq: U1x4,
    gain: F4x2,
    noise: F4x2,
    pairs: I8x2,
    shared: float,
    rising: float,
    falling: float,
    out: U1x3,
    out_solved: F4x3,
    out_room: F4x2,
    out_odd: U1x1,
) -> None:
    """Mark the ramps that must be looked at one by one; the last three arguments are room."""
    n_int, n_group, rows, columns = data.shape
    size = out_solved.shape[1]
    value, ones, pivot, inverse = out_solved[0], out_solved[1], out_solved[2], out_solved[3]
    level, read, middle, beside = out_room[0], out_room[1], out_room[2], out_room[3]
    total, weight, worst, odd = out_room[4], out_room[5], out_room[6], out_odd
    one, zero, two, half = np.float32(1), np.float32(0), np.float32(2), np.float32(0.5)
    part, infinite = np.float32(shared), np.float32(np.inf)
    high, low = (
        np.float32(_NEAR * rising * (_NEAR * rising)),
        np.float32(_NEAR * falling * (_NEAR * falling)),
    )
    for integration in range(n_int):
        for y in range(rows):
            for left in range(0, columns, _CHUNK):
                width = min(_CHUNK, columns - left)
                begin, end = whole_span(groupdq, integration, y, left, width, 0, n_group)
                length = end - begin - 1
                last = length - 1
                for x in range(width):
                    odd[x] = 0
                    read[x] = noise[y, left + x] * noise[y, left + x]
                    worst[x] = -one
                    total[x] = 0
                for group in range(begin, end):
                    for x in range(width):
                        odd[x] |= groupdq[integration, group, y, left + x]
                for group in range(n_group):
                    if begin <= group < end:
                        continue
                    for x in range(width):
                        odd[x] |= groupdq[integration, group, y, left + x] & ~_DNU
                if length < 4:
                    # Few differences have thresholds of their own.
                    for x in range(width):
                        out[integration, y, left + x] = 1
                    continue
                for row in range(size):
                    if row > last:
                        for x in range(width):
                            ones[row, x] = infinite
                        continue
                    for x in range(width):
                        difference = (
                            data[integration, begin + row + 1, y, left + x]
                            - data[integration, begin + row, y, left + x]
                        ) * gain[y, left + x]
                        value[row, x], ones[row, x] = difference, difference
                        total[x] += difference
                for pair in range(pairs.shape[0]):
                    i, j = pairs[pair, 0], pairs[pair, 1]
                    for x in range(width):
                        a, b = ones[i, x], ones[j, x]
                        ones[i, x] = min(b, a)
                        ones[j, x] = max(a, b)
                for x in range(width):
                    median = half * (ones[last // 2, x] + ones[length // 2, x])
                    level[x] = median if median > 0 else zero
                    middle[x] = two * read[x] + level[x] * (one - two * part)
                    beside[x] = part * level[x] - read[x]
                    # Neither signal nor noise may be anything but a number.
                    sound = total[x] * zero == 0 and gain[y, left + x] > 0 and read[x] > 0
                    odd[x] = (odd[x] & _UNUSABLE) | np.uint8(not sound)
                for x in range(width):
                    pivot[0, x], ones[0, x] = middle[x], one
                    inverse[0, x] = one / middle[x]
                    value[0, x] -= level[x]
                for k in range(1, length):
                    for x in range(width):
                        factor = beside[x] * inverse[k - 1, x]
                        now = middle[x] - factor * beside[x]
                        pivot[k, x], inverse[k, x] = now, one / now
                        ones[k, x] = one - factor * ones[k - 1, x]
                        value[k, x] = value[k, x] - level[x] - factor * value[k - 1, x]
                for x in range(width):
                    ones[last, x] *= inverse[last, x]
                    value[last, x] *= inverse[last, x]
                    weight[x], total[x] = ones[last, x], value[last, x]
                for k in range(last - 1, -1, -1):
                    for x in range(width):
                        ones[k, x] = (ones[k, x] - beside[x] * ones[k + 1, x]) * inverse[k, x]
                        value[k, x] = (value[k, x] - beside[x] * value[k + 1, x]) * inverse[k, x]
                        weight[x] += ones[k, x]
                        total[x] += value[k, x]
                for x in range(width):
                    total[x] /= weight[x]
                for k in range(length):
                    for x in range(width):
                        residual = value[k, x] - total[x] * ones[k, x]
                        # Both sides times the denominators, which are positive.
                        around = pivot[k, x] + pivot[last - k, x] - middle[x]
                        spread = weight[x] - around * ones[k, x] * ones[k, x]
                        limit = high if residual > 0 else low
                        excess = residual * residual * around * weight[x] - limit * spread
                        worst[x] = max(worst[x], excess)
                for x in range(width):
                    out[integration, y, left + x] = odd[x] | np.uint8(not worst[x] <= 0)


def may_jump(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    noise: NDArray[np.float32],
    *,
    shared: float,
    rising: float,
    falling: float,
) -> NDArray[np.uint8]:
    """Tell which ramps must be looked at one by one.

    Parameters
    ----------
    data, groupdq, gain
        As in `calcore.kernels.jump_likelihood.find_jumps`.
    noise : float32 (ny, nx)
        Read noise of a group [electron].
    shared : float
        Photon covariance of neighbouring differences, over the photons of one.
    rising, falling : float
        Least deviation upwards, and downwards, that may be a jump [sigma].

    Returns
    -------
    uint8 (n_int, ny, nx)
        Not 0 where a difference is anywhere near a threshold, or the ramp has flags, too few
        differences, or values that are not finite.
    """
    n_int, n_group, rows, columns = data.shape
    out = np.empty((n_int, rows, columns), np.uint8)
    _screen(
        data, groupdq, gain, noise, sorting_pairs(n_group - 1), shared, rising, falling, out,
        np.empty((4, max(1, n_group - 1), _CHUNK), np.float32), np.empty((7, _CHUNK), np.float32),
        np.empty(_CHUNK, np.uint8),
    )  # fmt: skip
    return out
