"""What each unbroken part of a ramp gave, for those who want to look into a fit of least squares.

See `calcore.kernels.ramp_fit_ols` for the method. Parts are numbered as they follow each other in time;
those of a single group count where a ramp has no longer one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import F4x2, F4x4, F8x1, I8x1, U1x1, U1x4, helper, kernel
from calcore.kernels.ramp_fit_ols import fit_ordinary
from calcore.kernels.ramp_fit_parts import next_part, snr_class

_DNU, _SAT, _JUMP = np.uint8(DQ.DO_NOT_USE), np.uint8(DQ.SATURATED), np.uint8(DQ.JUMP_DET)
_REFUSED = np.uint32(DQ.DO_NOT_USE | DQ.SATURATED)
_NAMES = ("slope", "sigslope", "var_poisson", "var_rnoise", "yint", "sigyint", "weights")


@helper
def _power(ratio: float) -> float:
    """Return the power of the weights for a signal-to-noise ratio (Fixsen et al. 2000, table)."""
    number = snr_class(ratio)
    if number < 2:
        return 0.4 * number
    return (1.0, 3.0, 6.0, 10.0)[number - 2]


@helper
def _line(
    data: F4x4, n: int, first: int, end: int, y: int, x: int, noise: float, gain: float, out: F8x1
) -> None:
    """Fit a weighted line to samples: slope [DN per group], level where the ramp begins [DN], errors.

    `out` holds slope, its error, level, its error; errors are those of read noise [electron].
    """
    rise = (np.float64(data[n, end - 1, y, x]) - np.float64(data[n, first, y, x])) * gain
    variance = noise * noise + rise
    power = _power(rise / np.sqrt(variance) if variance > 0 else 0.0)
    middle = (end - first - 1) / 2
    w, wx, wxx, wy, wxy = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(end - first):
        weight = (abs(k - middle) / middle) ** power
        place, value = float(first + k), np.float64(data[n, first + k, y, x])
        w += weight
        wx += weight * place
        wxx += weight * place * place
        wy += weight * value
        wxy += weight * place * value
    scale = w * wxx - wx * wx
    out[0] = (w * wxy - wx * wy) / scale
    out[1] = noise * np.sqrt(w / scale)
    out[2] = (wxx * wy - wx * wxy) / scale
    out[3] = noise * (np.sqrt(wxx / scale) if end - first > 2 else np.sqrt(2.0))


@helper
def _flag(data: F4x4, flags: U1x4, n: int, y: int, x: int, used: I8x1, out: U1x1) -> None:
    """Copy a ramp's flags; samples that are no numbers or not used are unusable."""
    for group in range(flags.shape[1]):
        flag = flags[n, group, y, x]
        if not (used[0] <= group <= used[1] and np.isfinite(data[n, group, y, x])):
            flag |= _DNU
        out[group] = flag


@kernel
def _count(data: F4x4, flags: U1x4, used: I8x1, out_most: I8x1, out_flags: U1x1) -> None:
    """Find the largest numbers of parts, and of jumps, that a ramp has."""
    n_int, n_group, rows, columns = data.shape
    for n in range(n_int):
        for y in range(rows):
            for x in range(columns):
                _flag(data, flags, n, y, x, used, out_flags)
                parts, jumps = 0, 0
                begin, end = next_part(out_flags, 0, n_group)
                while end > 0:
                    parts += int(end - begin > 1)
                    begin, end = next_part(out_flags, end, n_group)
                for group in range(1, n_group):
                    jumps += int(flags[n, group, y, x] & _JUMP != 0)
                out_most[0] = max(out_most[0], parts)
                out_most[1] = max(out_most[1], jumps)


