"""Ramps that are whole: runs of pixels whose integrations begin and end alike, without flags between."""

import numpy as np

from calcore.flags import DQ
from calcore.kernels._jit import U1x4, helper

_DNU = np.uint8(DQ.DO_NOT_USE)


@helper
def run_width(columns: int, most: int) -> int:
    """Return how wide runs of at most so many pixels are that a row is evenly cut into."""
    runs = max((columns + most - 1) // most, 1)
    width = (columns + runs - 1) // runs
    return (width + 15) // 16 * 16


@helper
def whole_span(
    groupdq: U1x4, integration: int, y: int, left: int, width: int, begin: int, end: int
) -> tuple[int, int]:
    """Return first group and end of what a run of pixels has in common.

    Groups at either end that carry DO_NOT_USE in all `width` pixels from `left` on are left out; one
    group is always left. What else they carry is for the caller to look at.
    """
    while begin < end - 1:
        x = 0
        while x < width and groupdq[integration, begin, y, left + x] & _DNU:
            x += 1
        if x < width:
            break
        begin += 1
    while end > begin + 1:
        x = 0
        while x < width and groupdq[integration, end - 1, y, left + x] & _DNU:
            x += 1
        if x < width:
            break
        end -= 1
    return begin, end
