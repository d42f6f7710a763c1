"""Count rates of greatest likelihood for ramps that are whole: many pixels side by side.

See `calcore.kernels.ramp_fit_likelihood` for the method; every operation on a pixel is the same as
there, in the same order, so that the bits are.
"""

import numpy as np

from calcore.flags import DQ
from calcore.kernels._jit import (
    F4x2,
    F4x4,
    F8x1,
    F8x2,
    I8x2,
    U1x1,
    U1x2,
    U1x4,
    U4x2,
    U4x3,
    helper,
    kernel,
)  # fmt: skip
from calcore.kernels._whole import whole_span

NO_PHOTONS = 1e-9
CHUNK = 128  # pixels side by side
ROOM = 23  # rows of numbers for each pixel, besides the weights
_DNU = np.uint8(DQ.DO_NOT_USE)
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
def fit_whole(
    data: F4x4, flags: U1x4, pixeldq: U4x2, gain: F4x2, noise: F4x2, dark: F4x2, group_time: float,
    spread: float, first_group: int, stop_group: int, start: int, stop: int, out_rate: F4x4,
    out_rate_dq: U4x2, out_ints: F4x4, out_ints_dq: U4x3, out_odd: U1x2, out_room: F8x2,
    out_weight: F8x2, out_mark: U1x1, out_span: I8x2,
) -> None:  # fmt: skip
    """Fit the pixels whose ramps are whole in every integration; mark the others in `out_odd`.

    The marks are the flags that break ramps, DO_NOT_USE among them for whatever is not a flag. The last four arguments are room.
    """
    integrations, _, rows, columns = data.shape
    known, rate, value, all_value = out_room[0:3], out_room[3], out_room[4], out_room[19]
    covariance, weighed, together = out_room[5:10], out_room[10:14], out_room[15:20]
    spare, electrons, read, background = out_room[20:23], known[0], known[1], known[2]
    mark = out_mark
    for y in range(rows):
        for left in range(0, columns, CHUNK):
            width = min(CHUNK, columns - left)
            for x in range(width):
                electrons[x], rate[x] = np.float64(gain[y, left + x]), 0.0
                background[x] = np.float64(dark[y, left + x]) * electrons[x]
                read[x] = np.float64(noise[y, left + x]) * np.float64(noise[y, left + x])
                sound = (electrons[x] > 0) & (read[x] > 0) & np.isfinite(background[x])
                mark[x] = (not sound) | (pixeldq[y, left + x] & _UNUSABLE != 0)
                out_rate_dq[y, left + x] = pixeldq[y, left + x]
            counted = 0
            for m in range(integrations):
                begin, end = max(start, first_group), min(stop, stop_group)
                begin, end = whole_span(flags, m, y, left, width, begin, end)
                out_span[m, 0], out_span[m, 1] = begin, end - begin - 1
                for group in range(start, stop):
                    allowed = np.uint8(0 if begin <= group < end else _DNU)
                    for x in range(width):
                        mark[x] |= flags[m, group, y, left + x] & ~allowed
                for x in range(width):
                    out_ints_dq[m, y, left + x] = pixeldq[y, left + x]
                if end - begin < 2:
                    for x in range(width):
                        mark[x] = 1
                    continue
                counted += end - begin - 1
                for x in range(width):
                    rise = np.float64(data[m, end - 1, y, left + x])
                    rate[x] += rise - np.float64(data[m, begin, y, left + x])
            for x in range(width):
                rate[x] /= max(counted, 1) * group_time
            # End to end, then with the noise of that rate, then with that of the rate found.
            for turn in range(2):
                _noise(
                    rate, electrons, background, read, group_time, spread, width, covariance
                )  # fmt: skip
                for k in range(5):
                    for x in range(width):
                        together[k, x] = 0.0
                length = 0
                for m in range(integrations + turn):
                    last = m == integrations
                    if not last:
                        begin, count = out_span[m, 0], out_span[m, 1]
                        if count < 1:
                            continue
                        if count != length:
                            _weigh(count, width, read, covariance, weighed, out_weight)
                            length = count
                        for x in range(width):
                            value[x] = 0.0
                        for k in range((count + 1) // 2):
                            late, early = begin + count - k, begin + k
                            for x in range(width):
                                rise = np.float64(data[m, late, y, left + x])
                                rise -= np.float64(data[m, early, y, left + x])
                                value[x] += out_weight[k, x] * rise
                        if turn == 0 and count % 2 == 0:
                            # The middle sample counts for nothing, but must be a number.
                            for x in range(width):
                                value[x] += 0.0 * data[m, begin + count // 2, y, left + x]
                        for x in range(width):
                            all_value[x] += value[x]
                        for k in range(4):
                            for x in range(width):
                                together[k, x] += weighed[k, x]
                    if turn == 1:
                        _write(
                            together if last else weighed, all_value if last else value, known,
                            group_time, spread, 0 if last else m, y, left, width,
                            out_rate if last else out_ints, spare,
                        )  # fmt: skip
                for x in range(width):
                    rate[x] = all_value[x] / (together[0, x] * group_time)
            for x in range(width):
                # Samples that are infinite are left out where pixels are looked at one by one.
                out_odd[y, left + x] = mark[x] | (_NOTHING if np.isfinite(rate[x]) else _DNU)
