"""First groups of a ramp that the reset switch charge decay spoils."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import I8x1, U1x3, U1x4, U4x2, kernel

DO_NOT_USE = 1
SATURATED = 2
FLUX_ESTIMATED = 1 << 28


@kernel
def _flag(groupdq: U1x4, skips: I8x1, out: U1x4, out_pixeldq: U4x2, out_flagged: U1x3) -> None:
    integrations, groups, rows, columns = groupdq.shape
    for i in range(integrations):
        skip = skips[i]
        for g in range(groups):
            unusable = np.uint8(DO_NOT_USE) if g < skip else np.uint8(0)
            for y in range(rows):
                for x in range(columns):
                    out[i, g, y, x] = groupdq[i, g, y, x] | unusable
        for y in range(rows):
            for x in range(columns):
                kept = skip
                soon = skip > 0 and groupdq[i, skip + 1, y, x] & SATURATED != 0
                if soon and groupdq[i, 0, y, x] & SATURATED == 0:
                    while kept > 0 and groupdq[i, kept + 1, y, x] & SATURATED != 0:
                        kept -= 1
                        out[i, kept, y, x] = groupdq[i, kept, y, x]
                    out_pixeldq[y, x] |= np.uint32(FLUX_ESTIMATED)
                out_flagged[i, y, x] = kept


def flag_first_groups(
    groupdq: NDArray[np.uint8], pixeldq: NDArray[np.uint32], skips: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint8]]:
    """Flag the first groups of each integration, fewer where the ramp saturates early.

    Parameters
    ----------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of samples.
    pixeldq : uint32 (ny, nx)
        Flags of pixels.
    skips : int64 (n_int)
        Groups to flag in each integration; two more groups must follow at least.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        With DO_NOT_USE in the first groups. A pixel that is SATURATED in the second group after
        them, but not in its first, gets groups back, the last first, until two are usable.
    pixeldq : uint32 (ny, nx)
        With FLUX_ESTIMATED where groups were given back.
    flagged : uint8 (n_int, ny, nx)
        How many groups were flagged.
    """
    out, out_pixeldq = np.empty_like(groupdq), pixeldq.copy()
    flagged = np.empty((groupdq.shape[0], *pixeldq.shape), np.uint8)
    _flag(groupdq, skips, out, out_pixeldq, flagged)
    return out, out_pixeldq, flagged
