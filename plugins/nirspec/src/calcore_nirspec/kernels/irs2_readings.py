"""Loops over the readings of interleaved frames, and their places in time.

Rows of a frame (n_row, n_column) are read a pixel at a time, all rows of an output before the next
column: a pixel of column x at `time + turn * x` [pixel time], where `turn` is negative if columns are
read backwards. Readings are taken as deviations from their means over groups, drifts subtracted.
"""

import numpy as np

from calcore.kernels._jit import F4x1, F4x2, F4x3, F8x2, I8x1, I8x2, helper, kernel

_TILE = 64  # columns at a time: their part of a series stays in the cache


@helper
def deviations(
    frame: F4x2, mean: F8x2, row: int, first: int, second: int, start: int, stop: int, time: int,
    turn: int, level: float, slope: float, zeros_missing: bool, out: F4x1,
) -> None:  # fmt: skip
    """Put some columns of a row, less means over groups and a drift, into `out`.

    A reading is the mean of two rows, which are the row itself in most cases, and 0 if the first is
    -1. Without drift it is exactly 0 only where it is its mean.
    """
    one, other = frame[max(first, 0), start:stop], frame[max(second, 0), start:stop]
    middle = mean[row, start:stop]
    begun, pace = float(time + turn * start), float(turn)
    for k in range(len(one)):
        reading = (one[k] + other[k]) * np.float32(0.5) if first >= 0 else np.float32(0)
        value = np.float32(reading - middle[k])
        drifted = value - np.float32(level + slope * (begun + pace * float(k)))
        out[k] = drifted if value != 0 or not zeros_missing else value


@kernel
def fitted_line(
    frame: F4x2, mean: F8x2, rows: I8x1, sources: I8x2, times: I8x1, turn: int, edge: int,
    zeros_missing: bool,
) -> F8x2:  # fmt: skip
    """Return level at time 0 and slope (1, 2) of the least-squares line through deviations.

    Pixels of column 0 are read at `times`, those of each further column `turn` later. The first and
    the last `edge` columns count.
    """
    n = frame.shape[1]
    result = np.zeros((1, 2))
    value = np.empty(edge, np.float32)
    count, middle, total = 0, 0.0, 0.0
    for again in range(2):
        spread = product = 0.0
        for i in range(len(rows)):
            for start in (0, n - edge):
                deviations(
                    frame, mean, rows[i], sources[i, 0], sources[i, 1], start, start + edge,
                    times[i], turn, 0.0, 0.0, zeros_missing, value,
                )  # fmt: skip
                for k in range(edge):
                    missing = value[k] != value[k] or (zeros_missing and value[k] == 0)
                    if missing:
                        continue
                    when = float(times[i] + turn * (start + k))
                    if again:
                        spread += (when - middle) * (when - middle)
                        product += (when - middle) * value[k]
                    else:
                        count += 1
                        middle += when
                        total += value[k]
        if count < 2:
            return result
        if not again:
            middle /= count
    slope = product / spread if spread > 0 else 0.0
    result[0, 0] = total / count - slope * middle
    result[0, 1] = slope
    return result


@kernel
def lay_out(
    frame: F4x2, mean: F8x2, rows: I8x1, sources: I8x2, times: I8x1, turn: int, level: float,
    slope: float, zeros_missing: bool, places: I8x1, out: F4x1,
) -> None:  # fmt: skip
    """Put deviations of rows into a series, column 0 to `places`; 0 for what is no number."""
    n = frame.shape[1]
    value = np.empty((len(rows), _TILE), np.float32)
    for start in range(0, n, _TILE):
        stop = min(start + _TILE, n)
        for i in range(len(rows)):
            deviations(
                frame, mean, rows[i], sources[i, 0], sources[i, 1], start, stop, times[i], turn,
                level, slope, zeros_missing, value[i],
            )  # fmt: skip
        for x in range(start, stop):
            for i in range(len(rows)):
                found = value[i, x - start]
                out[places[i] + turn * x] = found if found == found else np.float32(0)  # noqa: PLR0124


@kernel
def first_guess(series: F4x1, weight: F4x1) -> F4x1:
    """Return a series (n_line * n_gap,) whose zeros are weighted means of their surroundings.

    The series is taken for periodic. A stretch of zeros longer than the weights stays 0.
    """
    n, reach = len(series), len(weight) // 2
    result = np.empty(n, np.float32)
    for i in range(n):
        result[i] = series[i]
        if series[i] == 0:
            total = norm = 0.0
            for k in range(len(weight)):
                j = i + k - reach
                value = series[j if 0 <= j < n else j + n if j < 0 else j - n]
                if value != 0:
                    total += weight[k] * value
                    norm += weight[k]
            if norm > 0:
                result[i] = np.float32(total / norm)
    return result


@kernel
def group_mean(groups: F4x3, sources: I8x2, out: F8x2) -> None:
    """Write the mean over groups (n, n_column) of readings to `out`; NaN where none is a number.

    Each of the n readings is the mean of two rows of `groups` (n_group, n_row, n_column), 0 for -1.
    """
    n = groups.shape[2]
    count = np.empty(n)
    for y in range(len(sources)):
        first, second, mean = sources[y, 0], sources[y, 1], out[y]
        for x in range(n):
            mean[x] = count[x] = 0.0
        for g in range(len(groups)):
            one, other = groups[g, max(first, 0)], groups[g, max(second, 0)]
            for x in range(n):
                value = (one[x] + other[x]) * np.float32(0.5) if first >= 0 else np.float32(0)
                known = value == value  # noqa: PLR0124 - not NaN
                mean[x] += value if known else np.float32(0)
                count[x] += 1.0 if known else 0.0
        for x in range(n):
            mean[x] /= count[x]


@kernel
def put_corrected(
    frame: F4x2, mean: F8x2, rows: I8x1, sources: I8x2, times: I8x1, turn: int, level: float,
    slope: float, zeros_missing: bool, shared: F4x1, targets: I8x1, out: F4x2,
) -> None:  # fmt: skip
    """Write rows less drift and what is shared, with their mean over groups, to rows of the output."""
    n = frame.shape[1]
    value = np.empty(_TILE, np.float32)
    for start in range(0, n, _TILE):
        stop = min(start + _TILE, n)
        for i in range(len(rows)):
            deviations(
                frame, mean, rows[i], sources[i, 0], sources[i, 1], start, stop, times[i], turn,
                level, slope, zeros_missing, value,
            )  # fmt: skip
            corrected, middle = out[targets[i], start:stop], mean[rows[i], start:stop]
            first = times[i] + turn * start
            for k in range(len(corrected)):
                corrected[k] = np.float32(value[k] - shared[first + turn * k]) + middle[k]
