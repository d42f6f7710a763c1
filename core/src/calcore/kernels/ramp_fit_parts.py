"""Count rates of pixels whose ramps are broken: a line through each part, and all special cases.

See `calcore.kernels.ramp_fit_ols` for the method.
"""

import numpy as np

from calcore.flags import DQ
from calcore.kernels._jit import (
    F4x1,
    F4x2,
    F4x3,
    F8x1,
    F8x2,
    I8x1,
    I8x2,
    U1x1,
    U1x2,
    U1x3,
    U4x1,
    U4x2,
    helper,
    kernel,
)  # fmt: skip

Limits = tuple[int, int, int, int]
"""First and last group to fit; first group and end of those that exist."""
Options = tuple[bool, bool]
"""Whether one good group is none; whether to trim each ramp."""
Times = tuple[float, float, float]
"""Of a group, of a first group since the reset, of a read [s]."""
Fitted = tuple[float, float, float, float]
"""A rate [DN/s] and the inverses of its read, photon and total variance."""

_DNU, _SAT, _JUMP = np.uint8(DQ.DO_NOT_USE), np.uint8(DQ.SATURATED), np.uint8(DQ.JUMP_DET)
_LOSS = np.uint8(DQ.CHARGELOSS)
_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_KEPT = np.uint8(DQ.SATURATED | DQ.JUMP_DET | DQ.PERSISTENCE)  # what products say of a ramp
_MATTERS = np.uint8(0xFF ^ DQ.PERSISTENCE)
_NOT_LOST = np.uint8(0xFF ^ (DQ.CHARGELOSS | DQ.DO_NOT_USE))
_NO_GAIN = np.uint32(DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE)
_HUGE = 1e6  # [(DN/s)^2]; the reference pipeline writes 0 for larger variances
_RAMP, _NOTHING, _ZERO, _SINGLE = 0, 1, 2, 3


@helper
def snr_class(ratio: float) -> int:
    """Return the class of a signal-to-noise ratio (Fixsen et al. 2000, table)."""
    return (
        int(ratio >= 5) + int(ratio >= 10) + int(ratio >= 20) + int(ratio >= 50) + int(ratio >= 100)
    )


