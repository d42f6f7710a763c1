"""Count rates of ramps that are too short to tell one: the level at the reset is taken as known.

Where the bias pattern has been subtracted, a pixel's level right after a reset is known up to the
noise of the reset. As a resultant of its own, without read noise but with that variance, it stands
before the first group (a normal prior for the intercept of the fit; Brandt 2024, PASP 136, 045004,
section 6, has the flat one). So does the first read, where it was kept besides the average.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import (
    B1x1,
    B1x2,
    F4x1,
    F4x2,
    F4x3,
    F8x1,
    F8x2,
    I8x1,
    U1x1,
    U1x3,
    U4x1,
    helper,
    kernel,
)  # fmt: skip
from calcore.kernels._resultants import ROOM, fit_steps, group_reads, steps_of, without_zero
from calcore.kernels._singled_out import flat
from calcore.kernels.ramp_fit_ols import RampFit

AGREES = 25.0
"""Chi square above which a ramp does not begin at the level of the reset."""
_GROUP, _ZERO = 1, 2
_JUMP, _LOST = np.uint8(DQ.JUMP_DET), np.uint8(DQ.SATURATED | DQ.DO_NOT_USE)
_MATTERS = np.uint8(0xFF ^ DQ.PERSISTENCE)
_UNTRUSTED = np.uint32(DQ.DO_NOT_USE | DQ.UNRELIABLE_BIAS | DQ.NO_GAIN_VALUE)
_NO_RATE = np.uint32(DQ.DO_NOT_USE)


@dataclass(frozen=True)
class ResetLevel:
    """What is known of pixels right after a reset.

    Attributes
    ----------
    mean_dn
        Mean level [DN].
    noise_dn
        Standard deviation between pixels and resets [DN].
    """

    mean_dn: float
    noise_dn: float


@helper
def _follows(flags: U1x3, n: int, group: int, pixel: int) -> bool:
    """Tell whether a group and the one before it make a usable difference."""
    before = flags[n, group - 1, pixel] & _MATTERS & ~_JUMP
    return bool(before == 0 and flags[n, group, pixel] & _MATTERS == 0)


@helper
def _anchoring(
    flags: U1x3, zeroframe: F4x2, n: int, pixel: int, first: int, last: int, most: int
) -> int:
    """Return how an integration is to be tied to the level at the reset.

    0: not at all, _GROUP: by its first group, _ZERO: by its first read.
    """
    count = 0
    for group in range(first + 1, last + 1):
        if count < most and _follows(flags, n, group, pixel):
            count += 1
    start = flags[n, 0, pixel] & _MATTERS
    if count >= most or first > 0 or start & ~_LOST:
        return 0
    if zeroframe.shape[0] > 0 and zeroframe[n, pixel] != 0 and np.isfinite(zeroframe[n, pixel]):
        return _ZERO
    return _GROUP if start == 0 else 0


@helper
def _lay_out(
    data: F4x3, flags: U1x3, zeroframe: F4x2, n: int, pixel: int, first: int, last: int,
    n_frames: int, anchoring: int, level: float, electrons: float, spacing: F8x1, out_step: F8x1,
    out_usable: B1x1,
) -> int:  # fmt: skip
    """Lay out an integration's differences [electron/s]; return how many are usable."""
    zero: float = 0.0
    if anchoring == _ZERO:
        zero = np.float64(zeroframe[n, pixel])
    shift = int(anchoring == _ZERO)
    count = 0
    for k in range(spacing.size):
        group = k - shift
        out_usable[k] = False
        before, after = level, zero
        if group >= 1:
            out_usable[k] = first < group <= last and _follows(flags, n, group, pixel)
            before = np.float64(data[n, group - 1, pixel])
        elif anchoring > 0:
            out_usable[k] = group < 0 or flags[n, 0, pixel] & _MATTERS == 0
            before = zero if group == 0 and shift == 1 else level
        if group >= 0:
            after = np.float64(data[n, group, pixel])
        if shift == 1 and group == 0:
            after = without_zero(after, zero, n_frames)
        if shift == 1 and group == 1:
            before = without_zero(before, zero, n_frames)
        out_step[k] = (after - before) * electrons / spacing[k]
        count += int(out_usable[k])
    return count


