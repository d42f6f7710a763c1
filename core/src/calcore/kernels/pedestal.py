"""Images and ramps subtracted from ramps, such as a bias, a dark or what a reset leaves."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, F4x4, I8x1, kernel


@kernel
def _subtract_image(data: F4x3, image: F4x2, keep_zero: bool, out: F4x3) -> None:
    planes, rows, columns = data.shape
    for plane in range(planes):
        for y in range(rows):
            for x in range(columns):
                value = data[plane, y, x]
                level = image[y, x]
                if level != level or (keep_zero and value == 0):  # noqa: PLR0124 - NaN
                    level = np.float32(0)
                out[plane, y, x] = value - level


@kernel
def _subtract_ramp(data: F4x4, ramp: F4x4, which: I8x1, out: F4x4) -> None:
    integrations, groups, rows, columns = data.shape
    for i in range(integrations):
        r = which[i]
        for g in range(groups):
            if g >= ramp.shape[1]:
                for y in range(rows):
                    for x in range(columns):
                        out[i, g, y, x] = data[i, g, y, x]
                continue
            for y in range(rows):
                for x in range(columns):
                    level = ramp[r, g, y, x]
                    if level != level:  # noqa: PLR0124 - NaN
                        level = np.float32(0)
                    out[i, g, y, x] = data[i, g, y, x] - level


def subtract_image(
    data: NDArray[np.float32], image: NDArray[np.float32], *, keep_zero: bool = False
) -> NDArray[np.float32]:
    """Subtract one image from every plane.

    Parameters
    ----------
    data : float32 (..., ny, nx)
        Signal [DN].
    image : float32 (ny, nx)
        What is subtracted [DN]; nothing where it is NaN.
    keep_zero : bool
        Leave values that are exactly 0, which stand for unusable ones, as they are.

    Returns
    -------
    float32, shape of `data`
    """
    out = np.empty_like(data)
    stack = (-1, *data.shape[-2:])
    _subtract_image(data.reshape(stack), image, keep_zero, out.reshape(stack))
    return out


def subtract_ramp(
    data: NDArray[np.float32], ramp: NDArray[np.float32], first: int = 0
) -> NDArray[np.float32]:
    """Subtract a ramp, group by group, from every integration.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    ramp : float32 ([n_int',] n_group', ny, nx)
        What is subtracted [DN]; nothing where it is NaN, nor from groups beyond its last. The last
        of its integrations stands for all that follow.
    first : int
        Which integration of `ramp` belongs to the first one of `data`.

    Returns
    -------
    float32, shape of `data`
    """
    stack = ramp if ramp.ndim == 4 else ramp[None]
    which = np.minimum(np.arange(data.shape[0]) + first, stack.shape[0] - 1).astype(np.int64)
    out = np.empty_like(data)
    _subtract_ramp(data, stack, which, out)
    return out
