"""Images and ramps subtracted from ramps, such as a bias, a dark or what a reset leaves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, F4x4, kernel

_PIECE = 1 << 20
"""Bytes of a ramp that are subtracted at a time [byte]: they stay in the processor's cache."""


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
def _subtract_groups(
    data: F4x4, groups: F4x3, first: int, stop: int, begin: int, out: F4x4
) -> None:
    rows, columns = groups.shape[1:]
    for i in range(first, stop):
        for g in range(groups.shape[0]):
            for y in range(rows):
                for x in range(columns):
                    level = groups[g, y, x]
                    if level != level:  # noqa: PLR0124 - NaN
                        level = np.float32(0)
                    out[i, begin + g, y, x] = data[i, begin + g, y, x] - level


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


def subtract_ramp(data: NDArray[np.float32], ramp: Any, first: int = 0) -> NDArray[np.float32]:
    """Subtract a ramp, group by group, from every integration.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    ramp : float32 ([n_int',] n_group', ny, nx)
        What is subtracted [DN]; nothing where it is NaN, nor from groups beyond its last. The last
        of its integrations stands for all that follow. Indexed as ``ramp[[integration,] groups]``
        only, for few groups at a time: it may lie in a file.
    first : int
        Which integration of `ramp` belongs to the first one of `data`.

    Returns
    -------
    float32, shape of `data`
    """
    out = np.empty_like(data)
    n_int, n_group, rows, columns = data.shape
    *stack, known = ramp.shape[:-2]
    known = min(known, n_group)
    some = max(1, _PIECE // max(1, 4 * rows * columns))
    which = np.minimum(np.arange(n_int) + first, stack[0] - 1 if stack else 0)
    for begin in range(0, known, some):
        groups = slice(begin, min(begin + some, known))
        for number in np.unique(which):
            own = np.flatnonzero(which == number)
            levels = np.ascontiguousarray(ramp[number, groups] if stack else ramp[groups])
            _subtract_groups(data, levels, int(own[0]), int(own[-1]) + 1, begin, out)
    out[:, known:] = data[:, known:]
    return out
