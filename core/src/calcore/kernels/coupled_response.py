"""Linear signal where neighbours of another brightness share their non-linear signals.

Inter-pixel capacitance mixes what pixels hold after their response has bent it. To make the mixture
linear pixel by pixel leaves an error of second order in the differences of neighbours, which grows to
a few DN beside bright stars. With weights c of the neighbours, measured signals m,
linear ones l and the slope L' of the response's inverse, the mixture of linear signals is, to first
order in c, ``l + sum(c_k ((l_k - l) - L' (m_k - m)))``. No noise is added, since no more than the
curvature of the response is taken into account.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import F4x2, F4x3, F4x4, F8x2, I8x1, U1x1, U1x2, U1x4, helper, kernel

_SATURATED = int(DQ.SATURATED)


@helper
def _contrasts(
    plane: F4x2, flags: U1x2, area: I8x1, least: float, y: int, out_near: U1x1, out_place: I8x1
) -> int:
    """List the pixels of a row that differ from a neighbour by `least`; return how many."""
    left, last, limit = area[2], area[3] - 1, np.float32(least)
    lower, upper = max(y - 1, area[0]), min(y + 1, area[1] - 1)
    # A look at many at once: few are left, and among them whatever is no number.
    for x in range(plane.shape[1] - 2):
        here = plane[y, x + 1]
        calm = (abs(plane[y, x] - here) < limit) & (abs(plane[y, x + 2] - here) < limit)
        calm &= (abs(plane[lower, x + 1] - here) < limit) & (
            abs(plane[upper, x + 1] - here) < limit
        )
        out_near[x + 1] = not calm
    out_near[left], out_near[last] = 1, 1
    count = 0
    for x in range(left, last + 1):
        if out_near[x]:
            here = plane[y, x]
            before, after = plane[y, max(x - 1, left)], plane[y, min(x + 1, last)]
            below, above = plane[lower, x], plane[upper, x]
            most = max(abs(before - here), abs(after - here), abs(below - here), abs(above - here))
            if most >= least and not flags[y, x] & _SATURATED:
                out_place[count] = x
                count += 1
    return count


@kernel
def _correct(
    measured: F4x4, groupdq: U1x4, coefficients: F4x3, weights: F4x4, area: I8x1, least: float,
    linear: F4x4, out: F4x4, out_near: U1x1, out_place: I8x1, out_room: F8x2,
) -> None:  # fmt: skip
    integrations, groups, rows, columns = measured.shape
    height, width, each, _ = weights.shape
    slope, total = out_room[0], out_room[1]
    for i in range(integrations):
        for g in range(groups):
            raw, flat, flags = measured[i, g], linear[i, g], groupdq[i, g]
            for y in range(rows):
                for x in range(columns):
                    out[i, g, y, x] = flat[y, x]
                if y < area[0] or y >= area[1] or area[2] >= area[3]:
                    continue
                count = _contrasts(raw, flags, area, least, y, out_near, out_place)
                for n in range(count):
                    x = out_place[n]
                    signal = np.float64(raw[y, x])
                    # The derivative of the pixel's polynomial.
                    slope[n], total[n] = 0.0, 0.0
                    for k in range(coefficients.shape[0] - 1, 0, -1):
                        slope[n] = slope[n] * signal + k * coefficients[k, y, x]
                for j in range(height):
                    v = y - (j - height // 2)
                    if not area[0] <= v < area[1]:
                        continue
                    for k in range(width):
                        for n in range(count):
                            x = out_place[n]
                            u = x - (k - width // 2)
                            inside = area[2] <= u < area[3]
                            u = u if inside else x
                            step = (flat[v, u] - np.float64(flat[y, x])) - slope[n] * (
                                raw[v, u] - raw[y, x]
                            )
                            weight = weights[j, k, y, x] if each > 1 else weights[j, k, 0, 0]
                            gives = inside and not flags[v, u] & _SATURATED and np.isfinite(step)
                            total[n] -= weight * step if gives else 0.0
                for n in range(count):
                    x = out_place[n]
                    out[i, g, y, x] = np.float64(flat[y, x]) + total[n]


def share_linearly(
    measured: NDArray[np.float32],
    linear: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    coefficients: NDArray[np.float32],
    weights: NDArray[np.float32],
    area: tuple[int, int, int, int],
    *,
    least: float = 500.0,
) -> NDArray[np.float32]:
    """Return the linear signals that pixels would share if their response were linear.

    Parameters
    ----------
    measured, linear : float32 (n_int, n_group, ny, nx)
        Signal before and after it was made linear pixel by pixel [DN]. What is not finite gives
        nothing to its neighbours.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags; SATURATED samples neither give nor change.
    coefficients : float32 (n_coefficient, ny, nx)
        Of rising powers of the measured signal, constant first.
    weights : float32 (ky, kx) or (ky, kx, ny, nx)
        Kernel that undoes the coupling: to first order, minus the shares of the neighbours.
    area : (int, int, int, int)
        First and last row, first and last column (excluded) of the pixels that share.
    least : float
        Pixels whose neighbours differ by less stay as they are: below a hundredth of a DN [DN].

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
    """
    out, columns = np.empty_like(linear), linear.shape[-1]
    if weights.ndim == 2:
        weights = np.ascontiguousarray(weights[:, :, None, None])
    _correct(
        measured, groupdq, coefficients, weights, np.array(area, np.int64), least, linear, out,
        np.empty(columns, np.uint8), np.empty(columns, np.int64), np.empty((2, columns)),
    )  # fmt: skip
    return out
