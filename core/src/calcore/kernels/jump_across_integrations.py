"""Jumps, found by comparing a pixel's differences with those of its other integrations.

With many integrations their scatter tells the noise of a difference, whatever makes it: values
beyond some standard deviations from the median are clipped, and again from what is left. The JWST
documentation's jump page describes it; the clipping is that of astropy's ``sigma_clip``.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._differences import median_of
from calcore.kernels._jit import F4x2, F4x4, F8x1, F8x2, I4x2, U1x4, helper, kernel
from calcore.kernels._known_jumps import known_jumps

_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = np.uint8(DQ.JUMP_DET)
_CHUNK = 32  # pixels whose differences are gathered at once
_PASSES = 5


@helper
def _bounds(out_value: F8x1, length: int, threshold: float) -> tuple[float, float]:
    """Return the lowest and highest value that stay; the order of values is lost."""
    low, high = -np.inf, np.inf
    for _ in range(_PASSES):
        center = median_of(out_value, length)
        mean = 0.0
        for i in range(length):
            mean += out_value[i]
        mean /= length
        square = 0.0
        for i in range(length):
            square += (out_value[i] - mean) ** 2
        reach = threshold * np.sqrt(square / length)
        low, high = center - reach, center + reach
        kept = 0
        for i in range(length):
            if low <= out_value[i] <= high:
                out_value[kept] = out_value[i]
                kept += 1
        if kept in (0, length):
            break
        length = kept
    return low, high


@kernel
def _clip(
    data: F4x4,
    groupdq: U1x4,
    gain: F4x2,
    threshold: float,
    together: bool,
    out_value: F8x2,
    out_sorted: F8x1,
    out_groupdq: U1x4,
    out_count: I4x2,
) -> None:
    n_int, n_group, rows, columns = data.shape
    for y in range(rows):
        for left in range(0, columns, _CHUNK):
            width = min(_CHUNK, columns - left)
            for begin in range(1, 2 if together else n_group):
                end = n_group if together else begin + 1
                length = n_int * (end - begin)
                for integration in range(n_int):
                    for group in range(begin, end):
                        place = integration * (end - begin) + group - begin
                        for x in range(width):
                            # Single precision, as the other ways to find jumps have it.
                            factor = gain[y, left + x]
                            now = data[integration, group, y, left + x] * factor
                            before = data[integration, group - 1, y, left + x] * factor
                            flags = groupdq[integration, group, y, left + x]
                            flags |= groupdq[integration, group - 1, y, left + x]
                            out_value[x, place] = np.nan if flags & _UNUSABLE else now - before
                for x in range(width):
                    known = 0
                    for place in range(length):
                        value = out_value[x, place]
                        if np.isfinite(value):
                            out_sorted[known] = value
                            known += 1
                    if known == 0:
                        continue
                    low, high = _bounds(out_sorted, known, threshold)
                    for place in range(length):
                        value = out_value[x, place]
                        if not (value < low or value > high) or not np.isfinite(value):
                            continue
                        integration, group = place // (end - begin), begin + place % (end - begin)
                        flags = out_groupdq[integration, group, y, left + x]
                        out_groupdq[integration, group, y, left + x] = flags | _JUMP
                        out_count[y, left + x] += (flags & _JUMP) == 0


def clip_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    *,
    threshold: float = 4.0,
    together: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Flag differences between groups that are far from those of the other integrations.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A value that is not finite takes no part.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of each sample. Groups with DO_NOT_USE or SATURATED take no part, and carry no
        JUMP_DET in the result.
    gain : float32 (ny, nx)
        Gain [electron/DN]; no jumps are found where it is NaN.
    threshold : float
        Largest deviation from the median that is no jump [standard deviation].
    together : bool
        Compare the differences of all groups with each other; otherwise those of the same groups.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with JUMP_DET in the first group after a jump.
    count : int32 (ny, nx)
        Jumps of each pixel, those known before included.

    Notes
    -----
    Values are clipped at most five times. The read noise is not needed.
    """
    n_int, n_group = data.shape[:2]
    out, count = known_jumps(groupdq)
    length = n_int * (n_group - 1 if together else 1)
    _clip(
        data, groupdq, gain, threshold, together, np.empty((_CHUNK, length)), np.empty(length),
        out, count,
    )  # fmt: skip
    return out, count
