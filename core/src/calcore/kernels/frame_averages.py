"""Frames averaged into groups as the on-board electronics does it."""

from typing import Any

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
def _average_double(frames: F8x3, count: int, stride: int, out: F4x3) -> None:
    groups, rows, columns = out.shape
    for g in range(groups):
        for y in range(rows):
            for x in range(columns):
                total = 0.0
                for k in range(count):
                    total += frames[g * stride + k, y, x]
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
        Mean signal of each group [DN].
    """
    out = np.empty((groups, *frames.shape[-2:]), np.float32)
    needed = (groups - 1) * (count + gap) + count
    if needed <= frames.shape[0]:
        _average(frames, count, count + gap, out)
    else:
        _average_double(continue_frames(frames, needed), count, count + gap, out)
    return out


def continue_frames(frames: NDArray[np.float32], wanted: int) -> NDArray[np.float64]:
    """Continue a ramp by the line through its last two frames.

    Parameters
    ----------
    frames : float32 (n_frame, ny, nx)
        Signal of every frame [DN]; at least two.
    wanted : int
        Number of frames wanted.

    Returns
    -------
    float64 (n_frame, ny, nx)
        Signal [DN]; 0 where it is NaN, and in all frames beyond the last where one of the last
        two is.
    """
    step = frames[-1] - frames[-2]
    beyond = np.arange(1, wanted - frames.shape[0] + 1, dtype=np.float64)[:, None, None]
    longer: NDArray[np.float64] = np.concatenate([frames, frames[-1] + beyond * step])
    return np.nan_to_num(longer)


def dark_rate(frames: Any, group_time_s: float) -> NDArray[np.float32]:
    """Return by how much a dark rises in a second.

    Parameters
    ----------
    frames : float32 ([n_int,] n_group, ny, nx)
        Signal of every group [DN]; at least two. The last integration counts, which has settled.
        Indexed by integration and group only.
    group_time_s : float
        Time from one group to the next [s].

    Returns
    -------
    float32 (ny, nx)
        Mean slope [DN/s]; 0 where it is NaN or falls.
    """
    first, last = (frames[(-1,) * (len(frames.shape) - 3) + (group,)] for group in (0, -1))
    slope = (last - first) / np.float32(group_time_s * (frames.shape[-3] - 1))
    rate: NDArray[np.float32] = np.maximum(np.nan_to_num(slope), np.float32(0))
    return rate
