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
    unsigned,
)
from calcore.kernels._networks import sorting_pairs
from calcore.kernels._whole import run_width, whole_span

_UNUSABLE, _DNU = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED), np.uint8(DQ.DO_NOT_USE)
_CHUNK = 288  # pixels side by side at most
_LANES = 32  # the room of a chunk is filled up to a multiple: loops have no single pixels left over
_NEAR = 0.99  # of a threshold: from here on it takes double precision

# Numbers of a pixel: of its covariance C, what it is with others' rates, what is found of it.
_MIDDLE, _BESIDE, _SCATTER, _LEVEL, _TOTAL, _WORST = 0, 1, 2, 3, 4, 5
_WEIGHT, _SHRINK, _ALL_WEIGHT, _ALL_TOTAL, _SPREAD, _OTHERS = 6, 7, 8, 9, 10, 11
_RATE, _CARRIED, _INVERTED, _ROOM = 12, 13, 14, 15
# Numbers of each difference of a pixel, which hold for all integrations of that length.
_ONES, _PIVOT, _INVERSE, _FACTOR, _SQUARE, _TABLES = 0, 1, 2, 3, 4, 5


@helper
def _differences(
    data: F4x4, gain: F4x2, pairs: I8x2, n: int, begin: int, length: int, y: int, left: int,
    width: int, wide: int, m: int, out_value: F4x3, out_ranked: F4x3, out_room: F4x2,
) -> None:  # fmt: skip
    """Write the differences of pixels; add them, and their median, to what is known of the pixels."""
    at, half = unsigned(left), np.float32(0.5)
    for k in range(length):
        for x in range(unsigned(width)):
            step = data[n, begin + k + 1, y, at + x] - data[n, begin + k, y, at + x]
            step *= gain[y, at + x]
            out_value[m, k, x] = step
            out_ranked[0, k, x] = step
            out_room[_TOTAL, x] += step
    for k in range(length, out_value.shape[1]):
        for x in range(wide):
            out_ranked[0, k, x] = np.float32(np.inf)
    for pair in range(pairs.shape[0]):
        i, j = pairs[pair, 0], pairs[pair, 1]
        for x in range(wide):
            a, b = out_ranked[0, i, x], out_ranked[0, j, x]
            out_ranked[0, i, x] = min(b, a)
            out_ranked[0, j, x] = max(a, b)
    i, j = (length - 1) // 2, length // 2
    for x in range(wide):
        out_room[_LEVEL, x] += half * (out_ranked[0, i, x] + out_ranked[0, j, x])


@helper
def _factor(length: int, wide: int, out_mirror: I8x1, out_table: F4x3, out_room: F4x2) -> None:
    """Factor the covariance C of so many differences, and solve C u = 1; sum u.

    What is carried from a row to the next has a place of its own: of rows of one table the compiler
    does not know that they are different ones.
    """
    one, last = np.float32(1), length - 1
    for x in range(wide):
        out_room[_CARRIED, x], out_room[_INVERTED, x] = np.float32(0), np.float32(0)
    for k in range(length):
        for x in range(wide):
            factor = out_room[_BESIDE, x] * out_room[_INVERTED, x]
            pivot = out_room[_MIDDLE, x] - factor * out_room[_BESIDE, x]
            out_table[_PIVOT, k, x], out_table[_FACTOR, k, x] = pivot, factor
            out_room[_INVERTED, x] = one / pivot
        for x in range(wide):
            out_table[_INVERSE, k, x] = out_room[_INVERTED, x]
            out_room[_CARRIED, x] = one - out_table[_FACTOR, k, x] * out_room[_CARRIED, x]
            out_table[_ONES, k, x] = out_room[_CARRIED, x]
    for k in range(length):
        out_mirror[k] = last - k
    for x in range(wide):
        out_room[_WEIGHT, x], out_room[_CARRIED, x] = np.float32(0), np.float32(0)
    for place in range(length):
        # Looked up: where rows go downwards by arithmetic, pixels are done one by one.
        k = out_mirror[place]
        after = min(k + 1, last)
        for x in range(wide):
            step = out_table[_FACTOR, after, x] * out_room[_CARRIED, x]
            step = out_table[_ONES, k, x] * out_table[_INVERSE, k, x] - step
            out_room[_CARRIED, x], out_table[_ONES, k, x] = step, step
            out_room[_WEIGHT, x] += step
    for x in range(wide):
        # As rates scatter, the mean of many counts for no more than that.
        out_room[_SHRINK, x] = one / (one + out_room[_SCATTER, x] * out_room[_WEIGHT, x])


