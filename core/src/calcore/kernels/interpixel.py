"""Charge that couples into neighbouring pixels, and its correction by convolution."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, F4x4, I8x1, kernel


@kernel
def _convolve(data: F4x3, weights: F4x2, area: I8x1, out: F4x3) -> None:
    planes, rows, columns = data.shape
    height, width = weights.shape
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
                    weight = weights[j, i]
                    for x in range(max(left, left + shift), min(right, right + shift)):
                        out[p, y, x] += weight * data[p, v, x - shift]
            weight = weights[middle_y, middle_x]
            for x in range(left, right):
                out[p, y, x] += weight * data[p, y, x]


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
    stack = (-1, *data.shape[-2:])
    limits = np.array(area, np.int64)
    if weights.ndim == 2:
        _convolve(data.reshape(stack), weights, limits, out.reshape(stack))
    else:
        _convolve_varying(data.reshape(stack), weights, limits, out.reshape(stack))
    return out
