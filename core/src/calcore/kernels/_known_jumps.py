"""Jumps that were flagged before any are looked for."""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import I4x2, U1x4, kernel

_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = np.uint8(DQ.JUMP_DET)
_NOT_JUMP = np.uint8(0xFF ^ DQ.JUMP_DET)


@kernel
def _count(groupdq: U1x4, out: U1x4, out_count: I4x2) -> None:
    n_int, n_group, rows, columns = groupdq.shape
    for n in range(n_int):
        for group in range(n_group):
            for y in range(rows):
                present = np.uint8(0)
                for x in range(columns):
                    present |= groupdq[n, group, y, x]
                if not present & _JUMP:
                    continue
                for x in range(columns):
                    flags = groupdq[n, group, y, x]
                    if flags & _UNUSABLE:
                        flags &= _NOT_JUMP
                    out[n, group, y, x] = flags
                    out_count[y, x] += (flags & _JUMP) != 0


def known_jumps(groupdq: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return flags to which jumps are added, and how many are known in each pixel.

    Parameters
    ----------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of each sample.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        A copy, in which samples with DO_NOT_USE or SATURATED have no JUMP_DET.
    count : int32 (ny, nx)
        Samples with JUMP_DET.
    """
    out, count = groupdq.copy(), np.zeros(groupdq.shape[2:], np.int32)
    _count(groupdq, out, count)
    return out, count