@kernel
def _anchor(
    data: F4x3, flags: U1x3, suspect: B1x2, places: I8x1, pixeldq: U4x1, zeroframe: F4x2, gain: F4x1,
    noise: F4x1, dark: F4x1, level: float, level_noise: float, spacing: F8x1, shape: F8x2,
    zero_spacing: F8x1, zero_shape: F8x2, first: int, last: int, n_frames: int, most: int,
    out_rate: F4x3, out_done: B1x1, out_kind: U1x1, out_step: F8x1, out_usable: B1x1,
    out_room: F8x2, out_sums: F8x1,
) -> None:  # fmt: skip
    """Fit pixels, at `places`, that have short integrations; the last set is all together."""
    n_int = data.shape[0]
    for i in range(places.size):
        pixel = places[i]
        out_done[i] = False
        electrons = np.float64(gain[pixel])
        read = np.float64(noise[pixel]) * np.float64(noise[pixel])
        if pixeldq[pixel] & _UNTRUSTED or not (electrons > 0 and read > 0):
            continue
        anchored = 0
        for n in range(n_int):
            out_kind[n] = 0
            if suspect[n, pixel]:
                out_kind[n] = _anchoring(flags, zeroframe, n, pixel, first, last, most)
                anchored |= out_kind[n]
        if anchored == 0:
            continue
        extra = level_noise * electrons * level_noise * electrons
        current = max(np.float64(dark[pixel]), 0.0) * electrons
        found = False
        for n in range(n_int + 1):
            begin, end = (0, n_int) if n == n_int else (n, n + 1)
            if n < n_int and out_kind[n] == 0:
                continue
            if n == n_int == 1:
                for k in range(4):
                    out_rate[k, 1, i] = out_rate[k, 0, i]
                continue
            photons, best, variance, quiet = 0.0, np.nan, 0.0, 0.0
            # End to end, then with the noise of the rate found, then errors at that rate.
            for turn in range(5):
                total, weight, by_photons, by_others, chi_square = 0.0, 0.0, 0.0, 0.0, 0.0
                for m in range(begin, end):
                    kind = out_kind[m]
                    times = zero_spacing if kind == _ZERO else spacing
                    step, usable = out_step[: times.size], out_usable[: times.size]
                    if _lay_out(
                        data, flags, zeroframe, m, pixel, first, last, n_frames, kind, level,
                        electrons, times, step, usable,
                    ) == 0:  # fmt: skip
                        continue
                    if turn == 0:
                        for k in range(times.size):
                            if usable[k]:
                                total += step[k] * times[k]
                                weight += times[k]
                        continue
                    start = extra / (times[0] * times[0])
                    fit_steps(
                        step, usable, photons, read, start,
                        zero_shape if kind == _ZERO else shape, out_room, out_sums,
                    )  # fmt: skip
                    own = out_sums[1]
                    total += out_sums[0] * own
                    weight += own
                    by_photons += out_sums[3] * own * own
                    by_others += out_sums[4] * own * own
                    if n < n_int and turn < 4:
                        chi_square = out_sums[2]
                if weight == 0 or chi_square > AGREES:
                    best = np.nan
                    if n < n_int:
                        out_kind[n] = 0
                    break
                if turn == 4:
                    quiet = 1 / weight  # read and reset noise alone
                    break
                if turn < 3:
                    best = total / weight
                photons = max(best, 0.0) + current
                if turn == 3:
                    variance = (photons * by_photons + by_others) / (weight * weight)
                    photons = 0.0
            if not np.isfinite(best):
                continue
            found = True
            scale = 1 / (electrons * electrons)
            quiet = min(quiet, variance)
            out_rate[0, n, i] = best / electrons
            out_rate[1, n, i] = np.sqrt(variance * scale)
            out_rate[2, n, i] = (variance - quiet) * scale
            out_rate[3, n, i] = quiet * scale
        out_done[i] = found


