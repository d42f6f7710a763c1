"""Rates of greatest likelihood of many pixels side by side; broken ramps are put in one by one.

See `calcore.kernels.ramp_fit_likelihood` for the method; every operation on a pixel is the same as in
`calcore.kernels._likely_broken`, in the same order, so that the bits are.
"""

import numpy as np

from calcore.flags import DQ
from calcore.kernels._jit import (
    F4x2,
    F4x4,
    F8x1,
    F8x2,
    I8x2,
    U1x2,
    U1x4,
    U4x2,
    U4x3,
    helper,
    kernel,
    unsigned,
)  # fmt: skip
from calcore.kernels._likely_broken import NO_PHOTONS, gather, hits_alone, rise_of
from calcore.kernels._whole import run_width, whole_span

CHUNK = 128  # pixels side by side
ROOM = 27  # rows of numbers for each pixel, besides the weights
_DNU, _JUMP = np.uint8(DQ.DO_NOT_USE), np.uint8(DQ.JUMP_DET)
_NOTHING = np.uint8(0)
_UNUSABLE = np.uint32(DQ.DO_NOT_USE | DQ.SATURATED)


# Loops touch few arrays each: with more of them, whether they overlap would take too many questions,
# and they would go pixel by pixel.


@helper
def _noise(
    rate: F8x1, electrons: F8x1, background: F8x1, read: F8x1, group_time: float, spread: float,
    width: int, out: F8x2,
) -> None:  # fmt: skip
    """Find the covariance of differences; rows of `out` are as `_weigh` needs them."""
    diagonal, beside, total, root = out[0], out[1], out[2], out[3]
    photons = out[4]
    for x in range(width):
        photons[x] = max(rate[x] * electrons[x], 0.0) + max(background[x], 0.0)
        total[x] = photons[x] * group_time
    for x in range(width):
        diagonal[x] = photons[x] * (group_time - 2 * spread) + 2 * read[x]
        beside[x] = photons[x] * spread - read[x]
    for x in range(width):
        few = np.sqrt((diagonal[x] - 2 * beside[x]) * total[x])
        bent = beside[x] if beside[x] != 0 else 1.0
        root[x] = (few - diagonal[x]) / (2 * bent) if beside[x] != 0 else 0.0


@helper
def _weigh(count: int, width: int, read: F8x1, noise: F8x2, out: F8x2, out_weight: F8x2) -> None:
    """Solve C u = 1 for `count` differences; sum u, u^2 and u u', and 1 / R^2 u had R no photons.

    Rows of `out` then hold these sums, rows of `out_weight` what pairs of samples count for.
    """
    diagonal, total, root, scale = noise[0], noise[2], noise[3], noise[4]
    half, product = (count + 1) // 2, count * (count + 1.0) * (count + 2.0)
    for x in range(width):
        scale[x], out[0, x], out[1, x], out[2, x] = 1.0, 0.0, 0.0, 0.0
        out[3, x] = product / (12 * read[x])
    for k in range(count):
        for x in range(width):
            scale[x] *= root[x]
            out_weight[k, x] = scale[x]
    for x in range(width):
        scale[x] = 1 / (1 + scale[x] * root[x])
    for k in range(half):
        flat = float((k + 1) * (count - k))
        for x in range(width):
            weight = 1 - (out_weight[k, x] + out_weight[count - 1 - k, x]) * scale[x]
            bare = total[x] <= NO_PHOTONS * diagonal[x]
            out_weight[k, x] = (flat if bare else weight) / (diagonal[x] if bare else total[x])
    for k in range(half):
        # Weights are symmetric, but for the middle one they come in pairs.
        twice = 2.0 if 2 * k < count - 1 else 1.0
        for x in range(width):
            out[0, x] += twice * out_weight[k, x]
            out[1, x] += twice * (out_weight[k, x] * out_weight[k, x])
    for k in range(1, half + 1 - count % 2):
        twice, other = (2.0, k) if k < half else (1.0, k - 1)
        for x in range(width):
            out[2, x] += twice * (out_weight[other, x] * out_weight[k - 1, x])
    for k in range(half - 1, 0, -1):
        for x in range(width):
            out_weight[k, x] -= out_weight[k - 1, x]


@helper
def _write(
    sums: F8x2, value: F8x1, known: F8x2, group_time: float, spread: float, n: int, y: int,
    left: int, width: int, out: F4x4, out_room: F8x2,
) -> None:  # fmt: skip
    """Write rates and errors; `sums` are those of `_weigh`, `value` is that of u times differences."""
    electrons, read, background = known[0], known[1], known[2]
    rate, variance, scale, alone = out_room[0], out_room[1], out_room[2], group_time - 2 * spread
    for x in range(width):
        rate[x] = value[x] / (sums[0, x] * group_time)
        out[0, n, y, left + x] = rate[x]
    for x in range(width):
        photons = max(rate[x] * electrons[x], 0.0) + max(background[x], 0.0)
        photons *= alone * sums[1, x] + 2 * spread * sums[2, x]
        variance[x] = photons + 2 * read[x] * (sums[1, x] - sums[2, x])
    for x in range(width):
        scale[x] = sums[0, x] * electrons[x] * group_time
        scale[x] = 1 / (scale[x] * scale[x])
    for x in range(width):
        out[1, n, y, left + x] = np.sqrt(variance[x] * scale[x])
    for x in range(width):
        # Read noise has what it would have alone, whatever the flux.
        rate[x] = min(sums[0, x] * sums[0, x] / sums[3, x], variance[x])
    for x in range(width):
        out[2, n, y, left + x] = (variance[x] - rate[x]) * scale[x]
        out[3, n, y, left + x] = rate[x] * scale[x]


