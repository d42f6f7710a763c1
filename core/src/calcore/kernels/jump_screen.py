"""Which pixels cannot have a jump: a look at many pixels side by side, in single precision.

Most ramps have no flags and no difference anywhere near a threshold. Telling so for sixteen pixels at
a time costs a fraction of looking at each by itself.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import (
    F4x1,
    F4x2,
    F4x3,
    F4x4,
    I8x1,
    I8x2,
    U1x1,
    U1x3,
    U1x4,
    helper,
    kernel,
)
from calcore.kernels._networks import sorting_pairs
from calcore.kernels._whole import whole_span

_UNUSABLE, _DNU = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED), np.uint8(DQ.DO_NOT_USE)
_CHUNK = 128  # pixels side by side
_NEAR = 0.99  # of a threshold: from here on it takes double precision


@helper
def _factor(
    middle: F4x1, beside: F4x1, length: int, width: int, out: F4x3, out_weight: F4x1
) -> None:
    """Factor the covariance C of differences, and solve C u = 1.

    The tables of `out` then hold u, the pivots and their inverses.
    """
    ones, pivot, inverse = out[0], out[1], out[2]
    last, one = length - 1, np.float32(1)
    for x in range(width):
        pivot[0, x], ones[0, x] = middle[x], one
        inverse[0, x] = one / middle[x]
    for k in range(1, length):
        for x in range(width):
            factor = beside[x] * inverse[k - 1, x]
            now = middle[x] - factor * beside[x]
            pivot[k, x], inverse[k, x] = now, one / now
            ones[k, x] = one - factor * ones[k - 1, x]
    for x in range(width):
        ones[last, x] *= inverse[last, x]
        out_weight[x] = ones[last, x]
    for k in range(last - 1, -1, -1):
        for x in range(width):
            ones[k, x] = (ones[k, x] - beside[x] * ones[k + 1, x]) * inverse[k, x]
            out_weight[x] += ones[k, x]


@helper
def _solve(
    beside: F4x1, inverse: F4x2, length: int, width: int, out_value: F4x2, out_total: F4x1
) -> None:
    """Solve C v = d, after `_factor`, where d stands; sum v."""
    value, last = out_value, length - 1
    for k in range(1, length):
        for x in range(width):
            value[k, x] -= beside[x] * inverse[k - 1, x] * value[k - 1, x]
    for x in range(width):
        value[last, x] *= inverse[last, x]
        out_total[x] = value[last, x]
    for k in range(last - 1, -1, -1):
        for x in range(width):
            value[k, x] = (value[k, x] - beside[x] * value[k + 1, x]) * inverse[k, x]
            out_total[x] += value[k, x]


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
    change: float,
    out: U1x3,
    out_value: F4x3,
    out_solved: F4x3,
    out_room: F4x2,
    out_own: F4x3,
    out_span: I8x1,
    out_odd: U1x1,
) -> None:
    """Mark the ramps that must be looked at one by one; the last six arguments are room."""
    n_int, n_group, rows, columns = data.shape
    together, size = out_value.shape[:2]
    ones, pivot, inverse = out_solved[0], out_solved[1], out_solved[2]
    level, read, middle, beside = out_room[0], out_room[1], out_room[2], out_room[3]
    total, weight, worst, odd = out_room[4], out_room[5], out_room[6], out_odd
    scatter, all_weight, all_total, known = out_room[7], out_room[8], out_room[9], out_room[10]
    own_weight, own_total = out_own[0], out_own[1]
    one, zero, two, half = np.float32(1), np.float32(0), np.float32(2), np.float32(0.5)
    part, infinite, varied = np.float32(shared), np.float32(np.inf), np.float32(change * change)
    high, low = (
        np.float32(_NEAR * rising * (_NEAR * rising)),
        np.float32(_NEAR * falling * (_NEAR * falling)),
    )
    for bundle in range(n_int // together):
        for y in range(rows):
            for left in range(0, columns, _CHUNK):
                width = min(_CHUNK, columns - left)
                for x in range(width):
                    odd[x] = 0
                    read[x] = noise[y, left + x] * noise[y, left + x]
                    worst[x] = -one
                    total[x], level[x], all_weight[x], all_total[x] = zero, zero, zero, zero
                counted = 0
                for m in range(together):
                    n = bundle * together + m
                    begin, end = whole_span(groupdq, n, y, left, width, 0, n_group)
                    length = end - begin - 1
                    last = length - 1
                    out_span[m] = length
                    for group in range(begin, end):
                        for x in range(width):
                            odd[x] |= groupdq[n, group, y, left + x]
                    for group in range(n_group):
                        if begin <= group < end:
                            continue
                        for x in range(width):
                            odd[x] |= groupdq[n, group, y, left + x] & ~_DNU
                    if length < 1:
                        continue
                    counted += 1
                    for row in range(size):
                        if row > last:
                            for x in range(width):
                                ones[row, x] = infinite
                            continue
                        for x in range(width):
                            difference = (
                                data[n, begin + row + 1, y, left + x]
                                - data[n, begin + row, y, left + x]
                            ) * gain[y, left + x]
                            out_value[m, row, x], ones[row, x] = difference, difference
                            total[x] += difference
                    for pair in range(pairs.shape[0]):
                        i, j = pairs[pair, 0], pairs[pair, 1]
                        for x in range(width):
                            a, b = ones[i, x], ones[j, x]
                            ones[i, x] = min(b, a)
                            ones[j, x] = max(a, b)
                    for x in range(width):
                        level[x] += half * (ones[last // 2, x] + ones[length // 2, x])
                for x in range(width):
                    median = level[x] / np.float32(max(counted, 1))
                    level[x] = median if median > 0 else zero
                    scatter[x] = varied * level[x] * level[x]
                    middle[x] = two * read[x] + level[x] * (one - two * part)
                    beside[x] = part * level[x] - read[x]
                    # Neither signal nor noise may be anything but a number.
                    sound = total[x] * zero == 0 and gain[y, left + x] > 0 and read[x] > 0
                    odd[x] = (odd[x] & _UNUSABLE) | np.uint8(not sound)
                factored = 0
                for m in range(together):
                    length = out_span[m]
                    if length < 1 or together == 1:
                        continue
                    if length != factored:
                        _factor(middle, beside, length, width, out_solved, weight)
                        factored = length
                    for x in range(width):
                        total[x] = zero
                    for k in range(length):
                        for x in range(width):
                            total[x] += ones[k, x] * (out_value[m, k, x] - level[x])
                    for x in range(width):
                        # As rates scatter, the mean of many counts for no more than that.
                        shrink = one / (one + scatter[x] * weight[x])
                        own_weight[m, x], own_total[m, x] = weight[x] * shrink, total[x] * shrink
                        all_weight[x] += own_weight[m, x]
                        all_total[x] += own_total[m, x]
                for m in range(together):
                    length = out_span[m]
                    value, last = out_value[m], length - 1
                    if length < 1:
                        continue
                    if length != factored:
                        _factor(middle, beside, length, width, out_solved, weight)
                        factored = length
                    for k in range(length):
                        for x in range(width):
                            value[k, x] -= level[x]
                    _solve(beside, inverse, length, width, value, total)
                    for x in range(width):
                        # Nothing is known from others where an integration is on its own.
                        others = all_weight[x] - own_weight[m, x]
                        shrink = one / (one + scatter[x] * others)
                        known[x] = weight[x] + others * shrink
                        total[x] = (total[x] + (all_total[x] - own_total[m, x]) * shrink) / known[x]
                    for k in range(length):
                        for x in range(width):
                            residual = value[k, x] - total[x] * ones[k, x]
                            # Both sides times the denominators, which are positive.
                            around = pivot[k, x] + pivot[last - k, x] - middle[x]
                            spread = known[x] - around * ones[k, x] * ones[k, x]
                            limit = high if residual > 0 else low
                            excess = residual * residual * around * known[x] - limit * spread
                            worst[x] = max(worst[x], excess)
                for x in range(width):
                    out[bundle, y, left + x] = odd[x] | np.uint8(not worst[x] <= 0)


def may_jump(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    noise: NDArray[np.float32],
    *,
    shared: float,
    rising: float,
    falling: float,
    rate_change: float | None = None,
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
    rate_change : float, optional
        As in `calcore.kernels.jump_likelihood.find_jumps`.

    Returns
    -------
    uint8 (n_int, ny, nx), or (1, ny, nx) with `rate_change`
        Not 0 where a difference is anywhere near a threshold, or the ramp has flags, or values that
        are not finite.
    """
    n_int, n_group, rows, columns = data.shape
    together, change = (1, 0.0) if rate_change is None else (n_int, rate_change)
    length = max(1, n_group - 1)
    out = np.empty((n_int // together, rows, columns), np.uint8)
    _screen(
        data, groupdq, gain, noise, sorting_pairs(n_group - 1), shared, rising, falling, change, out,
        np.empty((together, length, _CHUNK), np.float32), np.empty((3, length, _CHUNK), np.float32),
        np.empty((11, _CHUNK), np.float32), np.zeros((2, together, _CHUNK), np.float32),
        np.empty(together, np.int64), np.empty(_CHUNK, np.uint8),
    )  # fmt: skip
    return out