def anchor(
    fitted: RampFit,
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    level: ResetLevel,
    *,
    group_time_s: float,
    frame_time_s: float,
    n_frames: int = 1,
    dark: NDArray[np.float32] | None = None,
    zeroframe: NDArray[np.float32] | None = None,
    used: tuple[int, int] | None = None,
    most: int = 2,
) -> RampFit:
    """Fit integrations with few differences again, from the level at the reset on.

    Parameters
    ----------
    fitted : RampFit
        The fit without that level; what needs no help keeps it.
    data : float32 (n_int, n_group, ny, nx)
        Signal without bias [DN]; finite where not flagged.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. The first group must be without any (PERSISTENCE is no hindrance); where it is lost to
        saturation, SATURATED or DO_NOT_USE, the first read may stand for it.
    pixeldq : uint32 (ny, nx)
        Flags; DO_NOT_USE, UNRELIABLE_BIAS and NO_GAIN_VALUE keep a pixel from being fitted again.
    gain, readnoise : float32 (ny, nx)
        Gain [electron/DN]; noise of the difference of two reads [DN].
    level : ResetLevel
        Level at the reset.
    group_time_s, frame_time_s : float
        Time between groups and time of one read [s].
    n_frames : int
        Reads averaged into a group.
    dark : float32 (ny, nx), optional
        Dark rate added to the rate that makes photon noise [DN/s].
    zeroframe : float32 (n_int, ny, nx), optional
        First read without bias [DN]; 0 where unusable.
    used : (int, int), optional
        First and last group to fit; there is no level before any but group 0.
    most : int
        Integrations with fewer differences than this are fitted again.

    Returns
    -------
    RampFit
        Rates that were found carry no DO_NOT_USE. An integration that deviates from the level by
        more than 5 sigma, hit by a particle for one, is left as it was.
    """
    n_int, n_group, rows, columns = data.shape
    times = n_group, n_frames, group_time_s, frame_time_s
    at_reset = [np.zeros(0)]
    plain = steps_of(at_reset + group_reads(*times))
    zeroed = plain
    if zeroframe is None or n_frames == 1:
        zeroframe = np.zeros((0, rows, columns), np.float32)
    else:
        zeroed = steps_of(at_reset + group_reads(*times, zero=True))
    noise = readnoise * gain / np.float32(np.sqrt(2))
    first, last = used or (0, n_group - 1)
    # Where no flag is in the first groups there are differences enough.
    suspect = (groupdq[:, : most + 1] != 0).any(axis=1) | (last < most)
    places = np.flatnonzero(suspect.any(axis=0))
    rates = np.full((4, n_int + 1, places.size), np.nan, np.float32)
    done = np.empty(places.size, np.bool_)
    n = n_group + 1
    _anchor(
        flat(data), flat(groupdq), flat(suspect), places, flat(pixeldq), flat(zeroframe), flat(gain),
        flat(noise), flat(np.zeros((rows, columns), np.float32) if dark is None else dark),
        level.mean_dn, level.noise_dn, plain.spacing, plain.shape, zeroed.spacing, zeroed.shape,
        first, last, n_frames, most, rates, done, np.empty(n_int, np.uint8),
        np.empty(n), np.empty(n, bool), np.empty((ROOM, n)), np.empty(5),
    )  # fmt: skip
    if not done.any():
        return fitted
    places, rates = places[done], rates[..., done]
    whole = np.stack([fitted.rate, fitted.err, fitted.var_poisson, fitted.var_rnoise])
    integrations = fitted.integrations.copy()
    before = np.concatenate([flat(integrations)[..., places], flat(whole)[:, None, places]], axis=1)
    rates = np.where(np.isnan(rates[0]), before, rates)
    flat(integrations)[..., places], flat(whole)[:, places] = rates[:, :n_int], rates[:, n_int]
    known = np.where(np.isfinite(rates[0]), ~_NO_RATE, ~np.uint32(0))
    integrations_dq, dq = fitted.integrations_dq.copy(), fitted.dq.copy()
    flat(integrations_dq)[:, places] &= known[:n_int]
    flat(dq)[places] &= known[n_int]
    return RampFit(whole[0], whole[1], whole[2], whole[3], dq, integrations, integrations_dq)