@kernel
def fit_rows(
    data: F4x4, flags: U1x4, pixeldq: U4x2, gain: F4x2, noise: F4x2, dark: F4x2, group_time: float,
    spread: float, first_group: int, stop_group: int, start: int, stop: int, out_rate: F4x4,
    out_rate_dq: U4x2, out_ints: F4x4, out_ints_dq: U4x3, out_odd: U1x2, out_room: F8x2,
    out_weight: F8x2, out_one: F8x2, out_state: U1x2, out_span: I8x2,
) -> None:  # fmt: skip
    """Fit all pixels; a rate that no difference tells is NaN.

    `out_odd` is 0 for pixels without a flag, JUMP_DET for those with nothing but hits, and DO_NOT_USE
    where others have to say what has a rate, and what its flags are. The last five arguments are room.
    """
    integrations, _, rows, columns = data.shape
    known, rate, value, all_value = out_room[0:3], out_room[3], out_room[4], out_room[18]
    covariance, weighed, together = out_room[5:10], out_room[10:14], out_room[14:19]
    own, spare, counted = out_room[19:23], out_room[23:26], out_room[26]
    electrons, read, background = known[0], known[1], known[2]
    lone_weight, lone_part, lone = out_one[0], out_one[1], out_one[2, :5]
    mark = out_state[integrations]
    step = run_width(columns, CHUNK)
    for y in range(rows):
        for left in range(0, columns, step):
            width = min(step, columns - left)
            at, wide = unsigned(left), unsigned(width)
            for x in range(wide):
                electrons[x] = gain[y, at + x]
                background[x] = dark[y, at + x] * electrons[x]
                read[x] = np.float64(noise[y, at + x]) * np.float64(noise[y, at + x])
                sound = (electrons[x] > 0) & (read[x] > 0)
                rate[x], counted[x] = 0.0 if sound else np.nan, 0.0
                bad = not np.isfinite(background[x]) or pixeldq[y, at + x] & _UNUSABLE != 0
                mark[x] = _DNU if bad else _NOTHING
            for m in range(integrations):
                begin, end = max(start, first_group), min(stop, stop_group)
                begin, end = whole_span(flags, m, y, left, width, begin, end)
                out_span[m, 0], out_span[m, 1] = begin, end - begin - 1
                state, length = out_state[m], float(end - begin - 1)
                for x in range(wide):
                    state[x] = _NOTHING if end - begin > 1 else _DNU
                for group in range(start, stop):
                    lost = not begin <= group < end
                    for x in range(wide):
                        flag = flags[m, group, y, at + x]
                        more = _DNU if flag & ~_DNU else _NOTHING  # others know whether it matters
                        state[x] |= more if lost else flag
                for group in range(begin, end):
                    for x in range(wide):
                        finite = np.isfinite(data[m, group, y, at + x])
                        state[x] |= _NOTHING if finite else _DNU
                for x in range(wide):
                    rise = np.float64(data[m, end - 1, y, at + x])
                    rise -= np.float64(data[m, begin, y, at + x])
                    rate[x] += rise if state[x] == 0 else 0.0
                    counted[x] += length if state[x] == 0 else 0.0
                for x in range(wide):
                    out_ints_dq[m, y, at + x] = pixeldq[y, at + x] | (state[x] & _JUMP)
                for x in range(width):
                    if state[x] != 0:
                        total, count = rise_of(data, flags, m, y, left + x, first_group, stop_group)
                        rate[x] += total
                        counted[x] += count
                        hit = state[x] == _JUMP and hits_alone(flags, m, y, left + x, start, stop)
                        mark[x] |= _JUMP if hit else _DNU
            for x in range(wide):
                rate[x] /= max(counted[x], 1.0) * group_time
                out_rate_dq[y, at + x] = pixeldq[y, at + x] | (mark[x] & _JUMP)
            # End to end, then with the noise of that rate, then with that of the rate found.
            for turn in range(2):
                _noise(
                    rate, electrons, background, read, group_time, spread, wide, covariance
                )  # fmt: skip
                for k in range(5):
                    for x in range(wide):
                        together[k, x] = 0.0
                length = 0
                for m in range(integrations):
                    begin, count = out_span[m, 0], out_span[m, 1]
                    if count > 0 and count != length:
                        _weigh(count, wide, read, covariance, weighed, out_weight)
                        length = count
                    for x in range(wide):
                        value[x] = 0.0
                    for k in range((count + 1) // 2):
                        late, early = begin + count - k, begin + k
                        for x in range(wide):
                            rise = np.float64(data[m, late, y, at + x])
                            rise -= np.float64(data[m, early, y, at + x])
                            value[x] += out_weight[k, x] * rise
                    for k in range(4):
                        for x in range(wide):
                            own[k, x] = weighed[k, x]
                    for x in range(width):
                        if out_state[m, x] != 0:
                            gather(
                                data, flags, m, y, left + x, first_group, stop_group, read[x],
                                covariance[0, x], covariance[2, x], covariance[3, x], lone_weight,
                                lone_part, lone,
                            )  # fmt: skip
                            for k in range(4):
                                own[k, x] = lone[k]
                            value[x] = lone[4]
                    for k in range(4):
                        for x in range(wide):
                            together[k, x] += own[k, x]
                    for x in range(wide):
                        all_value[x] += value[x]
                    if turn == 1:
                        _write(
                            own, value, known, group_time, spread, m, y, at, wide, out_ints, spare
                        )
                for x in range(wide):
                    rate[x] = all_value[x] / (together[0, x] * group_time)
            _write(together, all_value, known, group_time, spread, 0, y, at, wide, out_rate, spare)
            for x in range(wide):
                out_odd[y, at + x] = mark[x] | (_NOTHING if np.isfinite(rate[x]) else _DNU)
