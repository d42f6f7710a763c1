"""Count rates from few reads, and their errors.

The difference of two reads is called correlated double sampling, since the noise of the reset is in
both; with several reads averaged at either end it is Fowler sampling (Fowler & Gatley 1990, ApJ 353,
L33). Of two independent numbers of the same normal distribution the lesser one scatters by
``1 - 1/π`` times their variance (Clark 1961, Operations Research 9, 145).
"""

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]

FOWLER_READS = 4
LESSER_OF_TWO = 1 - 1 / np.pi


def pair_difference(data: F4) -> F4:
    """Return the second group minus the first.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].

    Returns
    -------
    float32 (n_int, ny, nx)
        Difference [DN]; NaN where a read is NaN.
    """
    difference: F4 = data[:, 1] - data[:, 0]
    return difference


def fowler_difference(data: F4) -> F4:
    """Return the mean of the last four groups minus that of the first four; shapes as above."""
    first = data[:, :FOWLER_READS].mean(axis=1, dtype=np.float64)
    last = data[:, -FOWLER_READS:].mean(axis=1, dtype=np.float64)
    difference: F4 = (last - first).astype(np.float32)
    return difference


def lesser_difference(data: F4) -> F4:
    """Return the lesser difference of the first two integrations: what a hit adds is left out.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].

    Returns
    -------
    float32 (1, ny, nx)
        Difference [DN]; NaN where it is NaN in one of the integrations.
    """
    differences = pair_difference(data[:2])
    lesser: F4 = np.minimum(differences[:1], differences[1:2])
    return lesser


def customary_error(difference: F4, gain: F4, readnoise: F4, time_s: float) -> F4:
    """Return the error of a count rate as it is usually given for guide stars.

    Parameters
    ----------
    difference : float32 (n_int, ny, nx)
        Signal gathered in `time_s` [DN].
    gain : float32 (ny, nx) or scalar
        Gain [electron/DN].
    readnoise : float32 (ny, nx) or scalar
        Noise of the difference of two reads [DN].
    time_s : float
        Time between the reads [s].

    Returns
    -------
    float32 (n_int, ny, nx)
        Square root of twice the square of the read noise over the time, and the signal over gain
        and time; a negative signal adds nothing. NaN where something is NaN, infinite where the
        gain is 0.
    """
    time = np.float32(time_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        photons = np.maximum(difference / (gain * time), np.float32(0))
        error: F4 = np.sqrt(np.float32(2) * (readnoise / time) ** 2 + photons)
    return error


def standard_error(
    difference: F4, gain: F4, readnoise: F4, time_s: float, *, reads: int = 1, lesser: bool = False
) -> F4:
    """Return the standard deviation of a count rate.

    Parameters
    ----------
    difference, gain, readnoise, time_s
        As in `customary_error`.
    reads : int
        Reads that were averaged at either end.
    lesser : bool
        Whether the lesser one of two differences was taken.

    Returns
    -------
    float32 (n_int, ny, nx)
        Error [DN/s]; NaN where gain or read noise is not known, or the signal is NaN.
    """
    usable = np.where(gain > 0, gain, np.float32(np.nan)).astype(np.float64)
    variance = np.square(readnoise, dtype=np.float64) / reads + np.maximum(difference, 0) / usable
    if lesser:
        variance *= LESSER_OF_TWO
    error: F4 = (np.sqrt(variance) / time_s).astype(np.float32)
    return error
