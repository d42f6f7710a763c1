"""Count rates of greatest likelihood: differences of groups weighted by their full covariance.

The differences of successive groups of a ramp have a tri-diagonal covariance: photons that arrive
between two groups, and read noise that neighbouring differences share with opposite sign (Brandt
2024, PASP 136, 045004). The rate that makes the photon variance is found first; the errors are those
at the fitted rate.

With N reads of spacing f averaged into a group, and groups D apart, a rate a makes
``a (D - f (N^2 - 1) / 3N)`` of variance in a difference, and ``a f (N^2 - 1) / 6N`` of covariance
between neighbours.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._likely_whole import CHUNK, ROOM, fit_rows
from calcore.kernels._singled_out import pieces, planes_of, put_back
from calcore.kernels.ramp_fit_ols import RampFit, fit_ordinary

_JUMP = np.uint8(DQ.JUMP_DET)


def fit_likely(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    group_time_s: float,
    frame_time_s: float,
    n_frames: int = 1,
    dark: NDArray[np.float32] | None = None,
    zeroframe: NDArray[np.float32] | None = None,
    used: tuple[int, int] | None = None,
    span: tuple[int, int] | None = None,
    **ordinary: Any,
) -> RampFit:
    """Find the rates of greatest likelihood.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A sample that is not finite is left out.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. A difference counts if both its groups are without flags (PERSISTENCE is no
        hindrance); a group with JUMP_DET alone is the first of a new part.
    pixeldq, gain, readnoise, group_time_s, frame_time_s, n_frames, zeroframe, used, span, **ordinary
        As in `calcore.kernels.ramp_fit_ols.fit_ordinary`, which decides what has a rate. Those that
        rest on one group alone are its.
    dark : float32 (ny, nx), optional
        Dark rate added to the rate that makes photon noise [DN/s].

    Returns
    -------
    RampFit
        The variances, those of the weighted sum at the fitted rate, add up to the square of the
        error. Read noise has the variance that it would have without photons, whatever the flux,
        and photons have the rest: weights of a mosaic are made of it, and bright pixels with less
        weight than their neighbours take light from the stars.

    Notes
    -----
    The weights are those of the rate of all integrations together, which is found in two turns, from
    the rise of the ramps from end to end on. Its noise does not bias the rate to first order, since
    the best rate is equally correlated with every difference.
    """
    n_int, n_group, rows, columns = data.shape
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    dark = np.zeros((rows, columns), np.float32) if dark is None else dark
    first, last = used or (0, n_group - 1)
    start, stop = span or (0, n_group)
    spread = frame_time_s * (n_frames**2 - 1) / (6 * n_frames)
    rate, rate_dq = np.empty((4, 1, rows, columns), np.float32), np.empty_like(pixeldq)
    each = np.empty((4, n_int, rows, columns), np.float32)
    each_dq, odd = np.empty((n_int, rows, columns), np.uint32), np.empty((rows, columns), np.uint8)
    fit_rows(
        data, groupdq, pixeldq, gain, noise, dark, group_time_s, spread, first, last + 1, start, stop,
        rate, rate_dq, each, each_dq, odd, np.empty((ROOM, CHUNK)), np.empty((n_group + 1, CHUNK)),
        np.empty((3, max(n_group, 5))), np.empty((n_int + 1, CHUNK), np.uint8),
        np.empty((n_int, 2), np.int64),
    )  # fmt: skip
    # Most broken ramps were hit, and nothing else; the ordinary fit need not look at them.
    if first <= start and stop <= last + 1:
        odd[odd == _JUMP] = 0
    for places in pieces(odd, n_int * n_group):
        fit = fit_ordinary(
            planes_of(data, places), planes_of(groupdq, places), planes_of(pixeldq, places),
            planes_of(gain, places), planes_of(readnoise, places),
            group_time_s=group_time_s, frame_time_s=frame_time_s, n_frames=n_frames,
            dark=planes_of(dark, places),
            zeroframe=None if zeroframe is None else planes_of(zeroframe, places),
            used=used, span=span, **ordinary,
        )  # fmt: skip
        whole = np.stack([fit.rate, fit.err, fit.var_poisson, fit.var_rnoise])[:, None]
        for ours, theirs in ((each, fit.integrations), (rate, whole)):
            likely = planes_of(ours, places)
            # No rate stays no rate, and that of one group alone what the ordinary fit made of it.
            keep = np.isfinite(theirs[0]) & ~np.isnan(likely[0])
            _put(np.where(keep, likely, theirs), places, ours)
        _put(fit.dq, places, rate_dq)
        _put(fit.integrations_dq, places, each_dq)
    return RampFit(rate[0, 0], rate[1, 0], rate[2, 0], rate[3, 0], rate_dq, each, each_dq)


def _put(planes: NDArray[Any], places: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Write planes (..., 1, n_pixel) to the places of their pixels in planes (..., ny, nx)."""
    put_back(planes.reshape(-1, places.size).T, places, out)
