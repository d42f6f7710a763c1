"""Rates of greatest likelihood for a single ramp, whatever its flags: what its unbroken parts sum to.

See `calcore.kernels.ramp_fit_likelihood` for the method.
"""

import numpy as np

from calcore.flags import DQ
from calcore.kernels._jit import F4x4, F8x1, U1x4, helper

NO_PHOTONS = 1e-9  # of the variance of a difference; below it, weights are a parabola
_PERSISTENCE, _JUMP = int(DQ.PERSISTENCE), int(DQ.JUMP_DET)


@helper
def part_end(data: F4x4, flags: U1x4, n: int, y: int, x: int, start: int, stop: int) -> int:
    """Return the last group of the unbroken part that begins at `start`, or `start` - 1 for none."""
    flag = flags[n, start, y, x] & ~_PERSISTENCE
    if flag not in (0, _JUMP) or not np.isfinite(data[n, start, y, x]):
        return start - 1
    end = start
    while (
        end + 1 < stop
        and (flags[n, end + 1, y, x] & ~_PERSISTENCE) == 0
        and np.isfinite(data[n, end + 1, y, x])
    ):
        end += 1
    return end


@helper
def rise_of(
    data: F4x4, flags: U1x4, n: int, y: int, x: int, first: int, stop: int
) -> tuple[float, int]:
    """Return by how much the parts of a ramp rise, and how many differences they have."""
    start, rise, count = first, 0.0, 0
    while start < stop - 1:
        end = part_end(data, flags, n, y, x, start, stop)
        if end <= start:
            start += 1
            continue
        rise += np.float64(data[n, end, y, x]) - np.float64(data[n, start, y, x])
        count += end - start
        start = end
    return rise, count


@helper
def hits_alone(flags: U1x4, n: int, y: int, x: int, start: int, stop: int) -> bool:
    """Tell whether nothing but hits broke a ramp, which has a difference and two groups without a flag.

    A hit in a ramp's first group, where there is nothing that it could have jumped from, is another
    matter.
    """
    free, differences, known = 0, 0, False
    for group in range(start, stop):
        flag = flags[n, group, y, x]
        if flag == _JUMP and not known:
            return False
        free += flag == 0
        differences += flag == 0 and known
        known = flag in (0, _JUMP)
    return differences > 0 and free > 1


@helper
def _weigh(
    count: int, diagonal: float, total: float, root: float, out_weight: F8x1, out_sums: F8x1
) -> None:
    """Solve C u = 1 for `count` differences; sum u, u^2 and u u', and find what pairs count for."""
    power = 1.0
    for k in range(count):
        power *= root
        out_weight[k] = power
    scale, half = 1 / (1 + power * root), (count + 1) // 2
    bare = total <= NO_PHOTONS * diagonal
    for k in range(half):
        weight = 1 - (out_weight[k] + out_weight[count - 1 - k]) * scale
        flat = float((k + 1) * (count - k))
        out_weight[k] = (flat if bare else weight) / (diagonal if bare else total)
    out_sums[0], out_sums[1], out_sums[2] = 0.0, 0.0, 0.0
    for k in range(half):
        # Weights are symmetric, but for the middle one they come in pairs.
        twice = 2.0 if 2 * k < count - 1 else 1.0
        out_sums[0] += twice * out_weight[k]
        out_sums[1] += twice * (out_weight[k] * out_weight[k])
    for k in range(1, half + 1 - count % 2):
        twice, other = (2.0, k) if k < half else (1.0, k - 1)
        out_sums[2] += twice * (out_weight[other] * out_weight[k - 1])
    for k in range(half - 1, 0, -1):
        out_weight[k] -= out_weight[k - 1]


@helper
def gather(
    data: F4x4, flags: U1x4, n: int, y: int, x: int, first: int, stop: int, read: float,
    diagonal: float, total: float, root: float, out_weight: F8x1, out_part: F8x1, out_sums: F8x1,
) -> None:  # fmt: skip
    """Sum over the parts of a ramp: u, u^2, u u', 1 / R^2 u had R no photons, u times differences."""
    for k in range(out_sums.size):
        out_sums[k] = 0.0
    start = first
    while start < stop - 1:
        end = part_end(data, flags, n, y, x, start, stop)
        if end <= start:
            start += 1
            continue
        count = end - start
        _weigh(count, diagonal, total, root, out_weight, out_part)
        value = 0.0
        for k in range((count + 1) // 2):
            rise = np.float64(data[n, end - k, y, x]) - np.float64(data[n, start + k, y, x])
            value += out_weight[k] * rise
        for k in range(3):
            out_sums[k] += out_part[k]
        out_sums[3] += count * (count + 1.0) * (count + 2.0) / (12 * read)
        out_sums[4] += value
        start = end
