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
from calcore.kernels._jit import F4x1, F4x3, F8x1, F8x2, U1x3, helper, kernel
from calcore.kernels._likely_whole import CHUNK, NO_PHOTONS, ROOM, fit_whole
from calcore.kernels._singled_out import pieces, planes_of, put_back
from calcore.kernels.ramp_fit_ols import RampFit, fit_ordinary

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
def _weigh(
    count: int, diagonal: float, beside: float, total: float, out_weight: F8x1, out_sums: F8x1
) -> None:
    """Solve C u = 1 for a tri-diagonal C with constant diagonals, whose rows sum to `total`.

    With r the smaller root of ``beside (r^2 + 1) + diagonal r = 0``, the solution that vanishes
    before the first and after the last row is ``(1 - (r^k + r^(n + 1 - k)) / (1 + r^(n + 1))) /
    total``; it becomes a parabola where there is read noise alone. `out_weight` then holds what
    pairs of samples count for, from the outermost on; `out_sums` the sums of u, of u^2 and of u u'.
    """
    root = 0.0
    if beside != 0:
        root = (np.sqrt((diagonal - 2 * beside) * total) - diagonal) / (2 * beside)
    power = 1.0
    for k in range(count):
        power *= root
        out_weight[k] = power
    scale, half = 1 / (1 + power * root), (count + 1) // 2
    for k in range(half):
        weight = 1 - (out_weight[k] + out_weight[count - 1 - k]) * scale
        bare = total <= NO_PHOTONS * diagonal
        flat = float((k + 1) * (count - k))
        out_weight[k] = (flat if bare else weight) / (diagonal if bare else total)
    out_sums[0], out_sums[1], out_sums[2] = 0.0, 0.0, 0.0
    for k in range(half):
        # Weights are symmetric, but for the middle one they come in pairs.
        twice = 2.0 if 2 * k < count - 1 else 1.0
        out_sums[0] += twice * out_weight[k]
        out_sums[1] += twice * (out_weight[k] * out_weight[k])
    for k in range(1, half + 1 - count % 2):
        twice, other = (2.0, k) if k < half else (1.0, k - 1)
        out_sums[2] += twice * (out_weight[other] * out_weight[k - 1])
    for k in range(half - 1, 0, -1):
        out_weight[k] -= out_weight[k - 1]


@helper
def _rise(data: F4x3, flags: U1x3, pixel: int, n: int, first: int, stop: int) -> tuple[float, int]:
    """Return by how much the parts of a ramp rise, and how many differences they have."""
    start, rise, count = first, 0.0, 0
    while start < stop - 1:
        end = _part_end(data, flags, pixel, n, start, stop)
        if end <= start:
            start += 1
            continue
        rise += np.float64(data[pixel, n, end]) - np.float64(data[pixel, n, start])
        count += end - start
        start = end
    return rise, count


