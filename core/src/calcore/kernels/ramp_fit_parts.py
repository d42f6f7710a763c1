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
    I8x2,
    U1x2,
    U1x3,
    U4x1,
    U4x2,
    helper,
    kernel,
)  # fmt: skip

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
_RAMP, _NOTHING, _ZERO = 0, 1, 2


@helper
def snr_class(ratio: float) -> int:
    """Return the class of a signal-to-noise ratio (Fixsen et al. 2000, table)."""
    return (
        int(ratio >= 5) + int(ratio >= 10) + int(ratio >= 20) + int(ratio >= 50) + int(ratio >= 100)
    )


@helper
def _median(value: F8x1, length: int) -> float:
    """Return the median of the first `length` values; sorts them."""
    gap = 1
    while gap < length // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, length):
            item = value[i]
            j = i
            while j >= gap and value[j - gap] > item:
                value[j] = value[j - gap]
                j -= gap
            value[j] = item
        gap //= 3
    middle: float = 0.5 * (value[(length - 1) // 2] + value[length // 2])
    return middle


@helper
def _slope(
    signal: F8x2, n: int, first: int, length: int, noise: float, gain: float, weights: F8x2
) -> float:
    """Return the slope [DN per group] of `length` samples from `first` on."""
    rise = (signal[n, first + length - 1] - signal[n, first]) * gain
    variance = noise * noise + rise
    row = length * 6 + (snr_class(rise / np.sqrt(variance)) if variance > 0 else 0)
    slope = 0.0
    for k in range(length // 2):
        slope += weights[row, k] * (signal[n, first + length - 1 - k] - signal[n, first + k])
    return slope


@helper
def next_part(flags: U1x2, n: int, start: int, n_group: int) -> tuple[int, int]:
    """Return first group and end of the next unbroken part at or after `start` (0, 0 if none)."""
    group = start
    while group < n_group and flags[n, group] & _MATTERS:
        group += 1
    if group == n_group:
        return 0, 0
    end = group
    while end < n_group and not flags[n, end] & _MATTERS:
        end += 1
    # The group where a jump shows is the first of what follows.
    if group > 0 and flags[n, group - 1] & _MATTERS == _JUMP:
        group -= 1
    return group, end


@helper
def _single(value: float, time: float, noise: float, gain: float, level: float) -> Fitted:
    """Return the rate of one sample [DN/s] and the inverses of its variances."""
    signal_to_noise = time * gain / noise
    read = 0.5 * (signal_to_noise * signal_to_noise)
    photon = time * gain / level if level > 0 else 0.0
    both = 1 / (1 / read + level / (time * gain))
    return value / time, read, photon, both


@helper
def _median_rate(
    signal: F8x2, flags: U1x2, n: int, count: int, value: F8x1, group_time: float
) -> float:
    """Return the median rate of a ramp [DN/s]; that of its first sample, or 0, if it has none."""
    found = 0
    for group in range(1, count):
        if (flags[n, group] | flags[n, group - 1]) & _UNUSABLE or flags[n, group] & _JUMP:
            continue
        value[found] = signal[n, group] - signal[n, group - 1]
        found += 1
    if found > 0:
        return _median(value, found) / group_time
    return 0.0 if flags[n, 0] & _UNUSABLE else signal[n, 0] / group_time


@helper
def _integration(
    signal: F8x2,
    flags: U1x2,
    n: int,
    count: int,
    noise: float,
    gain: float,
    level: float,
    group_time: float,
    single_time: float,
    weights: F8x2,
) -> Fitted:
    """Return the rate of a ramp [DN/s] and the inverses of its read, photon and total variance.

    The rate is NaN if there is none. It is 0, without variances, if no group is good but some are
    neither saturated nor unusable, as in the reference pipeline.
    """
    if flags[n, 0] & _SAT:
        return np.nan, 0.0, 0.0, 0.0
    slope, read, photon, both, lonely = 0.0, 0.0, 0.0, 0.0, -1
    scale = group_time * gain
    per_sample = (scale / noise) * (scale / noise)
    begin, end = next_part(flags, n, 0, count)
    while end > 0:
        length = end - begin
        if length > 1:
            weight = (length * length * length - length) / 12 * per_sample
            counts = scale * (length - 1) / level if level > 0 else 0.0
            slope += weight * _slope(signal, n, begin, length, noise, gain, weights)
            read += weight
            photon += counts
            both += 1 / (1 / weight + level / (scale * (length - 1)))
        elif lonely < 0:
            lonely = begin
        begin, end = next_part(flags, n, end, count)
    if read != 0:
        return slope / (read * group_time), read, photon, both
    if lonely >= 0:
        return _single(signal[n, lonely], single_time, noise, gain, level)
    for group in range(count):
        if not flags[n, group] & _UNUSABLE:
            return 0.0, 0.0, 0.0, 0.0
    return np.nan, 0.0, 0.0, 0.0


@helper
def _variance(inverse: float) -> float:
    """Return a variance from its inverse; 0 if there is none or it is huge."""
    return 0.0 if inverse == 0 or 1 / inverse > _HUGE else 1 / inverse


@kernel
def fit_odd(
    data: F4x3,
    groupdq: U1x3,
    pixeldq: U4x1,
    gain: F4x1,
    noise: F4x1,
    dark: F4x1,
    zeroframe: F4x2,
    weights: F8x2,
    group_time: float,
    one_group_time: float,
    frame_time: float,
    suppress: bool,
    first_group: int,
    last_group: int,
    start: int,
    stop: int,
    trim_pixel: bool,
    out_rate: F4x2,
    out_rate_dq: U4x1,
    out_ints: F4x3,
    out_ints_dq: U4x2,
    out_sample: F8x2,
    out_value: F8x1,
    out_flags: U1x2,
    out_count: I8x2,
    out_time: F8x1,
) -> None:
    """Fit pixels (n_pixel, n_int, n_group), whatever their flags; the last five arguments are room."""
    pixels, n_int, n_group = data.shape
    signal, flags, single_time = out_sample, out_flags, out_time
    count_of, kind = out_count[0], out_count[1]
    for pixel in range(pixels):
        electrons, sigma = np.float64(gain[pixel]), np.float64(noise[pixel])
        known = pixeldq[pixel]
        if not 0 < electrons < np.inf:
            known |= _NO_GAIN
        level, lost = 0.0, False
        for integration in range(n_int):
            first, end = start, stop
            if trim_pixel:
                while first < end and groupdq[pixel, integration, first] & _DNU:
                    first += 1
                while end > first and groupdq[pixel, integration, end - 1] & _DNU:
                    end -= 1
            count, exact, usable, saturated = 0, 0, 0, 0
            seen = np.uint8(0)
            for group in range(first, end):
                flag = groupdq[pixel, integration, group]
                alone = (flag & _MATTERS) == 0
                if group == first and first > 0:
                    flag &= ~_JUMP  # nothing is left that it could have jumped from
                    alone |= trim_pixel and (flag & _MATTERS) == 0
                seen |= flag & _KEPT
                sample = data[pixel, integration, group]
                if not (first_group <= group <= last_group and np.isfinite(sample)):
                    flag |= _DNU
                    alone = False
                signal[integration, count] = sample
                flags[integration, count] = flag
                count += 1
                exact += flag == 0
                usable += alone
                saturated += (flag & _SAT) != 0
                lost |= (flag & _LOSS) != 0
            count_of[integration] = count
            out_ints_dq[pixel, integration] = known | seen
            reset_time = (first - start) * group_time + one_group_time
            single_time[integration] = group_time
            kind[integration] = _RAMP
            if count == 0 or (suppress and n_group > 1 and usable == 1):
                kind[integration] = _NOTHING
            elif (
                not suppress
                and usable == 0
                and saturated > 0
                and zeroframe[pixel, integration] != 0
            ):
                kind[integration] = _ZERO
                single_time[integration] = frame_time
                level += zeroframe[pixel, integration] / frame_time
            elif n_group == 1:
                single_time[integration] = reset_time if exact == 1 else group_time
                level += (
                    np.nan
                    if flags[integration, 0] & _SAT
                    else (signal[integration, 0] / reset_time)
                )
            elif not suppress and exact == 1 and flags[integration, 0] == 0:
                single_time[integration] = reset_time
                level += signal[integration, 0] / reset_time
            else:
                level += _median_rate(signal, flags, integration, count, out_value, group_time)
        level = level / n_int if np.isfinite(level) else 0.0
        level = max(level, 0.0) + dark[pixel]
        total_slope, total_read, total_photon, total_regained = 0.0, 0.0, 0.0, 0.0
        empty, summary, dropped = False, np.uint32(0), True
        for integration in range(n_int):
            count, time = count_of[integration], single_time[integration]
            slope, read, photon, both = np.nan, 0.0, 0.0, 0.0
            if known & _UNUSABLE or kind[integration] == _NOTHING:
                pass
            elif kind[integration] == _ZERO:
                slope, read, photon, both = _single(
                    np.float64(zeroframe[pixel, integration]), time, sigma, electrons, level
                )
            else:
                slope, read, photon, both = _integration(
                    signal, flags, integration, count, sigma, electrons, level, group_time,
                    time, weights,
                )  # fmt: skip
            if np.isnan(read):
                slope = np.nan  # without a read noise there are no weights
            if read != 0:
                total_slope += slope * read
                total_read += read
                total_photon += photon
            empty |= slope == 0 and read == 0
            if lost:
                if kind[integration] != _ZERO:
                    for group in range(count):
                        if flags[integration, group] & _LOSS:
                            flags[integration, group] &= _NOT_LOST
                    read = _integration(
                        signal, flags, integration, count, sigma, electrons, level, group_time,
                        time, weights,
                    )[1]  # fmt: skip
                total_regained += read
            out_ints[pixel, 0, integration] = slope
            small = both != 0 and not 0 < photon < 1 / _HUGE
            out_ints[pixel, 1, integration] = np.sqrt(1 / both) if small else 0.0
            out_ints[pixel, 2, integration] = _variance(photon)
            out_ints[pixel, 3, integration] = _variance(read)
            if np.isnan(slope):
                out_ints_dq[pixel, integration] |= _DNU
            else:
                dropped = False
            summary |= out_ints_dq[pixel, integration]
        out_rate[pixel, 0] = (
            total_slope / total_read if total_read != 0 else 0.0 if empty else np.nan
        )
        out_rate[pixel, 2] = _variance(total_photon)
        out_rate[pixel, 3] = _variance(total_read)
        out_rate[pixel, 1] = np.sqrt(_variance(total_photon) + _variance(total_read))
        if lost:
            out_rate[pixel, 3] = _variance(total_regained)
        if not dropped and not known & _DNU:
            summary &= ~np.uint32(1)
        out_rate_dq[pixel] = summary