@helper
def _allow(length: int, wide: int, mirror: I8x1, out_table: F4x3, out_room: F4x2) -> None:
    """Write, after `_factor`, what others tell, and the square of a residual of one sigma."""
    one = np.float32(1)
    for x in range(wide):
        # Nothing is known from others where an integration is on its own.
        others = out_room[_ALL_WEIGHT, x] - out_room[_WEIGHT, x] * out_room[_SHRINK, x]
        out_room[_OTHERS, x] = one / (one + out_room[_SCATTER, x] * others)
        known = out_room[_WEIGHT, x] + others * out_room[_OTHERS, x]
        out_room[_SPREAD, x] = one / known
    for k in range(length):
        other = mirror[k]
        for x in range(wide):
            around = out_table[_PIVOT, k, x] + out_table[_PIVOT, other, x] - out_room[_MIDDLE, x]
            ones = out_table[_ONES, k, x]
            out_table[_SQUARE, k, x] = one / around - ones * ones * out_room[_SPREAD, x]


@helper
def _compare(
    length: int, wide: int, m: int, limits: F4x1, mirror: I8x1, table: F4x3, total: F4x2,
    out_value: F4x3, out_room: F4x2,
) -> None:  # fmt: skip
    """Find by how much the worst residual of pixels is beyond its limit."""
    above, below, zero, last = limits[0], limits[1], np.float32(0), length - 1
    for x in range(wide):
        others = out_room[_ALL_TOTAL, x] - total[m, x] * out_room[_SHRINK, x]
        rate = (total[m, x] + others * out_room[_OTHERS, x]) * out_room[_SPREAD, x]
        out_room[_RATE, x], out_room[_CARRIED, x] = rate, zero
    for k in range(length):
        for x in range(wide):
            step = table[_FACTOR, k, x] * out_room[_CARRIED, x]
            step = (out_value[m, k, x] - out_room[_LEVEL, x]) - step
            out_room[_CARRIED, x], out_value[m, k, x] = step, step
    for x in range(wide):
        out_room[_CARRIED, x] = zero
    for place in range(length):
        k = mirror[place]
        after = min(k + 1, last)
        for x in range(wide):
            step = table[_FACTOR, after, x] * out_room[_CARRIED, x]
            step = out_value[m, k, x] * table[_INVERSE, k, x] - step
            out_room[_CARRIED, x] = step
            residual = step - out_room[_RATE, x] * table[_ONES, k, x]
            limit = above if residual > zero else below
            excess = residual * residual - limit * table[_SQUARE, k, x]
            out_room[_WORST, x] = max(out_room[_WORST, x], excess)