@kernel
def _describe(
    data: F4x4, flags: U1x4, gain: F4x2, noise: F4x2, rates: F4x4, group_time: float, used: I8x1,
    out: F4x4, out_jumps: F4x4, out_flags: U1x1, out_line: F8x1,
) -> None:  # fmt: skip
    """Fill `out`: for each integration and part the seven quantities, one after the other."""
    n_int, n_group, rows, columns = data.shape
    most, n_jump = out.shape[1] // 7, out_jumps.shape[1]
    for n in range(n_int):
        for y in range(rows):
            for x in range(columns):
                jump = 0
                for group in range(1, n_group):
                    if flags[n, group, y, x] & _JUMP:
                        lost = (flags[n, group, y, x] | flags[n, group - 1, y, x]) & _SAT
                        height = data[n, group, y, x] - data[n, group - 1, y, x]
                        out_jumps[n, jump, y, x] = np.nan if lost else height
                        jump += 1
                for k in range(jump, n_jump):
                    out_jumps[n, k, y, x] = 0
                for k in range(out.shape[1]):
                    out[n, k, y, x] = 0
                if not rates[3, n, y, x] > 0:
                    continue
                electrons, read = np.float64(gain[y, x]), np.float64(noise[y, x])
                _flag(data, flags, n, y, x, used, out_flags)
                part, intervals = 0, 0
                begin, end = next_part(out_flags, 0, n_group)
                while end > 0:
                    length = end - begin
                    if length > 1:
                        _line(data, n, begin, end, y, x, read, electrons, out_line)
                        error = read / (electrons * group_time)
                        variance = 12 * error * error / (length * length * length - length)
                        out[n, part, y, x] = out_line[0] / group_time
                        out[n, most + part, y, x] = out_line[1]
                        out[n, 2 * most + part, y, x] = length - 1
                        out[n, 3 * most + part, y, x] = variance
                        out[n, 4 * most + part, y, x] = out_line[2]
                        out[n, 5 * most + part, y, x] = out_line[3]
                        out[n, 6 * most + part, y, x] = 1 / variance
                        intervals += length - 1
                        part += 1
                    begin, end = next_part(out_flags, end, n_group)
                for k in range(part):
                    out[n, 2 * most + k, y, x] = (
                        rates[2, n, y, x] * intervals / out[n, 2 * most + k, y, x]
                    )
                if part == 0:
                    out[n, 0, y, x] = rates[0, n, y, x]
                    out[n, 2 * most, y, x] = rates[2, n, y, x]
                    out[n, 3 * most, y, x] = rates[3, n, y, x]
                    out[n, 6 * most, y, x] = 1 / rates[3, n, y, x]


@dataclass(frozen=True, eq=False)
class Segments:
    """The parts of ramps; planes are float32 (n_int, n_part, ny, nx), 0 where there is no part.

    Attributes
    ----------
    slope, var_poisson, var_rnoise, weights
        Rate [DN/s], its variances [(DN/s)^2], and the weight in the average [(DN/s)^-2].
    sigslope, yint, sigyint
        Error of the slope that read noise makes [electron per group], level of the line at the first
        group [DN] and its error [electron].
    crmag : float32 (n_int, n_jump, ny, nx)
        Differences across jumps [DN]; NaN where a saturated group has one.
    pedestal : float32 (n_int, ny, nx)
        First group less the rate [DN/s] times half of the group's reads and one over all reads from
        group to group, as the reference pipeline has it; 0 where there is no rate.
    """

    slope: NDArray[np.float32]
    sigslope: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]
    yint: NDArray[np.float32]
    sigyint: NDArray[np.float32]
    weights: NDArray[np.float32]
    crmag: NDArray[np.float32]
    pedestal: NDArray[np.float32]


def describe_segments(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    group_time_s: float,
    frame_time_s: float,
    n_frames: int = 1,
    used: tuple[int, int] | None = None,
    span: tuple[int, int] | None = None,
    zeroframe: NDArray[np.float32] | None = None,
    **more: Any,
) -> Segments:
    """Return what each part of ramps gave; arguments as in `fit_ordinary`."""
    start, stop = span or (0, data.shape[1])
    first, last = used or (0, data.shape[1] - 1)
    if start > 0 or stop < data.shape[1]:
        data = np.ascontiguousarray(data[:, start:stop])
        groupdq = np.ascontiguousarray(groupdq[:, start:stop])
        if start > 0:
            groupdq[:, 0] &= ~_JUMP
        first, last = max(first - start, 0), min(last - start, stop - start - 1)
    n_int, n_group, rows, columns = data.shape
    fit = fit_ordinary(
        data, groupdq, pixeldq & ~_REFUSED, gain, readnoise, group_time_s=group_time_s,
        frame_time_s=frame_time_s, n_frames=n_frames, used=(first, last), zeroframe=zeroframe, **more,
    )  # fmt: skip
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    limits, counts = np.array([first, last]), np.array([1, 0])
    flags = np.empty(n_group, np.uint8)
    _count(data, groupdq, limits, counts, flags)
    out = np.empty((n_int, 7 * counts[0], rows, columns), np.float32)
    crmag = np.empty((n_int, counts[1], rows, columns), np.float32)
    _describe(
        data, groupdq, gain, noise, fit.integrations, group_time_s, limits, out, crmag, flags,
        np.empty(4),
    )  # fmt: skip
    planes = out.reshape(n_int, 7, counts[0], rows, columns)
    rate = fit.integrations[0]
    begins = data[:, 0]
    if zeroframe is not None and not more.get("suppress_one_group", True):
        flagged = (groupdq & ~np.uint8(DQ.PERSISTENCE) != 0).all(axis=1)
        by_zero = flagged & (groupdq & _SAT != 0).any(axis=1) & (zeroframe != 0)
        begins = np.where(by_zero, zeroframe, begins)
    cycle = round(group_time_s / frame_time_s)
    known = np.isfinite(rate) & (pixeldq & _REFUSED == 0)
    pedestal = np.where(known, begins - rate * np.float32((n_frames + 1) / 2 / cycle), 0)
    named = {name: planes[:, k] for k, name in enumerate(_NAMES)}
    return Segments(**named, crmag=crmag, pedestal=pedestal.astype(np.float32))
