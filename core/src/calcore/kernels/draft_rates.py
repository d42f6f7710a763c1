"""Count rates in a hurry: what a step before the fit of ramps needs to tell sources from sky."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.ramp_fit_ols import fit_ordinary

_ROWS = 64


def draft_rates(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    group_time_s: float,
    frame_time_s: float,
    n_frames: int = 1,
    each: bool = False,
) -> NDArray[np.float32]:
    """Return the count rates of ramps by weighted least squares, and nothing else of the fit.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags.
    pixeldq : uint32 (ny, nx)
        Flags.
    gain, readnoise : float32 (ny, nx)
        Gain [electron/DN] and noise of the difference of two reads [DN].
    group_time_s, frame_time_s : float
        Time between groups and time of one read [s].
    n_frames : int
        Reads averaged into a group.
    each : bool
        Return the rates of all integrations, else their mean.

    Returns
    -------
    float32 (n_int or 1, ny, nx)
        Rates [DN/s]; NaN where there is none.
    """
    n_int, _, rows, columns = data.shape
    out = np.empty((n_int if each else 1, rows, columns), np.float32)
    for start in range(0, rows, _ROWS):  # a whole frame at once would need as much memory again
        band = slice(start, start + _ROWS)
        fit = fit_ordinary(
            np.ascontiguousarray(data[..., band, :]),
            np.ascontiguousarray(groupdq[..., band, :]),
            np.ascontiguousarray(pixeldq[band]),
            np.ascontiguousarray(gain[band]),
            np.ascontiguousarray(readnoise[band]),
            group_time_s=group_time_s,
            frame_time_s=frame_time_s,
            n_frames=n_frames,
        )
        out[:, band] = fit.integrations[0] if each else fit.rate
    return out
