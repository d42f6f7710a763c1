"""Saturation in averages of frames, as the reference pipeline finds it in IRS2 exposures."""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ


def flag_second_saturated(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    threshold: NDArray[np.float32],
    bias: NDArray[np.float32],
    reach: int,
    frames: int,
) -> NDArray[np.uint8]:
    """Flag the second group where a hit in it must have saturated its last frames.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Raw signal [DN].
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags so far.
    threshold, bias : float32 (ny, nx)
        Smallest saturated signal, and signal at the reset [DN].
    reach : int
        How far the flags grow, in a square box [pixel].
    frames : int
        Frames averaged into a group.

    Returns
    -------
    uint8 (n_int, n_group, ny, nx)
        SATURATED is added to the second group of pixels that saturate in the third, although the
        first foretells that they should not, if the second rose by more than one saturated frame
        explains; and of those around them.
    """
    out = groupdq.copy()
    if data.shape[1] < 3:
        return out
    mean, last = np.float32((frames + 1) / 2), np.float32(3 * frames)
    for own, flags in zip(data, out, strict=True):
        first, second, third = own[:3]
        expected = (first - bias) / mean * last + bias
        room = (threshold - first) / np.float32(frames)
        hit = (third >= threshold) & (second < threshold)
        hit &= (expected < threshold) & (second - first > room)
        if hit.any():
            from scipy.ndimage import maximum_filter  # noqa: PLC0415 - 15 MB, which other read-outs do not need

            grown = maximum_filter(hit, 2 * reach + 1, mode="constant")
            flags[1][grown] |= np.uint8(DQ.SATURATED)
    return out
