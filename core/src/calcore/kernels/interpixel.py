"""Charge that couples into neighbouring pixels, and its correction by convolution."""

import math

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, F4x4, I8x1, helper, kernel, unsigned

_NEXT = np.uint64(1)


@helper
def _pixel(plane: F4x2, weights: F4x2, left: int, right: int, y: int, x: int) -> np.float32:
    """Return the sum over one pixel's eight neighbours that take part, the pixel itself last."""
    total = np.float32(0)
    for j in range(3):
        row = plane[y + 1 - j]
        for i in range(max(0, x - right + 2), min(3, x - left + 2)):
            if j != 1 or i != 1:
                total += weights[j, i] * row[x + 1 - i]
    result: np.float32 = total + weights[1, 1] * plane[y, x]
    return result


@kernel
def _convolve(data: F4x3, weights: F4x2, area: I8x1, out: F4x3) -> None:
    planes, rows, columns = data.shape
    height, width = weights.shape
    middle_y, middle_x = height // 2, width // 2
    top, bottom, left, right = area[0], area[1], area[2], area[3]
    small = height == 3 and width == 3 and right - left > 2
    for p in range(planes):
        plane = data[p]
        for y in range(rows):
            result, same = out[p, y], plane[y]
            if y < top or y >= bottom:
                for x in range(columns):
                    result[x] = same[x]
                continue
            for x in range(left):
                result[x] = same[x]
            for x in range(right, columns):
                result[x] = same[x]
            if small and top < y < bottom - 1:
                # The common kernel is one loop but for the ends; the order of the sum is the same.
                a, b, c = weights[0, 0], weights[0, 1], weights[0, 2]
                d, e, f = weights[1, 0], weights[1, 1], weights[1, 2]
                g, h, k = weights[2, 0], weights[2, 1], weights[2, 2]
                above, below = plane[y + 1], plane[y - 1]
                for x in range(unsigned(left + 1), unsigned(right - 1)):
                    total = a * above[x + _NEXT] + b * above[x]
                    total += c * above[x - _NEXT]
                    total += d * same[x + _NEXT]
                    total += f * same[x - _NEXT]
                    total += g * below[x + _NEXT]
                    total += h * below[x]
                    total += k * below[x - _NEXT]
                    result[x] = total + e * same[x]
                result[left] = _pixel(plane, weights, left, right, y, left)
                result[right - 1] = _pixel(plane, weights, left, right, y, right - 1)
                continue
            for x in range(left, right):
                result[x] = 0
            for j in range(max(0, y + middle_y - bottom + 1), min(height, y + middle_y - top + 1)):
                row = plane[y + middle_y - j]
                for i in range(width):
                    shift = i - middle_x
                    if j != middle_y or shift != 0:
                        for x in range(max(left, left + shift), min(right, right + shift)):
                            result[x] += weights[j, i] * row[x - shift]
            for x in range(left, right):
                result[x] += weights[middle_y, middle_x] * same[x]


@kernel
def _convolve_varying(data: F4x3, weights: F4x4, area: I8x1, out: F4x3) -> None:
    planes, rows, columns = data.shape
    height, width = weights.shape[0], weights.shape[1]
    middle_y, middle_x = height // 2, width // 2
    top, bottom, left, right = area[0], area[1], area[2], area[3]
    for p in range(planes):
        for y in range(rows):
            if y < top or y >= bottom:
                for x in range(columns):
                    out[p, y, x] = data[p, y, x]
                continue
            for x in range(columns):
                out[p, y, x] = 0 if left <= x < right else data[p, y, x]
            for j in range(height):
                v = y - (j - middle_y)
                if v < top or v >= bottom:
                    continue
                for i in range(width):
                    if j == middle_y and i == middle_x:
                        continue
                    shift = i - middle_x
                    for x in range(max(left, left + shift), min(right, right + shift)):
                        out[p, y, x] += weights[j, i, y, x] * data[p, v, x - shift]
            for x in range(left, right):
                out[p, y, x] += weights[middle_y, middle_x, y, x] * data[p, y, x]


def convolve(
    data: NDArray[np.float32],
    weights: NDArray[np.float32],
    area: tuple[int, int, int, int],
) -> NDArray[np.float32]:
    """Convolve every plane with a small kernel.

    Parameters
    ----------
    data : float32 (..., ny, nx)
        Signal [DN]. A NaN spreads over all pixels that the kernel reaches from there.
    weights : float32 (ky, kx) or (ky, kx, ny, nx)
        The kernel, of odd height and width: ``weights[j, i]`` is what a pixel adds to the one
        ``j - ky // 2`` rows above and ``i - kx // 2`` columns to its right. With four axes, every
        pixel that receives signal has its own.
    area : int (4)
        First row, row after the last, first column and column after the last of what takes part.
        Pixels outside are copied, and nothing couples in from there.

    Returns
    -------
    float32, shape of `data`
        Sums are taken over the neighbours row by row, the pixel itself last.
    """
    out = np.empty_like(data)
    stack = (math.prod(data.shape[:-2]), *data.shape[-2:])
    limits = np.array(area, np.int64)
    if weights.ndim == 2:
        _convolve(data.reshape(stack), weights, limits, out.reshape(stack))
    else:
        _convolve_varying(data.reshape(stack), weights, limits, out.reshape(stack))
    return out
