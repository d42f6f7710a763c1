"""How many pixels carry a flag that they did not carry before."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import I8x1, U1x3, U4x3, helper, kernel, unsigned


def count_new_flags(
    before: NDArray[Any], after: NDArray[Any], rows: slice, columns: slice
) -> NDArray[np.int64]:
    """Count, for each bit, the elements of planes that carry it after, and did not before.

    Parameters
    ----------
    before, after : uint8 or uint32 (..., ny, nx)
        Flags of the same elements.
    rows, columns : slice
        The part of each plane that is looked at; start and stop are given.

    Returns
    -------
    int64 (8,) or (32,)
        One number for each bit, the lowest first.
    """
    ny, nx = after.shape[-2:]
    stacks = [np.ascontiguousarray(planes).reshape(-1, ny, nx) for planes in (before, after)]
    counts = np.zeros(8 * after.dtype.itemsize, np.int64)
    count: Callable[..., None] = _count8 if after.dtype == np.uint8 else _count32
    count(*stacks, rows.start, rows.stop, columns.start, columns.stop, counts)
    return counts


@helper
def _count(before: Any, after: Any, first: int, last: int, left: int, right: int, out: Any) -> None:
    """Look at a row for what is new at all, and only then bit by bit."""
    start, width = unsigned(left), unsigned(right - left)
    for plane in range(unsigned(after.shape[0])):
        for y in range(unsigned(first), unsigned(last)):
            new = after[plane, y, start] & ~after[plane, y, start]
            for x in range(width):
                new |= after[plane, y, start + x] & ~before[plane, y, start + x]
            if new == 0:
                continue
            for bit in range(out.size):
                if (new >> bit) & 1:
                    number = 0
                    for x in range(width):
                        added = after[plane, y, start + x] & ~before[plane, y, start + x]
                        number += (added >> bit) & 1
                    out[bit] += number


@kernel
def _count8(
    before: U1x3, after: U1x3, first: int, last: int, left: int, right: int, out: I8x1
) -> None:
    _count(before, after, first, last, left, right, out)


@kernel
def _count32(
    before: U4x3, after: U4x3, first: int, last: int, left: int, right: int, out: I8x1
) -> None:
    _count(before, after, first, last, left, right, out)
