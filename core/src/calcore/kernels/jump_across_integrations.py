"""Jumps, found by comparing a pixel's differences with those of its other integrations.

With many integrations their scatter tells the noise of a difference, whatever makes it: values
beyond some standard deviations from the median are clipped, and again from what is left. The JWST
documentation's jump page describes it; the clipping is that of astropy's ``sigma_clip``.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._differences import median_of
from calcore.kernels._jit import (
    F4x2,
    F4x4,
    F8x1,
    F8x2,
    I4x2,
    I8x1,
    I8x2,
    U1x4,
    helper,
    kernel,
    unsigned,
)
from calcore.kernels._known_jumps import known_jumps

_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = np.uint8(DQ.JUMP_DET)
_CHUNK = 32  # pixels whose differences are gathered at once
_PASSES = 5
_NEAR = 0.2  # how far from the mean the median almost always is [standard deviation]


@helper
def _median_needed(value: F8x1, length: int, mean: float, reach: float, near: float) -> bool:
    """Tell whether the mean cannot stand for the median of the first `length` values.

    It can if the median is near, and no value so near one of the limits that it matters.
    """
    below, above, doubtful = 0, 0, 0
    for i in range(length):
        below += value[i] < mean - near
        above += value[i] > mean + near
    for i in range(value.size):
        doubtful += abs(abs(value[i] - mean) - reach) <= near
    return doubtful > 0 or max(below, above) > (length - 1) // 2


@helper
def _bounds(out_value: F8x1, threshold: float) -> tuple[float, float]:
    """Return the lowest and highest value that stay; the order of values is lost."""
    low, high = -np.inf, np.inf
    length = out_value.size
    for _ in range(_PASSES):
        mean = 0.0
        for i in range(length):
            mean += out_value[i]
        mean /= length
        square = 0.0
        for i in range(length):
            square += (out_value[i] - mean) * (out_value[i] - mean)
        spread = np.sqrt(square / length)
        reach, center = threshold * spread, mean
        if _median_needed(out_value, length, mean, reach, _NEAR * spread):
            center = median_of(out_value, length)
        low, high = center - reach, center + reach
        kept = 0
        for i in range(length):
            value = out_value[i]
            if low <= value <= high:
                out_value[i], out_value[kept] = out_value[kept], value
                kept += 1
        if kept in (0, length):
            break
        length = kept
    return low, high


@helper
def _gather(
    data: F4x4, groupdq: U1x4, gain: F4x2, y: int, left: int, width: int, begin: int, end: int,
    out_value: F4x2, out_count: I8x1, out_mean: F8x1,
) -> None:  # fmt: skip
    """Write differences of pixels that lie side by side [electron], NaN if unusable, and their means."""
    for x in range(width):
        out_count[x], out_mean[x] = 0, 0.0
    for integration in range(data.shape[0]):
        for group in range(begin, end):
            place = integration * (end - begin) + group - begin
            for x in range(unsigned(width)):
                # Single precision, as the other ways to find jumps have it.
                factor = gain[y, unsigned(left) + x]
                now = data[integration, group, y, unsigned(left) + x] * factor
                before = data[integration, group - 1, y, unsigned(left) + x] * factor
                flags = groupdq[integration, group, y, unsigned(left) + x]
                flags |= groupdq[integration, group - 1, y, unsigned(left) + x]
                value = now - before
                usable = (flags & _UNUSABLE) == 0 and value - value == 0  # neither NaN nor infinite
                out_value[place, x] = value if usable else np.float32(np.nan)
                out_count[x] += usable
                out_mean[x] += value if usable else np.float32(0)
    for x in range(width):
        out_mean[x] /= max(out_count[x], 1)


@helper
def _find_suspect(
    value: F4x2, length: int, width: int, count: I8x1, mean: F8x1, threshold: float,
    out_reach: F8x1, out_below: I8x1, out_above: I8x1, out_suspect: I8x1,
) -> None:  # fmt: skip
    """Find pixels of which a value may be out of bounds: beyond them from wherever the median may be."""
    for x in range(width):
        out_reach[x], out_below[x], out_above[x], out_suspect[x] = 0.0, 0, 0, 0
    for place in range(length):
        for x in range(unsigned(width)):
            off = np.float64(value[place, x]) - mean[x]
            out_reach[x] += off * off if off == off else 0.0  # noqa: PLR0124 - NaN
    for x in range(width):
        out_reach[x] = np.sqrt(out_reach[x] / max(count[x], 1))
    for place in range(length):
        for x in range(unsigned(width)):
            off = np.float64(value[place, x]) - mean[x]
            near = _NEAR * out_reach[x]
            out_below[x] += off < -near
            out_above[x] += off > near
            out_suspect[x] += abs(off) >= (threshold - _NEAR) * out_reach[x]
    for x in range(width):
        out_suspect[x] += max(out_below[x], out_above[x]) > (count[x] - 1) // 2


@kernel
def _clip(
    data: F4x4,
    groupdq: U1x4,
    gain: F4x2,
    threshold: float,
    together: bool,
    out_value: F4x2,
    out_sorted: F8x1,
    out_number: I8x2,
    out_mean: F8x2,
    out_groupdq: U1x4,
    out_count: I4x2,
) -> None:
    n_int, n_group, rows, columns = data.shape
    for y in range(rows):
        for left in range(0, columns, _CHUNK):
            width = min(_CHUNK, columns - left)
            for begin in range(1, 2 if together else n_group):
                end = n_group if together else begin + 1
                length = n_int * (end - begin)
                number, mean = out_number[0], out_mean[0]
                _gather(data, groupdq, gain, y, left, width, begin, end, out_value, number, mean)
                _find_suspect(
                    out_value, length, width, number, mean, threshold, out_mean[1],
                    out_number[1], out_number[2], out_number[3],
                )  # fmt: skip
                for x in range(width):
                    if number[x] == 0 or out_number[3, x] == 0:
                        continue
                    known = 0
                    for place in range(length):
                        value = out_value[place, x]
                        if value == value:  # noqa: PLR0124 - NaN
                            out_sorted[known] = value
                            known += 1
                    low, high = _bounds(out_sorted[:known], threshold)
                    for place in range(length):
                        value = out_value[place, x]
                        if not (value < low or value > high):
                            continue
                        integration, group = place // (end - begin), begin + place % (end - begin)
                        flags = out_groupdq[integration, group, y, left + x]
                        out_groupdq[integration, group, y, left + x] = flags | _JUMP
                        out_count[y, left + x] += (flags & _JUMP) == 0


def clip_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    *,
    threshold: float = 4.0,
    together: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Flag differences between groups that are far from those of the other integrations.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A value that is not finite takes no part.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of each sample. Groups with DO_NOT_USE or SATURATED take no part, and carry no
        JUMP_DET in the result.
    gain : float32 (ny, nx)
        Gain [electron/DN]; no jumps are found where it is NaN.
    threshold : float
        Largest deviation from the median that is no jump [standard deviation].
    together : bool
        Compare the differences of all groups with each other; otherwise those of the same groups.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with JUMP_DET in the first group after a jump.
    count : int32 (ny, nx)
        Jumps of each pixel, those known before included.

    Notes
    -----
    Values are clipped at most five times. The read noise is not needed.
    """
    n_int, n_group = data.shape[:2]
    out, count = known_jumps(groupdq)
    length = n_int * (n_group - 1 if together else 1)
    _clip(
        data, groupdq, gain, threshold, together, np.empty((length, _CHUNK), np.float32),
        np.empty(length), np.empty((4, _CHUNK), np.int64), np.empty((2, _CHUNK)), out, count,
    )  # fmt: skip
    return out, count