@helper
def _slope(
    signal: F8x1, first: int, length: int, noise: float, gain: float, weights: F8x2
) -> float:
    """Return the slope [DN per group] of `length` samples from `first` on."""
    rise = (signal[first + length - 1] - signal[first]) * gain
    variance = noise * noise + rise
    row = length * 6 + (snr_class(rise / np.sqrt(variance)) if variance > 0 else 0)
    slope = 0.0
    for k in range(length // 2):
        slope += weights[row, k] * (signal[first + length - 1 - k] - signal[first + k])
    return slope


@helper
def next_part(flags: U1x1, start: int, n_group: int) -> tuple[int, int]:
    """Return first group and end of the next unbroken part at or after `start` (0, 0 if none)."""
    group = start
    while group < n_group and flags[group] & _MATTERS:
        group += 1
    if group == n_group:
        return 0, 0
    end = group
    while end < n_group and not flags[end] & _MATTERS:
        end += 1
    # The group where a jump shows is the first of what follows.
    if group > 0 and flags[group - 1] & _MATTERS == _JUMP:
        group -= 1
    return group, end


@helper
def _inverse_variances(
    length: int, noise: float, gain: float, level: float, group_time: float
) -> tuple[float, float, float]:
    """Return the inverses of the read, photon and total variance of a part's rate."""
    scale = group_time * gain
    per_sample = (scale / noise) * (scale / noise)
    read = (length * length * length - length) / 12 * per_sample
    photon = scale * (length - 1) / level if level > 0 else 0.0
    return read, photon, 1 / (1 / read + level / (scale * (length - 1)))


@helper
def _single(value: float, time: float, noise: float, gain: float, level: float) -> Fitted:
    """Return the rate of one sample [DN/s] and the inverses of its variances."""
    signal_to_noise = time * gain / noise
    read = 0.5 * (signal_to_noise * signal_to_noise)
    photon = time * gain / level if level > 0 else 0.0
    both = 1 / (1 / read + level / (time * gain))
    return value / time, read, photon, both


@helper
def _integration(
    signal: F8x1, flags: U1x1, count: int, noise: float, gain: float, level: float,
    group_time: float, single_time: float, weights: F8x2,
) -> Fitted:  # fmt: skip
    """Return the rate of a ramp [DN/s] and the inverses of its read, photon and total variance.

    The rate is NaN if there is none. It is 0, without variances, if no group is good but some are
    neither saturated nor unusable, as in the reference pipeline.
    """
    if flags[0] & _SAT:
        return np.nan, 0.0, 0.0, 0.0
    slope, read, photon, both, lonely = 0.0, 0.0, 0.0, 0.0, -1
    begin, end = next_part(flags, 0, count)
    while end > 0:
        length = end - begin
        if length > 1:
            part = _inverse_variances(length, noise, gain, level, group_time)
            slope += part[0] * _slope(signal, begin, length, noise, gain, weights)
            read += part[0]
            photon += part[1]
            both += part[2]
        elif lonely < 0:
            lonely = begin
        begin, end = next_part(flags, end, count)
    if read != 0:
        return slope / (read * group_time), read, photon, both
    if lonely >= 0:
        return _single(signal[lonely], single_time, noise, gain, level)
    for group in range(count):
        if not flags[group] & _UNUSABLE:
            return 0.0, 0.0, 0.0, 0.0
    return np.nan, 0.0, 0.0, 0.0


@helper
def _variance(inverse: float) -> float:
    """Return a variance from its inverse; 0 if there is none or it is huge."""
    return 0.0 if inverse == 0 or 1 / inverse > _HUGE else 1 / inverse


@helper
def _copy(
    data: F4x3, groupdq: U1x3, n: int, pixel: int, limits: Limits, options: Options,
    zero: float, times: Times, out_signal: F8x1, out_flags: U1x1,
) -> tuple[int, int, np.uint8, float, float]:  # fmt: skip
    """Copy a ramp and see what it is.

    Returns how many groups it has, its kind, all its flags, the time of its first group since the
    reset [s], and the time that a lone sample's signal has gathered for [s].
    """
    first_group, last_group, start, stop = limits
    suppress, trim_pixel = options
    group_time, one_group_time, frame_time = times
    first, end = start, stop
    if trim_pixel:
        while first < end and groupdq[n, first, pixel] & _DNU:
            first += 1
        while end > first and groupdq[n, end - 1, pixel] & _DNU:
            end -= 1
    exact, usable, saturated, seen = 0, 0, 0, np.uint8(0)
    for group in range(first, end):
        flag, sample = groupdq[n, group, pixel], data[n, group, pixel]
        alone = (flag & _MATTERS) == 0
        if group == first and first > 0:
            flag &= ~_JUMP  # nothing is left that it could have jumped from
            alone |= trim_pixel and (flag & _MATTERS) == 0
        seen |= flag
        if not (first_group <= group <= last_group and np.isfinite(sample)):
            flag |= _DNU
            alone = False
        out_signal[group - first], out_flags[group - first] = sample, flag
        exact += flag == 0
        usable += alone
        saturated += (flag & _SAT) != 0
    reset_time = (first - start) * group_time + one_group_time
    count, n_group = end - first, data.shape[1]
    if count == 0 or (suppress and n_group > 1 and usable == 1):
        return count, _NOTHING, seen, reset_time, group_time
    if not suppress and usable == 0 and saturated > 0 and zero != 0:
        return count, _ZERO, seen, reset_time, frame_time
    if n_group == 1 or (not suppress and exact == 1 and out_flags[0] == 0):
        return count, _SINGLE, seen, reset_time, reset_time if exact == 1 else group_time
    return count, _RAMP, seen, reset_time, group_time


@helper
def _errors(read: float, photon: float, both: float) -> tuple[float, float, float]:
    """Return the error, and the photon and read variance, of an integration's rate."""
    small = both != 0 and not 0 < photon < 1 / _HUGE
    return np.sqrt(1 / both) if small else 0.0, _variance(photon), _variance(read)


@kernel
def fit_odd(
    data: F4x3, groupdq: U1x3, pixeldq: U4x1, gain: F4x1, noise: F4x1, dark: F4x1, zeroframe: F4x2,
    places: I8x1, weights: F8x2, pairs: I8x2, group_time: float, one_group_time: float,
    frame_time: float, suppress: bool, trim_pixel: bool, first_group: int, last_group: int,
    start: int, stop: int, out_rate: F4x2, out_rate_dq: U4x1, out_ints: F4x3, out_ints_dq: U4x2,
    out_signal: F8x2, out_ranked: F8x2, out_slope: F8x2, out_state: U1x2, out_found: I8x1,
    out_ramp: F8x1, out_flags: U1x1,
) -> None:  # fmt: skip
    """Fit the pixels at `places` of planes (..., n_pixel), whatever their flags.

    Medians of ramps without a flag are found side by side. The last seven arguments are room, a run of
    pixels wide.
    """
    n_int, chunk = data.shape[0], out_slope.shape[1]
    limits, options = (first_group, last_group, start, stop), (suppress, trim_pixel)
    times = group_time, one_group_time, frame_time
    level, lost, regain, found = out_slope[n_int], out_state[n_int], out_state[n_int + 1], out_found
    length = stop - start
    sides = length > 1 and first_group <= start and stop <= last_group + 1
    for left in range(0, places.size, chunk):
        width = min(chunk, places.size - left)
        for x in range(width):
            pixel = places[left + x]
            known = pixeldq[pixel]
            if not 0 < gain[pixel] < np.inf:
                known |= _NO_GAIN
            sound = sides and known & _UNUSABLE == 0 and 0 < noise[pixel] < np.inf
            out_rate_dq[pixel], level[x], regain[x] = known, 0.0, 0
            for n in range(n_int):
                out_state[n, x] = not sound
        for n in range(n_int):
            for x in range(width):
                found[x], lost[x] = 0, 1
            for group in range(start, stop):
                inside = first_group <= group <= last_group
                for x in range(width):
                    sample, flag = (
                        data[n, group, places[left + x]],
                        groupdq[n, group, places[left + x]],
                    )
                    lost_now = np.uint8(
                        not (inside and np.isfinite(sample) and flag & _UNUSABLE == 0)
                    )
                    out_signal[group - start, x] = sample
                    out_state[n, x] |= flag | lost_now
                    usable = lost[x] | lost_now | (flag & _JUMP) == 0
                    if group > start:
                        step = out_signal[group - start, x] - out_signal[group - start - 1, x]
                        out_ranked[group - start - 1, x] = step if usable else np.inf
                        found[x] += usable
                    lost[x] = lost_now
            for pair in range(pairs.shape[0]):
                i, j = pairs[pair, 0], pairs[pair, 1]
                for x in range(width):
                    a, b = out_ranked[i, x], out_ranked[j, x]
                    out_ranked[i, x] = min(b, a)
                    out_ranked[j, x] = max(a, b)
            for x in range(width):
                pixel = places[left + x]
                electrons, sigma = np.float64(gain[pixel]), np.float64(noise[pixel])
                low, high = max(found[x] - 1, 0) // 2, found[x] // 2
                median = 0.5 * (out_ranked[low, x] + out_ranked[high, x]) / group_time
                if out_state[n, x] == 0:
                    level[x] += median
                    out_ints_dq[n, pixel] = out_rate_dq[pixel]
                    for k in range(length):
                        out_ramp[k] = out_signal[k, x]
                    out_slope[n, x] = _slope(out_ramp, 0, length, sigma, electrons, weights)
                    continue
                zero = np.float64(zeroframe[n, pixel])
                count, kind, seen, reset_time, _ = _copy(
                    data, groupdq, n, pixel, limits, options, zero, times, out_ramp, out_flags
                )
                out_ints_dq[n, pixel] = out_rate_dq[pixel] | (seen & _KEPT)
                regain[x] |= seen & _LOSS
                if kind == _ZERO:
                    level[x] += zero / frame_time
                elif kind == _SINGLE:
                    level[x] += np.nan if out_flags[0] & _SAT else out_ramp[0] / reset_time
                elif kind == _RAMP and found[x] > 0:
                    level[x] += median
                elif kind == _RAMP and out_flags[0] & _UNUSABLE == 0:
                    level[x] += out_ramp[0] / group_time
        for x in range(width):
            pixel = places[left + x]
            electrons, sigma = np.float64(gain[pixel]), np.float64(noise[pixel])
            known = out_rate_dq[pixel]
            rate = level[x] / n_int if np.isfinite(level[x]) else 0.0
            rate = max(rate, 0.0) + dark[pixel]
            whole_read, whole_photon, both = _inverse_variances(
                length, sigma, electrons, rate, group_time
            )
            whole_errors = _errors(whole_read, whole_photon, both)
            total_slope, total_read, total_photon, total_regained = 0.0, 0.0, 0.0, 0.0
            empty, summary, dropped = False, np.uint32(0), True
            for n in range(n_int):
                if out_state[n, x] == 0:
                    slope = whole_read * out_slope[n, x] / (whole_read * group_time)
                    read, photon, regained, errors = (
                        whole_read,
                        whole_photon,
                        whole_read,
                        whole_errors,
                    )
                else:
                    zero = np.float64(zeroframe[n, pixel])
                    count, kind, _, _, time = _copy(
                        data, groupdq, n, pixel, limits, options, zero, times, out_ramp, out_flags
                    )
                    slope, read, photon, both = np.nan, 0.0, 0.0, 0.0
                    if known & _UNUSABLE == 0 and kind == _ZERO:
                        slope, read, photon, both = _single(zero, time, sigma, electrons, rate)
                    elif known & _UNUSABLE == 0 and kind != _NOTHING:
                        slope, read, photon, both = _integration(
                            out_ramp,
                            out_flags,
                            count,
                            sigma,
                            electrons,
                            rate,
                            group_time,
                            time,
                            weights,
                        )
                    if np.isnan(read):
                        slope = np.nan  # without a read noise there are no weights
                    regained = read
                    if regain[x] and kind != _ZERO:
                        for k in range(count):
                            if out_flags[k] & _LOSS:
                                out_flags[k] &= _NOT_LOST
                        regained = _integration(
                            out_ramp,
                            out_flags,
                            count,
                            sigma,
                            electrons,
                            rate,
                            group_time,
                            time,
                            weights,
                        )[1]
                    errors = _errors(regained, photon, both)
                if read != 0:
                    total_slope += slope * read
                    total_read += read
                    total_photon += photon
                total_regained += regained
                empty |= slope == 0 and read == 0
                out_ints[0, n, pixel] = slope
                out_ints[1, n, pixel], out_ints[2, n, pixel], out_ints[3, n, pixel] = errors
                if np.isnan(slope):
                    out_ints_dq[n, pixel] |= _DNU
                else:
                    dropped = False
                summary |= out_ints_dq[n, pixel]
            out_rate[0, pixel] = (
                total_slope / total_read if total_read != 0 else 0.0 if empty else np.nan
            )
            out_rate[2, pixel] = _variance(total_photon)
            out_rate[3, pixel] = _variance(total_regained if regain[x] else total_read)
            out_rate[1, pixel] = np.sqrt(_variance(total_photon) + _variance(total_read))
            if not dropped and not known & _DNU:
                summary &= ~np.uint32(1)
            out_rate_dq[pixel] = summary
