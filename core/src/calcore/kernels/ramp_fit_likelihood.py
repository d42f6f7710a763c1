"""Count rates of greatest likelihood: differences of groups weighted by their full covariance.

The differences of successive groups of a ramp have a tri-diagonal covariance: photons that arrive
between two groups, and read noise that neighbouring differences share with opposite sign (Brandt
2024, PASP 136, 045004). The rate that makes the photon variance is taken from an ordinary fit; the
errors are those at the fitted rate.

With N reads of spacing f averaged into a group, and groups D apart, a rate a makes
``a (D - f (N^2 - 1) / 3N)`` of variance in a difference, and ``a f (N^2 - 1) / 6N`` of covariance
between neighbours.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import F4x1, F4x3, F8x1, U1x3, helper, kernel
from calcore.kernels._likely_whole import CHUNK, NO_PHOTONS, ROOM, fit_whole
from calcore.kernels._singled_out import pieces, pixels_of, put_back
from calcore.kernels.ramp_fit_ols import RampFit

_PERSISTENCE = int(DQ.PERSISTENCE)
_JUMP = int(DQ.JUMP_DET)


@helper
def _part_end(data: F4x3, flags: U1x3, pixel: int, n: int, start: int, stop: int) -> int:
    """Return the last group of the unbroken part that begins at `start`, or `start` - 1 for none."""
    flag = flags[pixel, n, start] & ~_PERSISTENCE
    if flag not in (0, _JUMP) or not np.isfinite(data[pixel, n, start]):
        return start - 1
    end = start
    while (
        end + 1 < stop
        and (flags[pixel, n, end + 1] & ~_PERSISTENCE) == 0
        and np.isfinite(data[pixel, n, end + 1])
    ):
        end += 1
    return end


@helper
def _solve(count: int, diagonal: float, beside: float, total: float, out_weight: F8x1) -> None:
    """Solve C u = 1 for a tri-diagonal C with constant diagonals, whose rows sum to `total`.

    With r the smaller root of ``beside (r^2 + 1) + diagonal r = 0``, the solution that vanishes
    before the first and after the last row is ``(1 - (r^k + r^(n + 1 - k)) / (1 + r^(n + 1))) /
    total``; it becomes a parabola where there is read noise alone.
    """
    if total <= NO_PHOTONS * diagonal:
        for k in range(count):
            out_weight[k] = (k + 1) * (count - k) / diagonal
        return
    root = 0.0
    if beside != 0:
        root = (np.sqrt((diagonal - 2 * beside) * total) - diagonal) / (2 * beside)
    power = 1.0
    for k in range(count):
        power *= root
        out_weight[k] = power
    scale = 1 / (1 + power * root)
    inverse = 1 / total
    for k in range((count + 1) // 2):
        weight = inverse * (1 - (out_weight[k] + out_weight[count - 1 - k]) * scale)
        out_weight[k] = weight
        out_weight[count - 1 - k] = weight


@helper
def _gather(
    data: F4x3, flags: U1x3, pixel: int, n: int, first: int, stop: int, gain: float, read: float,
    diagonal: float, beside: float, total: float, out_weight: F8x1, out_sums: F8x1,
) -> None:  # fmt: skip
    """Add one integration's sums over differences.

    Of u, of u times differences [electron], of u^2, of u u', and of u had there been no photons.
    """
    start = first
    while start < stop - 1:
        end = _part_end(data, flags, pixel, n, start, stop)
        if end <= start:
            start += 1
            continue
        count = end - start
        _solve(count, diagonal, beside, total, out_weight)
        for k in range(count):
            weight = out_weight[k]
            difference = np.float64(data[pixel, n, start + k + 1]) - np.float64(
                data[pixel, n, start + k]
            )
            out_sums[0] += weight
            out_sums[1] += weight * difference * gain
            out_sums[2] += weight * weight
            if k > 0:
                out_sums[3] += weight * out_weight[k - 1]
        out_sums[4] += count * (count + 1.0) * (count + 2.0) / (12 * read)
        start = end


@kernel
def _fit(
    data: F4x3, flags: U1x3, gain: F4x1, noise: F4x1, dark: F4x1, group_time: float,
    spread: float, first_group: int, stop_group: int, out_rate: F4x3, out_weight: F8x1,
    out_sums: F8x1,
) -> None:  # fmt: skip
    """Fit pixels (n_pixel, n_int, n_group), whatever their flags, to (n_pixel, 4, n_int + 1)."""
    pixels, integrations = data.shape[:2]
    for pixel in range(pixels):
        electrons = np.float64(gain[pixel])
        read = np.float64(noise[pixel]) * np.float64(noise[pixel])
        background = np.float64(dark[pixel]) * electrons
        # The last set is all integrations together.
        for n in range(integrations + 1):
            together = n == integrations
            if together and integrations == 1:
                for k in range(4):
                    out_rate[pixel, k, n] = out_rate[pixel, k, 0]
                continue
            rate = np.float64(out_rate[pixel, 0, n])
            if not (np.isfinite(rate) and electrons > 0 and read > 0):
                continue
            photons = max(rate * electrons, 0.0) + max(background, 0.0)
            diagonal = photons * (group_time - 2 * spread) + 2 * read
            beside = photons * spread - read
            for k in range(out_sums.size):
                out_sums[k] = 0.0
            for m in range(0 if together else n, integrations if together else n + 1):
                _gather(data, flags, pixel, m, first_group, stop_group, electrons, read,
                        diagonal, beside, photons * group_time, out_weight, out_sums)  # fmt: skip
            if out_sums[0] <= 0:
                continue  # one group alone: what the ordinary fit made of it stays
            rate = out_sums[1] / (out_sums[0] * electrons * group_time)
            photons = max(rate * electrons, 0.0) + max(background, 0.0)
            variance = photons * (
                (group_time - 2 * spread) * out_sums[2] + 2 * spread * out_sums[3]
            )
            variance += 2 * read * (out_sums[2] - out_sums[3])
            variance /= out_sums[0] * out_sums[0]
            # Read noise has what it would have alone, whatever the flux; photons have the rest.
            read_part = min(1 / out_sums[4], variance)
            scale = electrons * group_time
            scale = 1 / (scale * scale)
            out_rate[pixel, 0, n] = rate
            out_rate[pixel, 1, n] = np.sqrt(variance * scale)
            out_rate[pixel, 2, n] = (variance - read_part) * scale
            out_rate[pixel, 3, n] = read_part * scale


def refine(
    ordinary: RampFit,
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    group_time_s: float,
    frame_time_s: float,
    n_frames: int = 1,
    dark: NDArray[np.float32] | None = None,
    used: tuple[int, int] | None = None,
) -> RampFit:
    """Replace rates and errors of an ordinary fit by those of greatest likelihood.

    Parameters
    ----------
    ordinary : RampFit
        The fit that decides which pixels have a rate, and that gives the first guess. Rates that
        rest on one group alone, and NaN, stay as they are.
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A sample that is not finite is left out.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. A difference counts if both its groups are without flags (PERSISTENCE is no
        hindrance); a group with JUMP_DET alone is the first of a new part.
    gain : float32 (ny, nx)
        Gain [electron/DN].
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN].
    group_time_s, frame_time_s : float
        Time between groups and time of one read [s].
    n_frames : int
        Reads averaged into a group.
    dark : float32 (ny, nx), optional
        Dark rate added to the rate that makes photon noise [DN/s].
    used : (int, int), optional
        First and last group to fit.

    Returns
    -------
    RampFit
        The variances, those of the weighted sum at the fitted rate, add up to the square of the
        error. Read noise has the variance that it would have without photons, whatever the flux,
        and photons have the rest: weights of a mosaic are made of it, and bright pixels with less
        weight than their neighbours take light from the stars. A noisy guess does not bias the rate to first order, since the best rate is equally
        correlated with every difference.
    """
    n_int, n_group, rows, columns = data.shape
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    dark = np.zeros((rows, columns), np.float32) if dark is None else dark
    first, last = used or (0, n_group - 1)
    spread = frame_time_s * (n_frames**2 - 1) / (6 * n_frames)
    fitted = np.empty((4, n_int + 1, rows, columns), np.float32)
    fitted[:, :n_int] = ordinary.integrations
    together = (ordinary.rate, ordinary.err, ordinary.var_poisson, ordinary.var_rnoise)
    for plane, value in zip(fitted[:, n_int], together, strict=True):
        plane[...] = value
    done = np.empty((rows, columns), np.uint8)
    limits = group_time_s, spread, first, last + 1
    fit_whole(
        data, groupdq, gain, noise, dark, *limits, fitted, done, np.empty((ROOM, CHUNK)),
        np.empty((n_group, CHUNK)), np.empty(CHUNK, np.uint8), np.empty((n_int, 2), np.int64),
    )  # fmt: skip
    weight, sums = np.empty(n_group), np.empty(5)
    for places in pieces(done == 0, n_int * n_group):
        rates = np.empty((places.size, 4, n_int + 1), np.float32)
        rates[..., :n_int] = pixels_of(ordinary.integrations, places)
        rates[..., n_int] = np.stack([plane.reshape(-1)[places] for plane in together], axis=1)
        _fit(
            pixels_of(data, places), pixels_of(groupdq, places), pixels_of(gain, places),
            pixels_of(noise, places), pixels_of(dark, places), *limits, rates, weight, sums,
        )  # fmt: skip
        put_back(rates, places, fitted)
    rate, err, photons, read = fitted[:, n_int]
    return replace(
        ordinary,
        rate=np.ascontiguousarray(rate),
        err=np.ascontiguousarray(err),
        var_poisson=np.ascontiguousarray(photons),
        var_rnoise=np.ascontiguousarray(read),
        integrations=np.ascontiguousarray(fitted[:, :n_int]),
    )
