"""Averages over a ring of how far differences of groups deviate: what a search for showers looks at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x2, F4x4, I8x2, U1x2, U1x4, helper, kernel, unsigned
from calcore.kernels._networks import sorting_pairs

_CHUNK = 192  # pixels side by side
_ENOUGH = 2.0  # times what a whole ring may have in all: more in one pixel makes no difference


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
    data: F4x4, groupdq: U1x4, first: int, hidden: U1x2, gain: F4x2, variance: F4x2, pairs: I8x2,
    unusable: int, out: F4x4, out_steps: F4x2, out_sorted: F4x2, out_room: F4x2,
) -> None:  # fmt: skip
    n_int, n_group = data.shape[:2]
    rows, columns = hidden.shape
    level, sigma, number, signal = out_room[0], out_room[1], out_room[2], out_room[3:5]
    nan, infinite, one, zero = np.float32(np.nan), np.float32(np.inf), np.float32(1), np.float32(0)
    bits = np.uint8(unusable)
    for y in range(rows):
        for left in range(0, columns, _CHUNK):
            at, width = unsigned(left), unsigned(min(_CHUNK, columns - left))
            for x in range(width):
                number[x] = zero
            for n in range(n_int):
                for group in range(n_group):
                    now, before = unsigned(group % 2), unsigned(1 - group % 2)
                    for x in range(width):
                        lost = (groupdq[n, group, first + y, at + x] & bits) | hidden[y, at + x]
                        sample = data[n, group, first + y, at + x] * gain[y, at + x]
                        signal[now, x] = sample if lost == 0 else nan
                    if group == 0:
                        continue
                    row = unsigned(n * (n_group - 1) + group - 1)
                    for x in range(width):
                        step = signal[now, x] - signal[before, x]
                        known = step - step == zero
                        out_steps[row, x] = step
                        out_sorted[row, x] = step if known else infinite
                        number[x] += one if known else zero
            for pair in range(pairs.shape[0]):
                low, high = pairs[pair, 0], pairs[pair, 1]
                for x in range(width):
                    a, b = out_sorted[low, x], out_sorted[high, x]
                    out_sorted[low, x] = min(b, a)
                    out_sorted[high, x] = max(a, b)
            for x in range(width):
                level[x] = _median(out_sorted, x, int(number[x]))
                spread = np.sqrt(abs(level[x]) + variance[y, at + x])
                sigma[x] = spread if spread > 0 else nan
            for n in range(n_int):
                for group in range(n_group - 1):
                    row = unsigned(n * (n_group - 1) + group)
                    for x in range(width):
                        out[n, group, y, at + x] = abs(out_steps[row, x] - level[x]) / sigma[x]


@kernel
def _above(
    deviation: F4x4, least: float, most: float, spans: I8x2, runs: I8x2, reach: int, start: int,
    out: U1x4, out_sums: F4x2, out_spans: F4x2, out_total: F4x1,
) -> None:  # fmt: skip
    n_int, n_group, rows, columns = deviation.shape
    limit, zero, largest = np.float32(least), np.float32(0), np.float32(most)
    wide = unsigned(out_sums.shape[1])
    for x in range(wide):
        out_sums[0, x] = zero
    for n in range(n_int):
        for group in range(n_group):
            # What is known, less the limit: its sum tells. Sums of all that lies above: two of them
            # make the sum of a span of a column.
            for y in range(rows + 2 * reach):
                above, here = out_sums[y], out_sums[y + 1]
                for x in range(wide):
                    here[x] = above[x] - limit
                if reach <= y < rows + reach:
                    line = deviation[n, group, y - reach]
                    middle, over = here[reach : reach + columns], above[reach : reach + columns]
                    for x in range(columns):
                        excess = min(line[x], largest) - limit
                        middle[x] = over[x] + (excess if line[x] - line[x] == zero else zero)
            for row in range(out.shape[2]):
                y = start + row
                for span in range(spans.shape[0]):
                    before, after = reach + y + spans[span, 0], reach + y + spans[span, 1]
                    above, here, own = out_sums[before], out_sums[after], out_spans[span]
                    for x in range(wide):
                        own[x] = here[x] - above[x]
                for x in range(columns):
                    out_total[x] = zero
                for run in range(runs.shape[0]):
                    part = out_spans[runs[run, 0], reach + runs[run, 1] :]
                    for x in range(columns):
                        out_total[x] += part[x]
                line, found = deviation[n, group, y], out[n, group, row]
                for x in range(columns):
                    found[x] = (line[x] - line[x] == zero) & (out_total[x] > zero)


def deviations(
    data: Any,
    groupdq: NDArray[np.uint8],
    rows: slice,
    hidden: NDArray[np.bool_],
    gain: NDArray[np.float32],
    variance: NDArray[np.float32],
    *,
    unusable: int,
) -> NDArray[np.float32]:
    """Return how far differences of groups lie from a pixel's median difference, over their noise.

    Parameters
    ----------
    data : float32 (n_int, n_group, n_row, nx)
        Signal of the whole frame [DN]; sliced as ``data[..., rows, :]`` unless it lies in memory. A
        value that is not finite takes no part.
    groupdq : uint8 (n_int, n_group, n_row, nx)
        Flags; samples with any of `unusable` take no part.
    rows : slice
        Rows to look at, ny of them.
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
    n_int, n_group = groupdq.shape[:2]
    first = rows.start
    if not (isinstance(data, np.ndarray) and data.flags.c_contiguous):
        data, groupdq = (np.ascontiguousarray(part[..., rows, :]) for part in (data, groupdq))
        first = 0
    out = np.empty((n_int, n_group - 1, *hidden.shape), np.float32)
    length = n_int * (n_group - 1)
    _deviations(
        data, np.ascontiguousarray(groupdq), first, hidden.view(np.uint8), gain, variance,
        sorting_pairs(length), unusable, out, np.empty((length, _CHUNK), np.float32),
        np.empty((length, _CHUNK), np.float32), np.empty((5, _CHUNK), np.float32),
    )  # fmt: skip
    return out


def above(
    deviation: NDArray[np.float32], least: float, ring: NDArray[np.int64], rows: slice
) -> NDArray[np.bool_]:
    """Tell which known pixels have an average of what is known in a ring that exceeds a limit.

    Parameters
    ----------
    deviation : float32 (n_int, n_difference, ny, nx)
        What is averaged; NaN where nothing is known. Beyond the frame it is 0.
    least : float
        The limit.
    ring : int64 (n_run, 3)
        Columns of the ring as runs: column, first row and end, from the centre.
    rows : slice
        Rows that are asked for.

    Returns
    -------
    bool (n_int, n_difference, n_row, nx)
    """
    n_int, n_difference, height, columns = deviation.shape
    reach = int(abs(ring[:, 0]).max()) if ring.size else 0
    spans, which = np.unique(ring[:, 1:], axis=0, return_inverse=True)
    runs = np.stack([which.ravel(), ring[:, 0]], axis=1)
    cells = int((ring[:, 2] - ring[:, 1]).sum())
    out = np.empty((n_int, n_difference, rows.stop - rows.start, columns), np.bool_)
    wide = columns + 2 * reach
    _above(
        deviation, least, _ENOUGH * cells * least, spans, runs, reach, rows.start,
        out.view(np.uint8), np.empty((height + 2 * reach + 1, wide), np.float32),
        np.empty((len(spans), wide), np.float32), np.empty(columns, np.float32),
    )  # fmt: skip
    return out
