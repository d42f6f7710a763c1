"""Averages over a ring of how far differences of groups deviate: what a search for showers looks at."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x4, F8x1, F8x2, I8x2, U1x1, U1x2, U1x4, helper, kernel
from calcore.kernels._networks import sorting_pairs

_CHUNK = 128  # pixels side by side


@helper
def _median(value: F4x2, x: int, count: int) -> np.float32:
    """Return the median of the first `count` of a pixel's sorted values; NaN if there are none."""
    if count == 0:
        return np.float32(np.nan)
    middle: np.float32 = value[count // 2, x]
    if count % 2 == 0:
        middle = np.float32(0.5) * (value[count // 2 - 1, x] + middle)
    return middle


@kernel
def _deviations(
    data: F4x4, groupdq: U1x4, hidden: U1x2, gain: F4x2, variance: F4x2, pairs: I8x2, unusable: int,
    out: F4x4, out_steps: F4x2, out_sorted: F4x2, out_room: F4x2, out_lost: U1x1,
) -> None:  # fmt: skip
    n_int, n_group, rows, columns = data.shape
    level, sigma, number = out_room[0], out_room[1], out_room[2]
    nan, infinite, one, zero = np.float32(np.nan), np.float32(np.inf), np.float32(1), np.float32(0)
    bits = np.uint8(unusable)
    for y in range(rows):
        for left in range(0, columns, _CHUNK):
            right = min(left + _CHUNK, columns)
            width = right - left
            electrons, apart, noise = (
                gain[y, left:right],
                hidden[y, left:right],
                variance[y, left:right],
            )
            for x in range(width):
                number[x] = zero
            # Loops over few arrays each, indexed by x alone: only such are done for many pixels at once.
            for n in range(n_int):
                for group in range(n_group - 1):
                    row = n * (n_group - 1) + group
                    steps, line = out_steps[row], out_sorted[row]
                    here, after = data[n, group, y, left:right], data[n, group + 1, y, left:right]
                    dq, next_dq = (
                        groupdq[n, group, y, left:right],
                        groupdq[n, group + 1, y, left:right],
                    )
                    for x in range(width):
                        out_lost[x] = ((dq[x] | next_dq[x]) & bits) | apart[x]
                    for x in range(width):
                        step = after[x] * electrons[x] - here[x] * electrons[x]
                        steps[x] = step if out_lost[x] == 0 else nan
                    for x in range(width):
                        line[x] = steps[x] if steps[x] - steps[x] == zero else infinite
                    for x in range(width):
                        number[x] += one if line[x] < infinite else zero
            for pair in range(pairs.shape[0]):
                low, high = out_sorted[pairs[pair, 0]], out_sorted[pairs[pair, 1]]
                for x in range(width):
                    a, b = low[x], high[x]
                    low[x] = min(b, a)
                    high[x] = max(a, b)
            for x in range(width):
                level[x] = _median(out_sorted, x, int(number[x]))
                spread = np.sqrt(abs(level[x]) + noise[x])
                sigma[x] = spread if spread > 0 else nan
            for n in range(n_int):
                for group in range(n_group - 1):
                    steps = out_steps[n * (n_group - 1) + group]
                    away = out[n, group, y, left:right]
                    for x in range(width):
                        away[x] = abs(steps[x] - level[x]) / sigma[x]


@kernel
def _above(
    deviation: F4x4, least: float, ring: I8x2, reach: int, out: U1x4, out_sums: F8x2,
    out_total: F8x1,
) -> None:  # fmt: skip
    n_int, n_group, rows, columns = deviation.shape
    for n in range(n_int):
        for group in range(n_group):
            # What is known, less the limit: its sum tells. Sums of all to the left: two of them make
            # the sum of a run.
            for y in range(rows + 2 * reach):
                inside = reach <= y < rows + reach
                for x in range(out_sums.shape[1]):
                    out_sums[y, x] = -least
                if inside:
                    middle = out_sums[y, reach + 1 : reach + 1 + columns]
                    for x in range(columns):
                        excess = np.float64(deviation[n, group, y - reach, x]) - least
                        middle[x] = excess if excess - excess == 0 else 0.0
                total = 0.0
                for x in range(out_sums.shape[1]):
                    total += out_sums[y, x]
                    out_sums[y, x] = total
            for y in range(rows):
                for x in range(columns):
                    out_total[x] = 0.0
                for run in range(ring.shape[0]):
                    line = reach + ring[run, 0] + y
                    before = out_sums[line, reach + ring[run, 1] :]
                    after = out_sums[line, reach + ring[run, 2] :]
                    for x in range(columns):
                        out_total[x] += after[x] - before[x]
                for x in range(columns):
                    known = np.isfinite(deviation[n, group, y, x])
                    out[n, group, y, x] = known and out_total[x] > 0


def deviations(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    hidden: NDArray[np.bool_],
    gain: NDArray[np.float32],
    variance: NDArray[np.float32],
    *,
    unusable: int,
) -> NDArray[np.float32]:
    """Return how far differences of groups lie from a pixel's median difference, over their noise.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A value that is not finite takes no part.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags; samples with any of `unusable` take no part.
    hidden : bool (ny, nx)
        Pixels that take no part.
    gain : float32 (ny, nx)
        Gain [electron/DN].
    variance : float32 (ny, nx)
        Square of the read noise of a difference [electron^2].
    unusable : int
        Flags.

    Returns
    -------
    float32 (n_int, n_group - 1, ny, nx)
        NaN for what takes no part.
    """
    n_int, n_group, rows, columns = data.shape
    out = np.empty((n_int, n_group - 1, rows, columns), np.float32)
    length = n_int * (n_group - 1)
    _deviations(
        np.ascontiguousarray(data), np.ascontiguousarray(groupdq), hidden.view(np.uint8), gain,
        variance, sorting_pairs(length), unusable, out, np.empty((length, _CHUNK), np.float32),
        np.empty((length, _CHUNK), np.float32), np.empty((3, _CHUNK), np.float32),
        np.empty(_CHUNK, np.uint8),
    )  # fmt: skip
    return out


def above(
    deviation: NDArray[np.float32], least: float, ring: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell which known pixels have an average of what is known in a ring that exceeds a limit.

    Parameters
    ----------
    deviation : float32 (n_int, n_difference, ny, nx)
        What is averaged; NaN where nothing is known. Beyond the frame it is 0.
    least : float
        The limit.
    ring : int64 (n_run, 3)
        Rows of the ring as runs: row, first column and end, from the centre.

    Returns
    -------
    bool, shape of `deviation`
    """
    rows, columns = deviation.shape[2:]
    reach = int(abs(ring[:, 0]).max()) if ring.size else 0
    out = np.empty(deviation.shape, np.bool_)
    _above(
        deviation, least, ring, reach, out.view(np.uint8),
        np.empty((rows + 2 * reach, columns + 2 * reach + 1)), np.empty(columns),
    )  # fmt: skip
    return out
