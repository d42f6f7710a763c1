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
    B1x1,
    B1x2,
    B1x3,
    F4x2,
    F4x4,
    F8x1,
    F8x2,
    F8x3,
    I4x2,
    I8x1,
    I8x2,
    U1x3,
    U1x4,
    helper,
    kernel,
)  # fmt: skip
from calcore.kernels._networks import sorting_pairs
from calcore.kernels.jump_screen import may_jump

# How far a difference that is left out moves the rate, for each sigma that it deviates: up to the
# first the rate does not rest on it, from the second on it does [errors of the rate].
_LIGHT, _HEAVY = 0.5, 1.0
# Of the information in a difference, what is left where it alone tells the rate: rounding errors.
_ALONE = 1e-9
_UNUSABLE = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED)
_PIECE = 32  # pixels whose differences are gathered together
_JUMP = np.uint8(DQ.JUMP_DET)
_NOT_JUMP = np.uint8(0xFF ^ DQ.JUMP_DET)


@helper
def _median(value: F8x1, usable: B1x1, out_sorted: F8x1) -> float:
    """Return the median of the usable differences."""
    count = 0
    for k in range(value.size):
        if usable[k]:
            item = value[k]
            j = count
            while j > 0 and out_sorted[j - 1] > item:
                out_sorted[j] = out_sorted[j - 1]
                j -= 1
            out_sorted[j] = item
            count += 1
    low, high = out_sorted[(count - 1) // 2], out_sorted[count // 2]
    middle: float = 0.5 * (low + high)
    return middle


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
    value: F8x1, usable: B1x1, known_pivots: F8x2, diagonal: float, beside: float, prior: float,
    pull: float, limit: float, heavy: float, falling: float, out: F8x2, out_sums: F8x1,
    out_best: F8x1,
) -> int:  # fmt: skip
    """Return the difference whose loss improves the fit most, or -1 if none does by its limit.

    Nor is any returned that is no worse than `out_best`, its square and value. Of several that are
    equally bad, as two differences always are, the larger one is returned. `prior` is the weight of
    what other integrations say of the rate, `pull` that weight times their rate.
    """
    weight = out_sums[0] + prior
    rate = (out_sums[1] + pull) / weight
    known = pull * pull / prior if prior > 0 else 0.0
    if out_sums[2] + known - rate * (out_sums[1] + pull) <= limit * limit:
        return -1  # no part of chi square is larger than the whole
    forward(value, usable, known_pivots, out, out_sums)
    backward(usable, diagonal, beside, out)
    where = -1
    for k in range(value.size):
        if usable[k]:
            deviation = out[1, k] - rate * out[0, k]
            own = out[2, k] - out[0, k] * out[0, k] / weight
            if own <= _ALONE * out[2, k]:
                continue  # nothing else tells the rate
            square = deviation * deviation / own
            lever = out[0, k] / np.sqrt(weight * own)
            least = _limit(lever, deviation > 0, limit, heavy, falling)
            if square <= least * least:
                continue
            best = out_best[0]
            alike = best > 0 and abs(square - best) <= 1e-6 * best
            if (alike and value[k] > out_best[1]) or (square > best and not alike):
                out_best[0], out_best[1], where = square, value[k], k
    return where


@helper
def _search(
    value: F8x2, usable: B1x2, group_time: float, spread: float, read: float, thresholds: F8x1,
    heavy: float, falling: float, change: float, out_found: I8x1, out_sorted: F8x1,
    out_solved: F8x2, out_pivots: F8x2, out_sums: F8x2, out_medians: F8x2, out_best: F8x1,
) -> int:  # fmt: skip
    """Take the worst difference of some integrations away until none is left that deviates.

    Returns how many; where they were in `value`, counted row by row, stands in `out_found`. Columns
    of `out_medians` hold each integration's median difference, and how many are usable.
    """
    n_int, length = value.shape
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
        # The weight of the mean of integrations' rates, and that weight times the mean.
        weight, total = 0.0, 0.0
        for n in range(n_int):
            forward(value[n], usable[n], out_pivots, out_solved, out_sums[n])
            shrink = 1 / (1 + variance * out_sums[n, 0])
            weight += out_sums[n, 0] * shrink
            total += out_sums[n, 1] * shrink
        out_best[0], worst = 0.0, -1
        for n in range(n_int):
            prior, pull = 0.0, 0.0
            if n_int > 1:
                if out_sums[n, 0] == 0:
                    continue
                # What the others say: their mean, with its error and the scatter of rates.
                shrink = 1 / (1 + variance * out_sums[n, 0])
                others = max(weight - out_sums[n, 0] * shrink, 0.0)
                known = 1 / (1 + variance * others)
                prior, pull = others * known, (total - out_sums[n, 1] * shrink) * known
            where = _worst(
                value[n], usable[n], out_pivots, diagonal, beside, prior, pull, limit, heavy,
                falling, out_solved, out_sums[n], out_best,
            )  # fmt: skip
            if where >= 0:
                worst = n * length + where
        if worst < 0:
            return jumps
        n = worst // length
        usable[n, worst % length] = False
        out_medians[n, 1] -= 1
        if out_medians[n, 1] > 0:
            out_medians[n, 0] = _median(value[n], usable[n], out_sorted)
        out_found[jumps] = worst
        jumps += 1


