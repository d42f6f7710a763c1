"""Count rates by weighted least squares: a straight line through every unbroken part of a ramp.

The method is that of the JWST documentation's ramp-fitting page: samples weighted by a power of
their distance from the middle that follows the signal to noise (Fixsen et al. 2000, PASP 112, 1350;
Regan 2007, JWST-STScI-001212), variances from the median rate, parts combined by their read noise.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import (
    F4x2,
    F4x3,
    F4x4,
    F8x2,
    I8x1,
    I8x2,
    U1x2,
    U1x4,
    U4x2,
    U4x3,
    helper,
    kernel,
    unsigned,
)  # fmt: skip
from calcore.kernels._networks import sorting_pairs
from calcore.kernels._singled_out import flat
from calcore.kernels._whole import whole_span
from calcore.kernels.ramp_fit_parts import fit_odd

_DNU = np.uint8(DQ.DO_NOT_USE)
_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_HUGE = 1e6  # [(DN/s)^2]; the reference pipeline writes 0 for larger variances
_CLASSES = 6
_CHUNK, _FEW = 128, 64  # pixels side by side, and those of them that are odd


@helper
def _class_of(ratio: float) -> int:
    """Return the class of a signal-to-noise ratio (Fixsen et al. 2000, table)."""
    return (
        int(ratio >= 5) + int(ratio >= 10) + int(ratio >= 20) + int(ratio >= 50) + int(ratio >= 100)
    )


@cache
def _weights(longest: int) -> NDArray[np.float64]:
    """Return, for every length and class, what to multiply pairs of samples with.

    The slope of samples y_0 … y_n-1 is the sum over k < n/2 of ``c_k (y_n-1-k - y_k)``, since weights
    are symmetric. Row n * 6 + class holds c_0, c_1, …
    """
    table = np.zeros(((longest + 1) * _CLASSES, max(1, longest // 2)))
    powers = (0.0, 0.4, 1.0, 3.0, 6.0, 10.0)
    for length in range(2, longest + 1):
        middle = (length - 1) / 2
        offset = middle - np.arange(length // 2)
        for row, power in enumerate(powers):
            weight = (offset / middle) ** power
            table[length * _CLASSES + row, : offset.size] = (
                weight * offset / (2 * weight * offset**2).sum()
            )
    table.flags.writeable = False
    return table


@kernel
def _fit_clean(
    data: F4x4,
    groupdq: U1x4,
    pixeldq: U4x2,
    gain: F4x2,
    noise: F4x2,
    dark: F4x2,
    weights: F8x2,
    pairs: I8x2,
    middle: I8x2,
    group_time: float,
    first_group: int,
    last_group: int,
    start: int,
    stop: int,
    out_rate: F4x3,
    out_rate_dq: U4x2,
    out_ints: F4x4,
    out_ints_dq: U4x3,
    out_odd: U1x2,
    out_single: F4x3,
    out_double: F8x2,
    out_class: U1x2,
    out_length: I8x1,
) -> None:
    """Fit the pixels whose ramps are whole; mark the others in `out_odd`.

    Groups that carry DO_NOT_USE, and nothing else, in a whole run of pixels at the beginning or the
    end of an integration are left out of the ramp, which stays whole. The last four arguments are
    room to work in, a chunk of pixels wide.
    """
    n_int, n_group, rows, columns = data.shape
    chunk = out_single.shape[2]
    signal, ranked, errors, total = out_single[0], out_single[1], out_single[2], out_single[3, 0]
    median, trial, read_scale = out_double[n_int], out_double[n_int + 1], out_double[n_int + 2]
    photon_scale, slope = out_double[n_int + 3], out_double
    odd, class_of = out_class[0], out_class[1]
    infinite, usual = np.float32(np.inf), min(stop, last_group + 1) - max(start, first_group)
    for y in range(rows):
        for left in range(0, columns, chunk):
            width = min(chunk, columns - left)
            at, wide = unsigned(left), unsigned(width)
            for x in range(wide):
                odd[x] = not (0 < gain[y, at + x] < infinite and noise[y, at + x] > 0)
                odd[x] |= np.uint8(pixeldq[y, at + x] & _UNUSABLE)
                median[x] = 0
            for integration in range(n_int):
                begin, end = max(start, first_group), min(stop, last_group + 1)
                begin, end = whole_span(groupdq, integration, y, left, width, begin, end)
                length = end - begin
                out_length[integration] = length
                for group in range(start, stop):
                    allowed = np.uint8(0 if begin <= group < end else _DNU)
                    for x in range(wide):
                        odd[x] |= groupdq[integration, group, y, at + x] & ~allowed
                if length < 2:
                    for x in range(wide):
                        odd[x] = 1
                    continue
                for group in range(length):
                    for x in range(wide):
                        signal[group, x] = data[integration, begin + group, y, at + x]
                for x in range(wide):
                    total[x] = 0
                for row in range(n_group - 1):
                    if row < length - 1:
                        for x in range(wide):
                            difference = signal[row + 1, x] - signal[row, x]
                            ranked[row, x] = difference
                            total[x] += difference
                    else:
                        for x in range(wide):
                            ranked[row, x] = infinite
                network = middle if length == usual else pairs
                for pair in range(network.shape[0]):
                    i, j = network[pair, 0], network[pair, 1]
                    for x in range(wide):
                        a, b = ranked[i, x], ranked[j, x]
                        ranked[i, x] = min(b, a)
                        ranked[j, x] = max(a, b)
                low, high = (length - 2) // 2, (length - 1) // 2
                lowest, highest = _CLASSES, 0
                for x in range(wide):
                    median[x] += 0.5 * (np.float64(ranked[low, x]) + np.float64(ranked[high, x]))
                    odd[x] |= np.uint8(not np.isfinite(total[x]))
                for x in range(wide):
                    rise = np.float64(signal[length - 1, x]) - np.float64(signal[0, x])
                    rise *= gain[y, at + x]
                    read_noise = np.float64(noise[y, at + x])
                    variance = read_noise * read_noise + rise
                    ratio = rise / np.sqrt(variance) if variance > 0 else 0.0
                    class_of[x] = _class_of(ratio)
                for x in range(wide):
                    lowest, highest = min(lowest, class_of[x]), max(highest, class_of[x])
                for number in range(lowest, highest + 1):
                    row = length * _CLASSES + number
                    for x in range(wide):
                        trial[x] = 0
                    for k in range(length // 2):
                        weight = weights[row, k]
                        for x in range(wide):
                            trial[x] += weight * (
                                np.float64(signal[length - 1 - k, x]) - np.float64(signal[k, x])
                            )
                    for x in range(wide):
                        if class_of[x] == number:
                            slope[integration, x] = trial[x] / group_time
            for x in range(wide):
                # A dark that is unknown takes the photon variance with it.
                level = max(median[x] / (n_int * group_time), 0.0) + dark[y, at + x]
                scale = group_time * gain[y, at + x]
                photon_scale[x] = scale / level if level > 0 else 0.0
                odd[x] |= np.uint8(not level >= 0)
                over_noise = scale / np.float64(noise[y, at + x])
                read_scale[x] = over_noise * over_noise / 12
                out_rate_dq[y, at + x] = pixeldq[y, at + x]
                trial[x] = 0
            all_read, all_photon, before = 0.0, 0.0, 0
            for integration in range(n_int):
                length = out_length[integration]
                cubic, photon_length = float(length * length * length - length), float(length - 1)
                all_read += cubic
                all_photon += photon_length
                if length != before:
                    for x in range(wide):
                        read = 1 / (read_scale[x] * cubic)
                        photon = photon_scale[x] * photon_length
                        photon = 1 / photon if photon > 0 else 0.0
                        errors[0, x], errors[1, x] = np.sqrt(read + photon), photon
                        errors[2, x] = read
                        odd[x] |= np.uint8(read > _HUGE) | np.uint8(photon > _HUGE)
                before = length
                for x in range(wide):
                    trial[x] += cubic * slope[integration, x]
                for x in range(wide):
                    out_ints[0, integration, y, at + x] = slope[integration, x]
                for k in range(3):
                    for x in range(wide):
                        out_ints[k + 1, integration, y, at + x] = errors[k, x]
                for x in range(wide):
                    out_ints_dq[integration, y, at + x] = pixeldq[y, at + x]
            for x in range(wide):
                read = 1 / (read_scale[x] * all_read)
                photon = photon_scale[x] * all_photon
                photon = 1 / photon if photon > 0 else 0.0
                out_rate[0, y, at + x] = trial[x] / all_read
                out_rate[1, y, at + x] = np.sqrt(photon + read)
                out_rate[2, y, at + x] = photon
                out_rate[3, y, at + x] = read
                out_odd[y, at + x] = odd[x]


@dataclass(frozen=True, eq=False)
class RampFit:
    """Count rates of all integrations together and of each.

    Attributes
    ----------
    rate, err, var_poisson, var_rnoise : float32 (ny, nx)
        Rate [DN/s], its error [DN/s] and variances [(DN/s)^2]. A rate that does not exist is NaN,
        its error and variances are 0.
    dq : uint32 (ny, nx)
        Flags.
    integrations : float32 (4, n_int, ny, nx)
        Rate, error, var_poisson and var_rnoise of each integration.
    integrations_dq : uint32 (n_int, ny, nx)
        Flags of each integration.
    """

    rate: NDArray[np.float32]
    err: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]
    dq: NDArray[np.uint32]
    integrations: NDArray[np.float32]
    integrations_dq: NDArray[np.uint32]


def fit_ordinary(
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
    suppress_one_group: bool = True,
    used: tuple[int, int] | None = None,
    span: tuple[int, int] | None = None,
    trim_each: bool = False,
) -> RampFit:
    """Fit straight lines to ramps.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A sample that is not finite is left out.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. A part of a ramp is a run of groups without flags (PERSISTENCE is no hindrance); a
        group with JUMP_DET alone is the first of the part that follows.
    pixeldq : uint32 (ny, nx)
        Flags; a pixel with DO_NOT_USE or SATURATED has no rate.
    gain : float32 (ny, nx)
        Gain [electron/DN]; where it is not positive there is no rate, and the flags say
        NO_GAIN_VALUE and DO_NOT_USE.
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN].
    group_time_s, frame_time_s : float
        Time between groups and time of one read [s].
    n_frames : int
        Reads averaged into a group.
    dark : float32 (ny, nx), optional
        Dark rate added to the rate that makes photon noise [DN/s].
    zeroframe : float32 (n_int, ny, nx), optional
        First read [DN]; takes the place of a ramp that is saturated from its first group on, unless
        `suppress_one_group`. 0 where unusable.
    suppress_one_group : bool
        Give no rate to an integration with one good group.
    used : (int, int), optional
        First and last group to fit; the others are taken as unusable.
    span : (int, int), optional
        First group and end of the groups that exist; others leave no trace in the flags.
    trim_each : bool
        Leave groups with DO_NOT_USE at either end out of each pixel's ramp, as `span` does for all.

    Returns
    -------
    RampFit

    Notes
    -----
    With R the read noise of a group [electron], g the gain, t the group time and n samples in a part,
    the variances of its slope are ``12 (R / g t)^2 / (n^3 - n)`` and ``rate / (g t (n - 1))``, with the
    median rate of all differences. Parts and integrations are averaged with the inverse of the
    first as weights.
    """
    n_int, n_group, rows, columns = data.shape
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    dark = np.zeros((rows, columns), np.float32) if dark is None else dark
    if zeroframe is None:
        zeroframe = np.zeros((n_int, rows, columns), np.float32)
    first_group, last_group = used or (0, n_group - 1)
    start, stop = span or (0, n_group)
    rate = np.empty((4, rows, columns), np.float32)
    dq = np.empty((rows, columns), np.uint32)
    integrations = np.empty((4, n_int, rows, columns), np.float32)
    integrations_dq = np.empty((n_int, rows, columns), np.uint32)
    odd = np.empty((rows, columns), np.uint8)
    weights, pairs = _weights(n_group), sorting_pairs(n_group - 1)
    usual = min(stop, last_group + 1) - max(start, first_group)
    middle = sorting_pairs(max(usual - 1, 1), ((usual - 2) // 2, (usual - 1) // 2))
    _fit_clean(
        data, groupdq, pixeldq, gain, noise, dark, weights, pairs, middle, group_time_s, first_group,
        last_group, start, stop, rate, dq, integrations, integrations_dq, odd,
        np.empty((4, max(n_group, 3), _CHUNK), np.float32), np.empty((n_int + 4, _CHUNK)),
        np.empty((2, _CHUNK), np.uint8), np.empty(n_int, np.int64),
    )  # fmt: skip
    fit_odd(
        flat(data), flat(groupdq), flat(pixeldq), flat(gain), flat(noise), flat(dark),
        flat(zeroframe), np.flatnonzero(odd), weights, sorting_pairs(max(stop - start - 1, 1)),
        group_time_s, (n_frames + 1) / 2 * frame_time_s, frame_time_s, suppress_one_group, trim_each, first_group, last_group, start, stop,
        flat(rate), flat(dq), flat(integrations), flat(integrations_dq),
        np.empty((n_group, _FEW)), np.empty((n_group, _FEW)), np.empty((n_int + 1, _FEW)),
        np.empty((n_int + 2, _FEW), np.uint8), np.empty(_FEW, np.int64), np.empty(n_group),
        np.empty(n_group, np.uint8),
    )  # fmt: skip
    return RampFit(rate[0], rate[1], rate[2], rate[3], dq, integrations, integrations_dq)
