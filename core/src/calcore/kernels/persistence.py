"""Windows of time in which a pixel glows after having held much charge."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x4, F8x2, U1x2, U1x4, kernel

SATURATED = 2
PERSISTENCE = 32


@kernel
def _flag(
    data: F4x4,
    groupdq: U1x4,
    times: F8x2,
    window: float,
    threshold: float,
    flag: int,
    out: U1x4,
    out_ends: F8x2,
    out_full: U1x2,
) -> None:
    integrations, groups, rows, columns = data.shape
    for i in range(integrations):
        for y in range(rows):
            for x in range(columns):
                out_full[y, x] = 0
        for g in range(groups):
            now = times[i, g]
            for y in range(rows):
                for x in range(columns):
                    full = groupdq[i, g, y, x] & SATURATED != 0
                    if full and out_full[y, x] < 2:
                        out_full[y, x] += np.uint8(1)
                    end = out_ends[y, x]
                    if end < now:
                        end = 0.0
                    bright = end == 0.0 and data[i, g, y, x] > threshold
                    if bright or out_full[y, x] == 1:
                        end = now + window
                    elif end > now + window:  # it has not been opened yet
                        end = 0.0
                    out_ends[y, x] = end
                    out[i, g, y, x] = groupdq[i, g, y, x]
                    if end != 0.0:
                        out[i, g, y, x] |= np.uint8(flag)


def flag_persistence(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    times: NDArray[np.float64],
    ends: NDArray[np.float64],
    window: float,
    threshold: float,
    flag: int = PERSISTENCE,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Flag samples for some time after a pixel has held much charge.

    A window opens, anew where one is open, with the first saturated group of an integration, and
    as long as no second group is saturated with every group after it. Where none is open, one
    opens with a group above the threshold. The groups from there to the end of the window are
    flagged, both included.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. NaN is above no threshold.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. SATURATED opens windows; other flags do not matter.
    times : float64 (n_int, n_group)
        When each group ends [s], on the clock of `ends`.
    ends : float64 (ny, nx)
        When windows end that were opened before [s]; 0 where there is none. One that would have
        been opened later than a group is dropped there.
    window : float
        Length of windows [s].
    threshold : float
        Signal from which a window opens [DN]; infinite for none.
    flag : int
        Flags that samples within windows get.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
    ends : float64 (ny, nx)
        When windows end that are still open with the last group [s]; 0 where there is none.
    """
    out, out_ends = np.empty_like(groupdq), ends.copy()
    full = np.empty(ends.shape, np.uint8)
    _flag(data, groupdq, times, window, threshold, flag, out, out_ends, full)
    return out, out_ends