@helper
def _gather(
    data: F4x4, groupdq: U1x4, gain: F4x2, pairs: I8x2, first: int, y: int, place: I8x1,
    pixels: int, out_value: F8x3, out_usable: B1x3, out_medians: F8x3, out_ranked: F8x2,
) -> None:  # fmt: skip
    """Lay out differences [electron] of pixels of a row, and find the median of each integration.

    Samples lie far apart: those of several pixels are fetched together, and sorted side by side.
    """
    for m in range(out_value.shape[1]):
        n = first + m
        for i in range(pixels):
            out_medians[i, m, 1] = 0.0
        for k in range(out_value.shape[2]):
            for i in range(pixels):
                x = place[i]
                bad = (groupdq[n, k, y, x] | groupdq[n, k + 1, y, x]) & _UNUSABLE
                step = np.float64(data[n, k + 1, y, x]) - np.float64(data[n, k, y, x])
                step *= np.float64(gain[y, x])
                usable = bad == 0 and np.isfinite(step)
                out_value[i, m, k], out_usable[i, m, k] = step, usable
                out_ranked[k, i] = step if usable else np.inf
                out_medians[i, m, 1] += 1.0 if usable else 0.0
        for pair in range(pairs.shape[0]):
            a, b = pairs[pair, 0], pairs[pair, 1]
            for i in range(_PIECE):
                low, high = out_ranked[a, i], out_ranked[b, i]
                out_ranked[a, i] = min(high, low)
                out_ranked[b, i] = max(low, high)
        for i in range(pixels):
            count = int(out_medians[i, m, 1])
            if count > 0:
                low, high = out_ranked[(count - 1) // 2, i], out_ranked[count // 2, i]
                out_medians[i, m, 0] = 0.5 * (low + high)


@kernel
def _find(
    data: F4x4, groupdq: U1x4, gain: F4x2, noise: F4x2, group_time: float, spread: float,
    thresholds: F8x1, heavy: float, falling: float, change: float, suspect: U1x3, pairs: I8x2, out: U1x4,
    out_count: I4x2, out_value: F8x3, out_usable: B1x3, out_found: I8x1, out_sorted: F8x1,
    out_solved: F8x2, out_pivots: F8x2, out_sums: F8x2, out_medians: F8x3, out_best: F8x1,
    out_place: I8x1, out_ranked: F8x2,
) -> None:  # fmt: skip
    n_int, n_group, rows, columns = data.shape
    length, together = n_group - 1, out_value.shape[1]
    for y in range(rows):
        for n in range(n_int):
            for group in range(n_group):
                for x in range(columns):
                    flag = groupdq[n, group, y, x]
                    out[n, group, y, x] = flag & _NOT_JUMP if flag & _UNUSABLE else flag
                for x in range(columns):
                    out_count[y, x] += np.int32((out[n, group, y, x] & _JUMP) != 0)
        for first in range(0, n_int, together):
            x = 0
            while x < columns:
                pixels = 0
                while x < columns and pixels < _PIECE:
                    read = np.float64(noise[y, x]) * np.float64(noise[y, x])
                    if suspect[first // together, y, x] and gain[y, x] > 0 and read > 0:
                        out_place[pixels] = x
                        pixels += 1
                    x += 1
                _gather(
                    data, groupdq, gain, pairs, first, y, out_place, pixels, out_value, out_usable,
                    out_medians, out_ranked,
                )  # fmt: skip
                for i in range(pixels):
                    j = out_place[i]
                    read = np.float64(noise[y, j]) * np.float64(noise[y, j])
                    jumps = _search(
                        out_value[i], out_usable[i], group_time, spread, read, thresholds, heavy,
                        falling, change, out_found, out_sorted, out_solved, out_pivots, out_sums,
                        out_medians[i], out_best,
                    )  # fmt: skip
                    for jump in range(jumps):
                        n, k = first + out_found[jump] // length, out_found[jump] % length
                        out_count[y, j] += np.int32((out[n, k + 1, y, j] & _JUMP) == 0)
                        out[n, k + 1, y, j] |= _JUMP


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
    out = np.empty_like(groupdq)
    count = np.zeros(data.shape[2:], np.int32)
    noise = readnoise * gain / np.float32(np.sqrt(2 * n_frames))
    n = max(n_group - 1, 1)
    spread = frame_time_s * (n_frames**2 - 1) / (6 * n_frames)
    together, change = (1, 0.0) if rate_change is None else (n_int, rate_change)
    suspect = may_jump(
        data, groupdq, gain, noise, shared=spread / group_time_s, rising=min(thresholds),
        falling=max(min(thresholds), falling), rate_change=rate_change,
    )  # fmt: skip
    _find(
        data, groupdq, gain, noise, group_time_s, spread, np.array(thresholds, np.float64), heavy,
        falling, change, suspect, sorting_pairs(n_group - 1), out, count, np.empty((_PIECE, together, n)),
        np.empty((_PIECE, together, n), bool), np.empty(together * n, np.int64), np.empty(n),
        np.empty((4, n)), np.empty((3, n)), np.zeros((together, 3)), np.empty((_PIECE, together, 2)),
        np.empty(2), np.empty(_PIECE, np.int64), np.zeros((n, _PIECE)),
    )  # fmt: skip
    return out, count
