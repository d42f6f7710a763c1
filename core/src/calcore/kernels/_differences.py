"""Differences of successive groups of one pixel, their order and their median."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import F4x1, F4x2, F4x4, I4x1, U1x4, helper, unsigned

_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_LONG = 48  # values from which on halving an interval finds the median sooner
_HALVINGS = 8


@helper
def sort_with_places(value: F4x1, place: I4x1, length: int) -> None:
    """Sort values, and their places with them, in place (Shell's method)."""
    gap = 1
    while gap < length // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, length):
            item, where = value[i], place[i]
            j = i
            while j >= gap and value[j - gap] > item:
                value[j], place[j] = value[j - gap], place[j - gap]
                j -= gap
            value[j], place[j] = item, where
        gap //= 3


@helper
def middle(value: F4x1, first: int, length: int) -> float:
    """Return the median of `length` sorted values from `first` on."""
    low, high = value[first + (length - 1) // 2], value[first + length // 2]
    median: float = np.float32(0.5) * (low + high)
    return median


@helper
def median_of(value: NDArray[np.floating[Any]], length: int) -> float:
    """Return the median of `length` values, whose order is lost (Hoare's selection)."""
    return mean_of_ranks(value, length, (length - 1) // 2, length // 2)


@helper
def median_within(value: F4x1, length: int, least: float, largest: float, out_room: F4x1) -> float:
    """Return the median of `length` values, which lies between two that are known."""
    below, kept = 0, 0
    for i in range(length):
        out_room[kept] = value[i]
        below += value[i] < least
        kept += least <= value[i] <= largest
    return mean_of_ranks(out_room, kept, (length - 1) // 2 - below, length // 2 - below)


@helper
def enclosed_median(value: F4x1, length: int, out_room: F4x1) -> float:
    """Return the median of `length` values: an interval around it is halved, and then searched."""
    least, largest = value[0], value[0]
    for i in range(1, length):
        least, largest = min(least, value[i]), max(largest, value[i])
    for _ in range(_HALVINGS if length > _LONG else 0):
        center = (least + largest) * np.float32(0.5)
        below = 0
        for i in range(length):
            below += value[i] <= center
        if below > length // 2:
            largest = center
        if below <= (length - 1) // 2:
            least = center
    return median_within(value, length, least, largest, out_room)


@helper
def mean_of_ranks(value: NDArray[np.floating[Any]], length: int, low: int, high: int) -> float:
    """Return the mean of the values of a rank and of the same or the next rank, from 0."""
    rank, left, right = high, 0, length - 1
    while left < right:
        pivot = value[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while value[i] < pivot:
                i += 1
            while value[j] > pivot:
                j -= 1
            if i <= j:
                value[i], value[j] = value[j], value[i]
                i += 1
                j -= 1
        if rank <= j:
            right = j
        elif rank >= i:
            left = i
        else:
            break
    above = value[rank]
    below = above
    if low < high:
        # All that is left of the rank is no larger than what stands there.
        below = value[0]
        for i in range(1, rank):
            below = max(below, value[i])
    median: float = np.float32(0.5) * (below + above)
    return median


@helper
def differences(
    data: F4x4, groupdq: U1x4, y: int, x: int, gain: float, value: F4x1, place: I4x1
) -> int:
    """Collect a pixel's usable differences [electron]; return how many there are."""
    n_int, n_group = data.shape[:2]
    count = 0
    for integration in range(n_int):
        before = np.float32(np.nan)
        for group in range(n_group):
            signal = data[integration, group, y, x] * gain
            if groupdq[integration, group, y, x] & _UNUSABLE:
                signal = np.float32(np.nan)
            difference = signal - before
            before = signal
            if np.isfinite(difference):
                value[count] = difference
                place[count] = integration * n_group + group
                count += 1
    return count


@helper
def gather(
    data: F4x4, groupdq: U1x4, gain: F4x2, y: int, left: int, width: int, out_step: F4x2
) -> None:
    """Write the differences of pixels side by side [electron], one pixel a column; NaN if unusable.

    Long time series of a pixel lie far apart in memory: it is read but once for all of them.
    """
    n_int, n_group = data.shape[:2]
    at, wide, unknown = unsigned(left), unsigned(width), np.float32(np.nan)
    for integration in range(n_int):
        for group in range(1, n_group):
            step = out_step[integration * (n_group - 1) + group - 1]
            now, before = data[integration, group, y], data[integration, group - 1, y]
            flags, earlier = groupdq[integration, group, y], groupdq[integration, group - 1, y]
            for x in range(wide):
                difference = now[at + x] * gain[y, at + x] - before[at + x] * gain[y, at + x]
                usable = (flags[at + x] | earlier[at + x]) & _UNUSABLE == 0
                usable &= difference - difference == 0
                step[x] = difference if usable else unknown


@helper
def enclose(step: F4x2, length: int, width: int, out_bound: F4x2) -> None:
    """Find between what the medians of columns lie; what is NaN takes no part.

    Rows of `out_bound`: number of values, lower and upper bound, and room for two more.
    """
    number, least, largest = out_bound[0], out_bound[1], out_bound[2]
    center, below, wide = out_bound[3], out_bound[4], unsigned(width)
    for x in range(wide):
        number[x], least[x], largest[x] = 0, np.inf, -np.inf
    for row in range(length):
        values = step[row]
        for x in range(wide):
            number[x] += np.float32(values[x] == values[x])
            least[x] = min(least[x], values[x])  # least where the value is NaN
            largest[x] = max(largest[x], values[x])
    for _ in range(_HALVINGS):
        for x in range(wide):
            center[x] = (least[x] + largest[x]) * np.float32(0.5)
            below[x] = 0
        for row in range(length):
            values = step[row]
            for x in range(wide):
                below[x] += np.float32(values[x] <= center[x])
        for x in range(wide):
            # Of n values those of rank (n - 1) // 2 and n // 2 are looked for, from 0.
            twice = np.float32(2) * below[x]
            largest[x] = center[x] if twice > number[x] else largest[x]
            least[x] = center[x] if twice < number[x] else least[x]


@helper
def median_of_column(step: F4x2, x: int, length: int, bound: F4x2, out_room: F4x1) -> float:
    """Return the median of a column's values, which lies between two that are known."""
    least, largest, below, kept = bound[1, x], bound[2, x], 0, 0
    for row in range(length):
        out_room[kept] = step[row, x]
        below += step[row, x] < least
        kept += least <= step[row, x] <= largest
    number = int(bound[0, x])
    return mean_of_ranks(out_room, kept, (number - 1) // 2 - below, number // 2 - below)
