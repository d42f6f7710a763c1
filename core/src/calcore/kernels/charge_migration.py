"""Samples that lose charge to, or gain it from, bright neighbours."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x4, U1x2, U1x4, kernel

DO_NOT_USE = 1
CHARGELOSS_UNUSABLE = 128 | DO_NOT_USE


@kernel
def _flag(data: F4x4, groupdq: U1x4, threshold: float, out: U1x4, out_so_far: U1x2) -> None:
    integrations, groups, rows, columns = data.shape
    limit = np.float32(threshold)
    for i in range(integrations):
        for y in range(rows):
            for x in range(columns):
                out_so_far[y, x] = 0
        for g in range(groups):
            for y in range(rows):
                for x in range(columns):
                    out[i, g, y, x] = groupdq[i, g, y, x]
            for y in range(rows):
                found = np.uint8(0)
                for x in range(columns):
                    usable = groupdq[i, g, y, x] != DO_NOT_USE
                    above = np.uint8(1) if usable and data[i, g, y, x] > limit else np.uint8(0)
                    above |= out_so_far[y, x]
                    out_so_far[y, x] = above
                    found |= above
                if found == 0:
                    continue
                for x in range(columns):
                    if out_so_far[y, x] == 0:
                        continue
                    out[i, g, y, x] |= np.uint8(CHARGELOSS_UNUSABLE)
                    if y > 0:
                        out[i, g, y - 1, x] |= np.uint8(CHARGELOSS_UNUSABLE)
                    if y + 1 < rows:
                        out[i, g, y + 1, x] |= np.uint8(CHARGELOSS_UNUSABLE)
                    if x > 0:
                        out[i, g, y, x - 1] |= np.uint8(CHARGELOSS_UNUSABLE)
                    if x + 1 < columns:
                        out[i, g, y, x + 1] |= np.uint8(CHARGELOSS_UNUSABLE)


def flag_charge_migration(
    data: NDArray[np.float32], groupdq: NDArray[np.uint8], threshold: float
) -> NDArray[np.uint8]:
    """Flag samples once a pixel or one of its four neighbours has passed a threshold.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Linear signal [DN]. NaN passes no threshold.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. A sample with DO_NOT_USE and no other flag is not looked at.
    threshold : float
        Signal from which charge migrates [DN].

    Returns
    -------
    uint8 (n_int, n_group, ny, nx)
        `groupdq` with CHARGELOSS and DO_NOT_USE from the first group above the threshold on.
    """
    out = np.empty_like(groupdq)
    _flag(data, groupdq, threshold, out, np.empty(data.shape[-2:], np.uint8))
    return out