@helper
def _gather(
    data: F4x3, flags: U1x3, pixel: int, n: int, first: int, stop: int, read: float,
    diagonal: float, beside: float, total: float, out_weight: F8x2, out_known: F8x2,
    out_sums: F8x1,
) -> None:  # fmt: skip
    """Sum over the differences of one integration.

    u, u times differences [DN], u^2, u u', and u had there been no photons. What holds for parts of
    some length stands in `out_weight` and `out_known` from the first such part on.
    """
    for k in range(out_sums.size):
        out_sums[k] = 0.0
    start = first
    while start < stop - 1:
        end = _part_end(data, flags, pixel, n, start, stop)
        if end <= start:
            start += 1
            continue
        count = end - start
        weight, known = out_weight[count], out_known[count]
        if known[0] == 0:
            _weigh(count, diagonal, beside, total, weight, known)
        value = 0.0
        for k in range((count + 1) // 2):
            rise = np.float64(data[pixel, n, end - k]) - np.float64(data[pixel, n, start + k])
            value += weight[k] * rise
        out_sums[0] += known[0]
        out_sums[1] += value
        out_sums[2] += known[1]
        out_sums[3] += known[2]
        out_sums[4] += count * (count + 1.0) * (count + 2.0) / (12 * read)
        start = end


@helper
def _write(
    sums: F8x1, electrons: float, read: float, background: float, group_time: float,
    spread: float, pixel: int, n: int, out: F4x3,
) -> None:  # fmt: skip
    """Write a rate and its errors."""
    if not (sums[0] > 0 and np.isfinite(out[pixel, 0, n])):
        return  # one group alone: what the ordinary fit made of it stays
    rate = sums[1] / (sums[0] * group_time)
    photons = max(rate * electrons, 0.0) + max(background, 0.0)
    photons *= (group_time - 2 * spread) * sums[2] + 2 * spread * sums[3]
    variance = photons + 2 * read * (sums[2] - sums[3])
    # Read noise has what it would have alone, whatever the flux; photons have the rest.
    read_part = min(sums[0] * sums[0] / sums[4], variance)
    scale = sums[0] * electrons * group_time
    scale = 1 / (scale * scale)
    out[pixel, 0, n] = rate
    out[pixel, 1, n] = np.sqrt(variance * scale)
    out[pixel, 2, n] = (variance - read_part) * scale
    out[pixel, 3, n] = read_part * scale


@kernel
def _fit(
    data: F4x3, flags: U1x3, gain: F4x1, noise: F4x1, dark: F4x1, group_time: float,
    spread: float, first_group: int, stop_group: int, out_rate: F4x3, out_weight: F8x2,
    out_known: F8x2, out_sums: F8x2,
) -> None:  # fmt: skip
    """Fit pixels (n_pixel, n_int, n_group), whatever their flags, to (n_pixel, 4, n_int + 1)."""
    pixels, integrations = data.shape[:2]
    sums, together = out_sums[0], out_sums[1]
    for pixel in range(pixels):
        electrons = np.float64(gain[pixel])
        read = np.float64(noise[pixel]) * np.float64(noise[pixel])
        background = np.float64(dark[pixel]) * electrons
        rate, counted = 0.0, 0
        for n in range(integrations):
            rise, count = _rise(data, flags, pixel, n, first_group, stop_group)
            rate += rise
            counted += count
        if counted == 0 or not (electrons > 0 and read > 0):
            continue
        rate /= counted * group_time
        # End to end, then with the noise of that rate, then with that of the rate found.
        for turn in range(2):
            photons = max(rate * electrons, 0.0) + max(background, 0.0)
            total = photons * group_time
            diagonal = photons * (group_time - 2 * spread) + 2 * read
            beside = photons * spread - read
            for k in range(out_known.shape[0]):
                out_known[k, 0] = 0.0
            for k in range(together.size):
                together[k] = 0.0
            for n in range(integrations):
                _gather(
                    data, flags, pixel, n, first_group, stop_group, read, diagonal, beside, total,
                    out_weight, out_known, sums,
                )  # fmt: skip
                for k in range(together.size):
                    together[k] += sums[k]
                if turn == 1:
                    _write(
                        sums, electrons, read, background, group_time, spread, pixel, n, out_rate
                    )  # fmt: skip
            rate = together[1] / (together[0] * group_time)
        _write(
            together, electrons, read, background, group_time, spread, pixel, integrations, out_rate
        )  # fmt: skip


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
    limits = group_time_s, spread, first, last + 1
    fit_whole(
        data, groupdq, pixeldq, gain, noise, dark, *limits, start, stop, rate, rate_dq,
        each, each_dq, odd, np.empty((ROOM, CHUNK)), np.empty((n_group + 1, CHUNK)),
        np.empty(CHUNK, np.uint8), np.empty((n_int, 2), np.int64),
    )  # fmt: skip
    room = np.empty((n_group + 1, n_group + 1)), np.empty((n_group + 1, 3)), np.empty((2, 5))
    # Most broken ramps were hit, and nothing else; the ordinary fit need not look at them.
    every = first <= start and stop <= last + 1
    for places in pieces((odd == _JUMP) & every, n_int * n_group):
        samples, flags = planes_of(data, places), planes_of(groupdq, places)
        clear = _have_rates(flags[:, start:stop, 0])
        odd.reshape(-1)[places] = np.where(clear, 0, _JUMP)
        rates = np.zeros((places.size, 4, n_int + 1), np.float32)
        _fit(
            _side_by_side(samples), _side_by_side(flags), gain.reshape(-1)[places],
            noise.reshape(-1)[places], dark.reshape(-1)[places], *limits, rates, *room,
        )  # fmt: skip
        put_back(rates[..., :n_int], places, each)
        put_back(rates[..., n_int:], places, rate)
        jumps = np.bitwise_or.reduce(flags[:, start:stop, 0] & np.uint8(_JUMP), axis=1)
        known = pixeldq.reshape(-1)[places] | jumps
        put_back(known.T, places, each_dq)
        put_back(np.bitwise_or.reduce(known, axis=0), places, rate_dq)
    for places in pieces(odd, n_int * n_group):
        samples, flags = planes_of(data, places), planes_of(groupdq, places)
        fit = fit_ordinary(
            samples, flags, planes_of(pixeldq, places), planes_of(gain, places), planes_of(readnoise, places),
            group_time_s=group_time_s, frame_time_s=frame_time_s, n_frames=n_frames,
            dark=planes_of(dark, places), zeroframe=None if zeroframe is None else planes_of(zeroframe, places),
            used=used, span=span, **ordinary,
        )  # fmt: skip
        whole = np.stack([fit.rate, fit.err, fit.var_poisson, fit.var_rnoise])[:, None]
        rates = _side_by_side(np.concatenate([fit.integrations, whole], axis=1))
        _fit(
            _side_by_side(samples), _side_by_side(flags), gain.reshape(-1)[places],
            noise.reshape(-1)[places], dark.reshape(-1)[places], *limits, rates, *room,
        )  # fmt: skip
        put_back(rates[..., :n_int], places, each)
        put_back(rates[..., n_int:], places, rate)
        put_back(fit.dq[0], places, rate_dq)
        put_back(fit.integrations_dq[:, 0].T, places, each_dq)
    return RampFit(rate[0, 0], rate[1, 0], rate[2, 0], rate[3, 0], rate_dq, each, each_dq)


def _have_rates(flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which pixels have a difference in every integration, and two groups without a flag.

    `flags` (n_int, n_group, n_pixel) are jumps, or say that groups at the ends are lost. A jump in a
    ramp's first group is left to others.
    """
    free, jumps = flags == 0, flags == _JUMP
    known = free | jumps
    differences = (known[:, :-1] & free[:, 1:]).any(axis=1)
    several = free.sum(axis=1, dtype=np.int32) > 1
    first = jumps[:, 0] | (jumps[:, 1:] & ~known[:, :-1]).any(axis=1)
    clear: NDArray[np.bool_] = (differences & several & ~first).all(axis=0)
    return clear


def _side_by_side(planes: NDArray[Any]) -> NDArray[Any]:
    """Return pixels (n_pixel, ...) of planes (..., 1, n_pixel), each with its samples together."""
    return np.ascontiguousarray(np.moveaxis(planes[..., 0, :], -1, 0))
