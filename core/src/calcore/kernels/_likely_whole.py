"""Count rates of greatest likelihood for ramps that are whole: many pixels side by side.

See `calcore.kernels.ramp_fit_likelihood` for the method; every operation on a pixel is the same as
there, in the same order, so that the bits are.
"""

import numpy as np

from calcore.flags import DQ
from calcore.kernels._jit import F4x2, F4x4, F8x2, I8x2, U1x1, U1x2, U1x4, kernel
from calcore.kernels._whole import whole_span

NO_PHOTONS = 1e-9
CHUNK = 128  # pixels side by side
ROOM = 13  # rows of numbers for each pixel, besides the weights
_DNU = np.uint8(DQ.DO_NOT_USE)
_MATTERS = np.uint8(0xFF ^ DQ.PERSISTENCE)


@kernel
def fit_whole(
    data: F4x4, flags: U1x4, gain: F4x2, noise: F4x2, dark: F4x2, group_time: float,
    spread: float, first_group: int, stop_group: int, out_rate: F4x4, out_done: U1x2,
    out_room: F8x2, out_weight: F8x2, out_odd: U1x1, out_span: I8x2,
) -> None:  # fmt: skip
    """Fit the pixels whose ramps are whole in every integration, and mark them in `out_done`."""
    integrations, _, rows, columns = data.shape
    electrons, read, background = out_room[0], out_room[1], out_room[2]
    diagonal, beside, total = out_room[3], out_room[4], out_room[5]
    root, power = out_room[6], out_room[7]
    sum_u, sum_d, sum_uu, sum_next, sum_read = (
        out_room[8], out_room[9], out_room[10], out_room[11], out_room[12]
    )  # fmt: skip
    alone = group_time - 2 * spread
    for y in range(rows):
        for left in range(0, columns, CHUNK):
            width = min(CHUNK, columns - left)
            for x in range(width):
                electrons[x] = np.float64(gain[y, left + x])
                read[x] = np.float64(noise[y, left + x]) * np.float64(noise[y, left + x])
                background[x] = np.float64(dark[y, left + x]) * electrons[x]
                out_odd[x] = 0
            for m in range(integrations):
                begin, end = whole_span(flags, m, y, left, width, first_group, stop_group)
                out_span[m, 0], out_span[m, 1] = begin, end
                for group in range(begin, end):
                    for x in range(width):
                        out_odd[x] |= flags[m, group, y, left + x] & _MATTERS
            # The last set is all integrations together.
            for n in range(integrations + 1):
                together = n == integrations
                if together and integrations == 1:
                    for k in range(4):
                        for x in range(width):
                            out_rate[k, n, y, left + x] = out_rate[k, 0, y, left + x]
                    continue
                for x in range(width):
                    rate = np.float64(out_rate[0, n, y, left + x])
                    photons = max(rate * electrons[x], 0.0) + max(background[x], 0.0)
                    diagonal[x] = photons * alone + 2 * read[x]
                    beside[x] = photons * spread - read[x]
                    total[x] = photons * group_time
                    few = (diagonal[x] - 2 * beside[x]) * total[x]
                    bent = beside[x] if beside[x] != 0 else 1.0
                    value = (np.sqrt(few) - diagonal[x]) / (2 * bent)
                    root[x] = value if beside[x] != 0 else 0.0
                    sum_u[x], sum_d[x], sum_uu[x], sum_next[x], sum_read[x] = 0, 0, 0, 0, 0
                for m in range(0 if together else n, integrations if together else n + 1):
                    begin = out_span[m, 0]
                    count = out_span[m, 1] - begin - 1
                    if count < 1:
                        continue
                    for x in range(width):
                        power[x] = 1.0
                    for k in range(count):
                        for x in range(width):
                            power[x] *= root[x]
                            out_weight[k, x] = power[x]
                    for k in range((count + 1) // 2):
                        other = count - 1 - k
                        flat = float((k + 1) * (count - k))
                        for x in range(width):
                            scale = 1 / (1 + power[x] * root[x])
                            inverse = 1 / total[x]
                            weight = inverse * (
                                1 - (out_weight[k, x] + out_weight[other, x]) * scale
                            )
                            bare = total[x] <= NO_PHOTONS * diagonal[x]
                            weight = flat / diagonal[x] if bare else weight
                            out_weight[k, x] = weight
                            out_weight[other, x] = weight
                    for k in range(count):
                        for x in range(width):
                            weight = out_weight[k, x]
                            difference = np.float64(data[m, begin + k + 1, y, left + x]) - (
                                np.float64(data[m, begin + k, y, left + x])
                            )
                            sum_u[x] += weight
                            sum_d[x] += weight * difference * electrons[x]
                            sum_uu[x] += weight * weight
                        if k > 0:
                            for x in range(width):
                                sum_next[x] += out_weight[k, x] * out_weight[k - 1, x]
                    product = count * (count + 1.0) * (count + 2.0)
                    for x in range(width):
                        sum_read[x] += product / (12 * read[x])
                for x in range(width):
                    before = out_rate[0, n, y, left + x]
                    sound = np.isfinite(before) & (electrons[x] > 0) & (read[x] > 0)
                    # Samples that are infinite are left out where pixels are looked at one by one.
                    out_odd[x] |= np.uint8(not np.isfinite(sum_d[x]))
                    sound &= (not sum_u[x] <= 0) & (out_odd[x] == 0)
                    rate = sum_d[x] / (sum_u[x] * electrons[x] * group_time)
                    photons = max(rate * electrons[x], 0.0) + max(background[x], 0.0)
                    variance = photons * (alone * sum_uu[x] + 2 * spread * sum_next[x])
                    variance += 2 * read[x] * (sum_uu[x] - sum_next[x])
                    variance /= sum_u[x] * sum_u[x]
                    # Read noise has what it would have alone, whatever the flux.
                    read_part = min(1 / sum_read[x], variance)
                    scale = electrons[x] * group_time
                    scale = 1 / (scale * scale)
                    photon_part = (variance - read_part) * scale
                    error = np.sqrt(variance * scale)
                    out_rate[0, n, y, left + x] = rate if sound else before
                    out_rate[1, n, y, left + x] = error if sound else out_rate[1, n, y, left + x]
                    out_rate[2, n, y, left + x] = (
                        photon_part if sound else out_rate[2, n, y, left + x]
                    )
                    out_rate[3, n, y, left + x] = (
                        read_part * scale if sound else out_rate[3, n, y, left + x]
                    )
            for x in range(width):
                out_done[y, left + x] = out_odd[x] == 0