@kernel
def _screen(
    data: F4x4, groupdq: U1x4, gain: F4x2, noise: F4x2, pairs: I8x2, shared: float, limits: F4x1,
    change: float, out: U1x3, out_value: F4x3, out_table: F4x3, out_room: F4x2,
    out_total: F4x2, out_span: I8x1, out_mirror: I8x1, out_odd: U1x1,
) -> None:  # fmt: skip
    """Mark the ramps that must be looked at one by one; the last seven arguments are room."""
    n_int, n_group, rows, columns = data.shape
    together, room = out_value.shape[0], out_room
    zero, one, two = np.float32(0), np.float32(1), np.float32(2)
    part, varied = np.float32(shared), np.float32(change * change)
    step = run_width(columns, _CHUNK)
    for bundle in range(n_int // together):
        for y in range(rows):
            for left in range(0, columns, step):
                width = min(step, columns - left)
                at, narrow = unsigned(left), unsigned(width)
                wide = -(-width // _LANES) * _LANES
                for x in range(wide):
                    out_odd[x] = 0
                for x in range(wide):
                    room[_WORST, x], room[_TOTAL, x], room[_LEVEL, x] = -one, zero, zero
                    room[_ALL_WEIGHT, x], room[_ALL_TOTAL, x] = zero, zero
                counted = 0
                for m in range(together):
                    n = bundle * together + m
                    begin, end = whole_span(groupdq, n, y, left, width, 0, n_group)
                    out_span[m] = end - begin - 1
                    for group in range(n_group):
                        allowed = np.uint8(0 if begin <= group < end else _DNU)
                        for x in range(narrow):
                            out_odd[x] |= groupdq[n, group, y, at + x] & ~allowed
                    if out_span[m] > 0:
                        counted += 1
                        _differences(
                            data, gain, pairs, n, begin, out_span[m], y, left, width, wide, m,
                            out_value, out_table, out_room,
                        )  # fmt: skip
                for x in range(narrow):
                    read = noise[y, at + x] * noise[y, at + x]
                    median = room[_LEVEL, x] / np.float32(max(counted, 1))
                    level = median if median > 0 else zero
                    room[_LEVEL, x], room[_SCATTER, x] = level, varied * level * level
                    room[_MIDDLE, x] = two * read + level * (one - two * part)
                    room[_BESIDE, x] = part * level - read
                for x in range(narrow):
                    # Neither signal nor noise may be anything but a number.
                    sound = (room[_TOTAL, x] * zero == 0) & (gain[y, at + x] > 0)
                    sound &= noise[y, at + x] * noise[y, at + x] > 0
                    out_odd[x] = (out_odd[x] & _UNUSABLE) | np.uint8(not sound)
                factored, allowed_for = 0, 0
                for m in range(together):
                    length = out_span[m]
                    if length < 1:
                        continue
                    if length != factored:
                        _factor(length, wide, out_mirror, out_table, out_room)
                        factored = length
                    for x in range(wide):
                        out_total[m, x] = zero
                    for k in range(length):
                        for x in range(wide):
                            residual = out_value[m, k, x] - room[_LEVEL, x]
                            out_total[m, x] += out_table[_ONES, k, x] * residual
                    for x in range(wide):
                        room[_ALL_WEIGHT, x] += room[_WEIGHT, x] * room[_SHRINK, x]
                        room[_ALL_TOTAL, x] += out_total[m, x] * room[_SHRINK, x]
                for m in range(together):
                    length = out_span[m]
                    if length < 1:
                        continue
                    if length != factored:
                        _factor(length, wide, out_mirror, out_table, out_room)
                        factored = length
                    if length != allowed_for:
                        _allow(length, wide, out_mirror, out_table, out_room)
                        allowed_for = length
                    _compare(
                        length, wide, m, limits, out_mirror, out_table, out_total, out_value,
                        out_room,
                    )  # fmt: skip
                for x in range(narrow):
                    out[bundle, y, at + x] = out_odd[x] | np.uint8(not room[_WORST, x] <= 0)


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
    limits = np.square(_NEAR * np.array([rising, falling], np.float32))
    _screen(
        data, groupdq, gain, noise, sorting_pairs(n_group - 1), shared, limits, change, out,
        np.zeros((together, length, _CHUNK), np.float32),
        np.zeros((_TABLES, length, _CHUNK), np.float32), np.zeros((_ROOM, _CHUNK), np.float32),
        np.zeros((together, _CHUNK), np.float32), np.empty(together, np.int64),
        np.empty(length, np.int64), np.empty(_CHUNK, np.uint8),
    )  # fmt: skip
    return out
