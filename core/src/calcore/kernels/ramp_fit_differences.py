"""Count rates of greatest likelihood, integration by integration, with a search for jumps.

The differences of successive resultants have a tri-diagonal covariance (Brandt 2024, PASP 136,
045004). A difference, or two neighbours where resultants are averages, is given up for a jump where
chi square falls by more than chance makes it fall (Brandt 2024, PASP 136, 045005). This is what the
reference pipeline calls LIKELY; `calcore.kernels.ramp_fit_likelihood` fits all integrations together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import B1x1, F4x2, F4x3, F4x4, F8x1, F8x2, U1x3, U1x4, helper, kernel
from calcore.kernels._resultants import ROOM, fit_steps, group_reads, steps_of, without_zero
from calcore.kernels.ramp_fit_ols import RampFit

ONE_JUMP, TWO_JUMPS = 20.25, 23.8
"""By how much chi square must fall for one difference, for two neighbours: 4.5 sigma both."""
_ENOUGH = 4  # usable differences; with fewer no further jump is sought
_JUMP, _DNU, _SAT = np.uint8(DQ.JUMP_DET), np.uint8(DQ.DO_NOT_USE), np.uint8(DQ.SATURATED)
_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_NO_GAIN = np.uint32(DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE)
_NOT_JUMP = np.uint8(0xFF ^ DQ.JUMP_DET)
_NOT_DNU = np.uint32(0xFFFFFFFF ^ DQ.DO_NOT_USE)


@helper
def _middle(value: F8x1, out_sorted: F8x1) -> float:
    """Return the median; NaN if there is one."""
    n = value.size
    for k in range(n):
        item: float = value[k]
        if np.isnan(item):
            return item
        j = k
        while j > 0 and out_sorted[j - 1] > item:
            out_sorted[j] = out_sorted[j - 1]
            j -= 1
        out_sorted[j] = item
    median: float = 0.5 * (out_sorted[(n - 1) // 2] + out_sorted[n // 2])
    return median


@helper
def _gain_of_one(k: int, rate: float, weight: float, out: F8x2) -> float:
    """Return by how much chi square falls without difference k."""
    deviation = out[1, k] - rate * out[0, k]
    gain: float = deviation * deviation / (out[2, k] - out[0, k] * out[0, k] / weight)
    return gain


@helper
def _gain_of_two(k: int, rate: float, weight: float, out: F8x2) -> float:
    """Return by how much chi square falls without differences k and k + 1."""
    first, second = out[1, k] - rate * out[0, k], out[1, k + 1] - rate * out[0, k + 1]
    a = out[2, k] - out[0, k] * out[0, k] / weight
    b = out[3, k] - out[0, k] * out[0, k + 1] / weight
    c = out[2, k + 1] - out[0, k + 1] * out[0, k + 1] / weight
    gain: float = (c * first * first - 2 * b * first * second + a * second * second) / (
        a * c - b * b
    )
    return gain


@helper
def _drop_worst(usable: B1x1, pairs: bool, sums: F8x1, out: F8x2, out_usable: B1x1) -> int:
    """Take the difference, or the neighbours, that fit worst out; return how many these are.

    At least two differences stay: a single one fits any rate, so that all choices were equally good.
    """
    count, rate, weight = 0, sums[0], sums[1]
    one, two, worst, pair = 0.0, 0.0, -1, -1
    for k in range(usable.size):
        if not usable[k]:
            continue
        count += 1
        gain = _gain_of_one(k, rate, weight, out)
        if gain > one:
            one, worst = gain, k
        if pairs and k + 1 < usable.size and usable[k + 1]:
            gain = _gain_of_two(k, rate, weight, out)
            if gain > two:
                two, pair = gain, k
    if count >= 4 and pair >= 0 and two > TWO_JUMPS and two - one > TWO_JUMPS - ONE_JUMP:
        out_usable[pair] = False
        out_usable[pair + 1] = False
        return 2
    if count >= 3 and worst >= 0 and one > ONE_JUMP:
        out_usable[worst] = False
        return 1
    return 0


@kernel
def _fit_each(
    data: F4x4, flags: U1x4, zeroframe: F4x3, gain: F4x2, noise: F4x2, dark: F4x2,
    spacing: F8x1, shape: F8x2, first: int, last: int, n_frames: int, out_rate: F4x4,
    out_flags: U1x3, out_step: F8x1, out_sorted: F8x1, out_usable: B1x1, out_room: F8x2,
    out_sums: F8x1,
) -> None:  # fmt: skip
    """Fit every integration; rows of `out_rate` are rate, photon and read variance, chi square."""
    n_int, n_group, rows, columns = data.shape
    extra = zeroframe.shape[0] > 0
    offset = int(extra)
    for n in range(n_int):
        for y in range(rows):
            for x in range(columns):
                for k in range(4):
                    out_rate[k, n, y, x] = np.nan
                electrons = np.float64(gain[y, x])
                read = np.float64(noise[y, x]) * np.float64(noise[y, x])
                seen, all_lost, count = np.uint8(0), _DNU, 0
                for group in range(n_group):
                    flag = flags[n, group, y, x]
                    seen |= flag & (_JUMP | _SAT)
                    lost = flag & _UNUSABLE != 0 or not first <= group <= last
                    all_lost &= _DNU if lost else np.uint8(0)
                out_flags[n, y, x] = seen | all_lost
                if not (electrons > 0 and read >= 0):
                    continue
                for k in range(out_step.size):
                    group = k + 1 - offset
                    before: float = np.float64(data[n, max(group - 1, 0), y, x])
                    after: float = np.float64(data[n, group, y, x])
                    if extra and group < 2:
                        zero = np.float64(zeroframe[n, y, x])
                        rest = without_zero(after if group == 0 else before, zero, n_frames)
                        before, after = (zero, rest) if group == 0 else (rest, after)
                    out_step[k] = (after - before) * electrons / spacing[k]
                    lost = flags[n, group, y, x]
                    if group > 0:
                        lost |= flags[n, group - 1, y, x]
                    inside = first <= group <= last and (group > first or group == 0)
                    out_usable[k] = lost == 0 and inside
                    count += out_usable[k]
                guess = max(_middle(out_step, out_sorted), 0.0)
                if count == 0 or np.isnan(guess):
                    continue
                fit_steps(out_step, out_usable, guess, read, 0.0, shape, out_room, out_sums)
                while True:
                    dropped = _drop_worst(out_usable, n_frames > 1, out_sums, out_room, out_usable)
                    if dropped == 0:
                        break
                    out_flags[n, y, x] |= _JUMP
                    count -= dropped
                    fit_steps(out_step, out_usable, guess, read, 0.0, shape, out_room, out_sums)
                    if count < _ENOUGH:
                        break
                guess = max(out_sums[0], 0.0) + np.float64(dark[y, x]) * electrons
                guess = max(guess, 0.0)  # a dark may be told below 0; noise has no less than none
                fit_steps(out_step, out_usable, guess, read, 0.0, shape, out_room, out_sums)
                out_rate[0, n, y, x] = out_sums[0] / electrons
                scale = 1 / (electrons * electrons)
                out_rate[1, n, y, x] = guess * out_sums[3] * scale
                out_rate[2, n, y, x] = out_sums[4] * scale
                out_rate[3, n, y, x] = out_sums[2]


@dataclass(frozen=True, eq=False)
class LikelyFit:
    """What `fit_each` finds.

    Attributes
    ----------
    fit : RampFit
        Count rates.
    chi_square : float32 (ny, nx)
        Summed over integrations; NaN if one of them has no rate.
    """

    fit: RampFit
    chi_square: NDArray[np.float32]


def fit_each(
    ordinary: RampFit,
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
) -> LikelyFit:
    """Fit each integration by greatest likelihood, and average the rates.

    Parameters
    ----------
    ordinary : RampFit
        The fit whose flags of pixels are kept: pixels without gain.
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. One that is no number takes the integration with it.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags. A difference counts if both its groups are without any.
    pixeldq : uint32 (ny, nx)
        Flags of pixels; they do not keep a pixel from having a rate.
    gain, readnoise : float32 (ny, nx)
        Gain [electron/DN]; noise of the difference of two reads [DN]. Where either is no number, or
        the gain is not positive, there is no rate.
    group_time_s, frame_time_s : float
        Time between groups and time of one read [s].
    n_frames : int
        Reads averaged into a group.
    dark : float32 (ny, nx), optional
        Dark rate added to the rate that makes photon noise [DN/s].
    zeroframe : float32 (n_int, ny, nx), optional
        First read [DN], taken as a resultant of its own before the first group.
    used : (int, int), optional
        First and last group to fit.
    span : (int, int), optional
        First group and end of the groups that exist; others leave no trace in the flags.

    Returns
    -------
    LikelyFit
        Where there is no rate, it, errors and chi square are NaN and DO_NOT_USE is set.

    Notes
    -----
    Photon noise is that of the median difference while jumps are sought, then that of the rate found
    with it, whose error is given. Integrations are averaged with the inverse of their variances, whose
    photon part is that of the average rate.
    """
    start, stop = span or (0, data.shape[1])
    first, last = used or (start, stop - 1)
    first, last = max(first - start, 0), min(last, stop - 1) - start
    if start > 0 or stop < data.shape[1]:
        data = np.ascontiguousarray(data[:, start:stop])
        groupdq = np.ascontiguousarray(groupdq[:, start:stop])
        if start > 0:
            groupdq[:, 0] &= _NOT_JUMP  # nothing is left that it could have jumped from
    n_int, n_group, rows, columns = data.shape
    if zeroframe is None or n_frames == 1 or start > 0:
        zeroframe = np.zeros((0, rows, columns), np.float32)
    reads = group_reads(n_group, n_frames, group_time_s, frame_time_s, zero=zeroframe.shape[0] > 0)
    steps = steps_of(reads)
    noise = readnoise * gain / np.float32(np.sqrt(2))
    fitted = np.empty((4, n_int, rows, columns), np.float32)
    flags = np.empty((n_int, rows, columns), np.uint8)
    n = steps.spacing.size
    _fit_each(
        data, groupdq, zeroframe, gain, noise,
        np.zeros((rows, columns), np.float32) if dark is None else dark,
        steps.spacing, steps.shape, first, last, n_frames, fitted, flags,
        np.empty(n), np.empty(n), np.empty(n, bool), np.empty((ROOM, n)), np.empty(5),
    )  # fmt: skip
    rates, photons, read, chi_square = fitted
    unknown = np.isnan(rates)
    gainless = ordinary.dq & np.uint32(DQ.NO_GAIN_VALUE) != 0
    known = (pixeldq | np.where(gainless, _NO_GAIN, np.uint32(0)))[None]
    integrations_dq = known | flags | unknown * np.uint32(DQ.DO_NOT_USE)
    dq = np.bitwise_or.reduce(integrations_dq, axis=0)
    dq &= np.where(unknown.all(axis=0), ~np.uint32(0), _NOT_DNU | known[0])
    rate, var_poisson, var_rnoise = _average(rates, photons, read)
    return LikelyFit(
        RampFit(
            rate, np.sqrt(var_poisson + var_rnoise), var_poisson, var_rnoise, dq,
            np.stack([rates, np.sqrt(photons + read), photons, read]), integrations_dq,
        ),
        chi_square.sum(axis=0),
    )  # fmt: skip


def _median(rates: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the median of the rates that are known; NaN where none is."""
    ranked = np.sort(rates, axis=0)  # NaN last
    count = np.isfinite(rates).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    pick = (
        np.take_along_axis(ranked, np.minimum(i, len(rates) - 1)[None], 0)[0] for i in (low, high)
    )
    median: NDArray[np.float64] = np.mean(list(pick), axis=0, dtype=float)
    return median


def _average(
    rates: NDArray[np.float32], photons: NDArray[np.float32], read: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the weighted mean of integrations' rates, and its photon and read variance."""
    if len(rates) == 1:
        return rates[0].copy(), photons[0].copy(), read[0].copy()
    known = np.isfinite(rates)
    mean = _median(rates)
    rate, photons, read = (
        np.where(known, item, 0).astype(float) for item in (rates, photons, read)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(2):
            expected = photons * np.where(rate != 0, np.maximum(mean / rate, 0), 0)
            weight = np.where(known, 1 / (expected + read), 0)
            weight /= weight.sum(axis=0)
            mean = (weight * rate).sum(axis=0)
    var_poisson = (weight * weight * expected).sum(axis=0)
    var_rnoise = (weight * weight * read).sum(axis=0)
    return mean.astype(np.float32), var_poisson.astype(np.float32), var_rnoise.astype(np.float32)
