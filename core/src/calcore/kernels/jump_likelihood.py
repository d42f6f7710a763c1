"""Jumps in ramps, found by how much better a ramp fits when one difference is left out.

The differences of successive groups share read noise with their neighbours, with opposite sign, so
that neighbours tell much of a difference's error. The test of Brandt 2024 (PASP 136, 045005) uses
it: with C the covariance of the differences d, ``u = C^-1 1``, ``w = C^-1 (d - rate)``, leaving out
difference i lowers chi square by ``w_i^2 / ((C^-1)_ii - u_i^2 / sum(u))``, which is the square of a
standard normal deviate where there is no jump.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._elimination import backward, forward, pivots
from calcore.kernels._jit import (
    B1x2,
    F4x1,
    F4x3,
    F8x1,
    F8x2,
    I4x2,
    I8x1,
    U1x3,
    U1x4,
    helper,
    kernel,
)  # fmt: skip
from calcore.kernels._known_jumps import known_jumps
from calcore.kernels._singled_out import pieces, pixels_of
from calcore.kernels.jump_screen import may_jump

# How far a difference that is left out moves the rate, for each sigma that it deviates: up to the
# first the rate does not rest on it, from the second on it does [errors of the rate].
_LIGHT, _HEAVY = 0.5, 1.0
# Of the information in a difference, what is left where it alone tells the rate: rounding errors.
_ALONE = 1e-9
_ALMOST = 1 - 1e-9  # of a limit: below it is not rounding that decides
_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_JUMP = np.uint8(DQ.JUMP_DET)


@helper
def _middle(ranked: F8x2, n: int, count: int) -> float:
    """Return the median of so many sorted values."""
    middle: float = 0.5 * (ranked[n, (count - 1) // 2] + ranked[n, count // 2])
    return middle


@helper
def _sort(value: F8x2, usable: B1x2, out_sorted: F8x2, out_medians: F8x2) -> None:
    """Sort the usable differences of each integration; write their median, and how many they are."""
    for n in range(value.shape[0]):
        count = 0
        for k in range(value.shape[1]):
            if usable[n, k]:
                item = value[n, k]
                j = count
                while j > 0 and out_sorted[n, j - 1] > item:
                    out_sorted[n, j] = out_sorted[n, j - 1]
                    j -= 1
                out_sorted[n, j] = item
                count += 1
        out_medians[n, 1] = count
        if count > 0:
            out_medians[n, 0] = _middle(out_sorted, n, count)


@helper
def _take_away(item: float, n: int, out_sorted: F8x2, out_medians: F8x2) -> None:
    """Take a difference away from the sorted ones of an integration."""
    count = int(out_medians[n, 1]) - 1
    j = count
    while out_sorted[n, j] > item:
        j -= 1
    while j < count:
        out_sorted[n, j] = out_sorted[n, j + 1]
        j += 1
    if count > 0:
        out_medians[n, 0] = _middle(out_sorted, n, count)
    out_medians[n, 1] = count


@helper
def _limit(lever: float, rising: bool, limit: float, heavy: float, falling: float) -> float:
    """Return by how many sigma a difference must deviate.

    Limits are those of a difference that the rate does not rest on, of one that it does, and of one
    that is too small.
    """
    if lever > _LIGHT:
        share = min((lever - _LIGHT) / (_HEAVY - _LIGHT), 1.0)
        limit += max(heavy - limit, 0.0) * share
    return limit if rising else max(limit, falling)


@helper
def _level(medians: F8x2) -> tuple[float, int]:
    """Return the mean of the integrations' median differences, and how many are usable.

    The level is no less than zero.
    """
    level, integrations, left = 0.0, 0, 0.0
    for n in range(medians.shape[0]):
        if medians[n, 1] > 0:
            level += medians[n, 0]
            integrations += 1
            left += medians[n, 1]
    return max(level / max(integrations, 1), 0.0), int(left)


@helper
def _worst(
    value: F8x2, usable: B1x2, n: int, weight: float, rate: float, limit: float, heavy: float,
    falling: float, solved: F8x2, out_best: F8x1,
) -> int:  # fmt: skip
    """Return the difference of an integration whose loss improves the fit most, or -1.

    The latter where none improves it by its limit, or none is worse than `out_best`, its square and
    value. Of several that are equally bad, as two differences always are, the larger one is
    returned. `weight` is that of `rate`, what other integrations say of it included.
    """
    where = -1
    for k in range(value.shape[1]):
        if usable[n, k]:
            deviation = solved[1, k] - rate * solved[0, k]
            own = solved[2, k] - solved[0, k] * solved[0, k] / weight
            if own <= _ALONE * solved[2, k]:
                continue  # nothing else tells the rate
            if deviation * deviation < _ALMOST * limit * limit * own:
                continue  # most of them, without a division
            square = deviation * deviation / own
            lever = solved[0, k] / np.sqrt(weight * own)
            least = _limit(lever, deviation > 0, limit, heavy, falling)
            if square <= least * least:
                continue
            best = out_best[0]
            alike = best > 0 and abs(square - best) <= 1e-6 * best
            if (alike and value[n, k] > out_best[1]) or (square > best and not alike):
                out_best[0], out_best[1], where = square, value[n, k], k
    return where


@helper
def _search(
    value: F8x2, usable: B1x2, group_time: float, spread: float, read: float, thresholds: F8x1,
    heavy: float, falling: float, change: float, out_found: I8x1, out_sorted: F8x2,
    out_solved: F8x2, out_pivots: F8x2, out_sums: F8x2, out_medians: F8x2, out_best: F8x1,
) -> int:  # fmt: skip
    """Take the worst difference of some integrations away until none is left that deviates.

    Returns how many; where they were in `value`, counted row by row, stands in `out_found`. Columns
    of `out_medians` hold each integration's median difference, and how many are usable.
    """
    n_int, length = value.shape
    _sort(value, usable, out_sorted, out_medians)
    jumps = 0
    while True:
        level, left = _level(out_medians)
        if left < 2:
            return jumps
        photons = level / group_time
        diagonal = photons * (group_time - 2 * spread) + 2 * read
        beside = photons * spread - read
        limit = thresholds[0] if left >= 4 else thresholds[4 - left]
        variance = change * level * change * level
        pivots(diagonal, beside, out_pivots)
        forward(value, usable, 0, n_int, out_pivots, out_solved, out_sums)
        # The weight of the mean of integrations' rates, and that weight times the mean.
        all_weight, all_total = 0.0, 0.0
        for n in range(n_int):
            shrink = 1 / (1 + variance * out_sums[n, 0])
            all_weight += out_sums[n, 0] * shrink
            all_total += out_sums[n, 1] * shrink
        out_best[0], worst = 0.0, -1
        for n in range(n_int):
            weight, total, square = out_sums[n, 0], out_sums[n, 1], out_sums[n, 2]
            if n_int > 1:
                if weight == 0:
                    continue
                # What the others say: their mean, with its error and the scatter of rates.
                shrink = 1 / (1 + variance * weight)
                others = max(all_weight - weight * shrink, 0.0)
                known = 1 / (1 + variance * others)
                prior, pull = others * known, (all_total - total * shrink) * known
                square += pull * pull / prior if prior > 0 else 0.0
                weight, total = weight + prior, total + pull
            rate = total / weight
            if square - rate * total <= limit * limit:
                continue  # no part of chi square is larger than the whole
            forward(value, usable, n, n + 1, out_pivots, out_solved, out_sums)
            backward(usable, n, diagonal, beside, out_pivots, out_solved)
            where = _worst(
                value, usable, n, weight, rate, limit, heavy, falling, out_solved, out_best
            )  # fmt: skip
            if where >= 0:
                worst = n * length + where
        if worst < 0:
            return jumps
        n = worst // length
        usable[n, worst % length] = False
        _take_away(value[n, worst % length], n, out_sorted, out_medians)
        out_found[jumps] = worst
        jumps += 1


@kernel
def _find(
    data: F4x3, groupdq: U1x3, gain: F4x1, noise: F4x1, places: I8x1, first: int, group_time: float,
    spread: float, thresholds: F8x1, heavy: float, falling: float, change: float, out: U1x4,
    out_count: I4x2, out_value: F8x2, out_usable: B1x2, out_found: I8x1, out_sorted: F8x2,
    out_solved: F8x2, out_pivots: F8x2, out_sums: F8x2, out_medians: F8x2, out_best: F8x1,
) -> None:  # fmt: skip
    """Flag the jumps of pixels whose samples lie side by side, from integration `first` on."""
    length, columns = out_value.shape[1], out.shape[3]
    for pixel in range(places.size):
        y, x = places[pixel] // columns, places[pixel] % columns
        electrons = np.float64(gain[pixel])
        read = np.float64(noise[pixel]) * np.float64(noise[pixel])
        for n in range(out_value.shape[0]):
            for k in range(length):
                bad = (groupdq[pixel, n, k] | groupdq[pixel, n, k + 1]) & _UNUSABLE
                step = np.float64(data[pixel, n, k + 1]) - np.float64(data[pixel, n, k])
                step *= electrons
                out_value[n, k], out_usable[n, k] = step, bad == 0 and np.isfinite(step)
        jumps = _search(
            out_value, out_usable, group_time, spread, read, thresholds, heavy, falling, change,
            out_found, out_sorted, out_solved, out_pivots, out_sums, out_medians, out_best,
        )  # fmt: skip
        for jump in range(jumps):
            n, group = first + out_found[jump] // length, out_found[jump] % length + 1
            out_count[y, x] += np.int32((out[n, group, y, x] & _JUMP) == 0)
            out[n, group, y, x] |= _JUMP


def find_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    readnoise: NDArray[np.float32],
    *,
    group_time_s: float,
    frame_time_s: float,
    n_frames: int = 1,
    thresholds: tuple[float, float, float] = (4.0, 5.0, 6.0),
    heavy: float = 0.0,
    falling: float = 0.0,
    rate_change: float | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Flag differences between groups without which a ramp fits much better.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. A value that is not finite takes no part.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of each sample. Groups with DO_NOT_USE or SATURATED take no part, and carry no
        JUMP_DET in the result.
    gain : float32 (ny, nx)
        Gain [electron/DN]; no jumps are found where it is not positive.
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN]; no jumps are found where it is not positive.
    group_time_s, frame_time_s : float
        Time between groups and time of one read [s].
    n_frames : int
        Reads averaged into a group.
    thresholds : (float, float, float)
        Largest deviation that is no jump [sigma], where at least four, three, two differences are
        left.
    heavy : float
        The same for differences that the rate rests on, where that is more [sigma].
    falling : float
        The same for differences that are too small, where that is more [sigma]: hits add charge.
    rate_change : float, optional
        A pixel's rates in its integrations scatter by this part of themselves; what the others say
        is used. If not given, every integration is on its own.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with JUMP_DET in the first group after a jump.
    count : int32 (ny, nx)
        Jumps of each pixel, those known before included.

    Notes
    -----
    The worst difference is taken away and the rest are looked at again, until none is left that
    deviates. Photon noise is that of the median difference, averaged over the integrations that are
    looked at together. What other integrations say of a rate is one more measurement of it: the mean
    of theirs, with its error and the scatter of rates among integrations.

    A difference that is left out for nothing moves the rate by u_i / sqrt(sum(u) ((C^-1)_ii -
    u_i^2 / sum(u))) errors for each sigma of its own deviation: by little in a ramp of photons, by
    almost two where there is read noise alone. Between half an error and one, the limit goes over
    to `heavy`.
    """
    n_int, n_group = data.shape[:2]
    out, count = known_jumps(groupdq)
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    n = max(n_group - 1, 1)
    spread = frame_time_s * (n_frames**2 - 1) / (6 * n_frames)
    together, change = (1, 0.0) if rate_change is None else (n_int, rate_change)
    suspect = may_jump(
        data, groupdq, gain, noise, shared=spread / group_time_s, rising=min(thresholds),
        falling=max(min(thresholds), falling), rate_change=rate_change,
    )  # fmt: skip
    sound = (gain > 0) & (np.abs(noise) > 0)
    room = (
        np.empty((together, n)), np.empty((together, n), bool), np.empty(together * n, np.int64),
        np.empty((together, n)), np.empty((4, n)), np.empty((4, n)), np.empty((together, 3)),
        np.empty((together, 2)), np.empty(2),
    )  # fmt: skip
    for first in range(0, n_int, together):
        part = slice(first, first + together)
        for places in pieces(suspect[first // together] * sound, together * n_group):
            _find(
                pixels_of(data[part], places), pixels_of(groupdq[part], places),
                gain.ravel()[places], noise.ravel()[places], places, first, group_time_s, spread,
                np.array(thresholds, np.float64), heavy, falling, change, out, count, *room,
            )  # fmt: skip
    return out, count
