"""Means without outliers: in double precision, or as numpy has them in single precision."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import B1x2, F4x1, F4x3, F4x4, F8x1, F8x3, I8x1, I8x2, helper, kernel

Float = NDArray[np.float32]
Double = NDArray[np.float64]
SIGMA = 3.0
_BLOCK, _DEPTH = 128, 64
"""Values that numpy adds without halving them, and how often it may halve."""


@helper
def _clipped_mean(buffer: F8x1, count: int, sigma: float) -> float:
    """Return the mean without outliers of the first `count` values. Changes the buffer."""
    while count > 0:
        mean = 0.0
        for k in range(count):
            mean += buffer[k]
        mean /= count
        spread = 0.0
        for k in range(count):
            spread += (buffer[k] - mean) * (buffer[k] - mean)
        spread = np.sqrt(spread / count)
        if spread == 0:
            return mean
        kept = 0
        for k in range(count):
            if mean - sigma * spread <= buffer[k] <= mean + sigma * spread:
                buffer[kept] = buffer[k]
                kept += 1
        if kept == count:
            return mean
        count = kept
    return np.nan


@kernel
def _clipped_means(values: F4x4, good: B1x2, kind: I8x2, sigma: float, out: F8x3,
                   out_buffer: F8x1) -> None:  # fmt: skip
    integrations, groups, lines, columns = values.shape
    for i in range(integrations):
        for g in range(groups):
            for which in range(out.shape[2]):
                count = 0
                for line in range(lines):
                    for x in range(columns):
                        value = values[i, g, line, x]
                        if kind[line, x] == which and good[line, x] and value == value:  # noqa: PLR0124
                            out_buffer[count] = value
                            count += 1
                out[i, g, which] = _clipped_mean(out_buffer, count, sigma)


def clipped_means(
    values: Float,
    good: NDArray[np.bool_],
    kind: NDArray[np.int64],
    kinds: int,
    sigma: float = SIGMA,
) -> Double:
    """Return the mean of each kind of pixels without outliers.

    Parameters
    ----------
    values : float32 (n_int, n_group, n_line, n_column)
        Signal [DN]; NaN does not count.
    good : bool (n_line, n_column)
        True for pixels that count.
    kind : int64 (n_line, n_column)
        Kind of each pixel, from 0.
    kinds : int
        Number of kinds.
    sigma : float
        Limit of the outliers [standard deviations].

    Returns
    -------
    float64 (n_int, n_group, n_kind)
        Mean of the values not farther than `sigma` standard deviations from the mean, found by
        iteration; NaN for a kind without good pixels.
    """
    out = np.empty((*values.shape[:2], kinds), np.float64)
    buffer = np.empty(good.size, np.float64)
    _clipped_means(
        np.ascontiguousarray(values), np.ascontiguousarray(good), np.ascontiguousarray(kind),
        sigma, out, buffer,
    )  # fmt: skip
    return out


@helper
def _block_sum(values: F4x1, first: int, count: int) -> np.float32:
    """Return the sum of up to 128 values, eight at a time."""
    total = np.float32(0)
    start = first + count // 8 * 8
    if count >= 8:
        a, b, c, d = values[first], values[first + 1], values[first + 2], values[first + 3]
        e, f, g, h = values[first + 4], values[first + 5], values[first + 6], values[first + 7]
        for k in range(first + 8, start, 8):
            a, b, c, d = a + values[k], b + values[k + 1], c + values[k + 2], d + values[k + 3]
            e, f, g, h = e + values[k + 4], f + values[k + 5], g + values[k + 6], h + values[k + 7]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for k in range(start, first + count):
        total += values[k]
    return total


@helper
def _pairwise_sum(values: F4x1, count: int, out_counts: I8x1, out_sums: F4x1) -> np.float32:
    """Return the sum of the first values as numpy adds them: halves of halves, down to blocks."""
    first, sums, waiting = 0, 0, 1
    out_counts[0] = count
    while waiting > 0:
        waiting -= 1
        here = out_counts[waiting]
        if here < 0:  # both halves are known
            sums -= 1
            out_sums[sums - 1] += out_sums[sums]
        elif here <= _BLOCK:
            out_sums[sums] = _block_sum(values, first, here)
            first += here
            sums += 1
        else:
            half = here // 16 * 8
            out_counts[waiting], out_counts[waiting + 1] = -1, here - half
            out_counts[waiting + 2] = half
            waiting += 3
    total: np.float32 = out_sums[0]
    return total


@kernel
def _single_precision_means(values: F4x4, good: B1x2, kind: I8x2, sigma: float, out: F4x3,
                            out_kept: F4x1, out_squares: F4x1, out_counts: I8x1,
                            out_sums: F4x1) -> None:  # fmt: skip
    integrations, groups, lines, columns = values.shape
    for i in range(integrations):
        for g in range(groups):
            for which in range(out.shape[2]):
                left, count = 0, 0
                for line in range(lines):
                    for x in range(columns):
                        value = values[i, g, line, x]
                        if kind[line, x] == which and good[line, x] and value == value:  # noqa: PLR0124
                            out_kept[left] = value
                            left += 1
                out[i, g, which] = np.nan
                while left != count:
                    count, left = left, 0
                    mean = np.float32(_pairwise_sum(out_kept, count, out_counts, out_sums) / count)
                    for k in range(count):
                        out_squares[k] = (out_kept[k] - mean) * (out_kept[k] - mean)
                    square = _pairwise_sum(out_squares, count, out_counts, out_sums) / count
                    reach = np.float32(sigma) * np.sqrt(np.float32(square))
                    out[i, g, which] = mean
                    for k in range(count):
                        if not reach > 0 or mean - reach <= out_kept[k] <= mean + reach:
                            out_kept[left] = out_kept[k]
                            left += 1


def single_precision_means(
    values: Float,
    good: NDArray[np.bool_],
    kind: NDArray[np.int64],
    kinds: int,
    sigma: float = SIGMA,
) -> Float:
    """Return what `clipped_means` does, from sums in single precision, in the order of numpy's."""
    out = np.empty((*values.shape[:2], kinds), np.float32)
    kept, squares = np.empty((2, good.size), np.float32)
    counts, sums = np.empty(3 * _DEPTH, np.int64), np.empty(_DEPTH, np.float32)
    _single_precision_means(
        np.ascontiguousarray(values), np.ascontiguousarray(good), np.ascontiguousarray(kind),
        sigma, out, kept, squares, counts, sums,
    )  # fmt: skip
    return out
