"""Frames averaged into groups as the on-board electronics does it."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x3, F8x3, kernel


@kernel
def _average(frames: F4x3, count: int, stride: int, out: F4x3) -> None:
    groups, rows, columns = out.shape
    for g in range(groups):
        for y in range(rows):
            for x in range(columns):
                out[g, y, x] = 0
            for k in range(count):
                for x in range(columns):
                    level = frames[g * stride + k, y, x]
                    if level == level:  # noqa: PLR0124 - not NaN
                        out[g, y, x] += level
            for x in range(columns):
                out[g, y, x] /= np.float32(count)


@kernel
def _average_extended(frames: F4x3, count: int, stride: int, out: F8x3) -> None:
    groups, rows, columns = out.shape
    last = frames.shape[0] - 1
    for g in range(groups):
        for y in range(rows):
            for x in range(columns):
                total = 0.0
                for k in range(count):
                    f = g * stride + k
                    if f <= last:
                        level = np.float64(frames[f, y, x])
                    else:
                        end = np.float64(frames[last, y, x])
                        level = end + (f - last) * (end - np.float64(frames[last - 1, y, x]))
                    if level == level:  # noqa: PLR0124 - not NaN
                        total += level
                out[g, y, x] = total / count


def average_frames(
    frames: NDArray[np.float32], groups: int, count: int, gap: int
) -> NDArray[np.float32]:
    """Average frames into groups; continue them linearly where there are too few.

    Parameters
    ----------
    frames : float32 (n_frame, ny, nx)
        Signal of every frame [DN]; NaN counts as 0.
    groups : int
        Number of groups wanted.
    count, gap : int
        Frames averaged into one group, and frames dropped after it.

    Returns
    -------
    float32 (n_group, ny, nx)
        Mean signal of each group [DN]. Frames beyond the last one continue the line through the
        last two, and are NaN, thus 0, where one of these is.

    Raises
    ------
    ValueError
        Frames are too few and fewer than two.
    """
    rows, columns = frames.shape[-2:]
    needed = (groups - 1) * (count + gap) + count
    if needed <= frames.shape[0]:
        out = np.empty((groups, rows, columns), np.float32)
        _average(frames, count, count + gap, out)
        return out
    if frames.shape[0] < 2:
        raise ValueError(f"one frame cannot be continued to {needed}")
    extended = np.empty((groups, rows, columns), np.float64)
    _average_extended(frames, count, count + gap, extended)
    return extended.astype(np.float32)
