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
from calcore.kernels._jit import F4x1, F4x4, F8x3, I8x1, U1x1, U1x4, helper, kernel, unsigned

_SATURATED = np.uint8(DQ.SATURATED)
_PIECE = 32  # pixels that are looked at together for whether any differs from a neighbour


@helper
def _contrasts(
    measured: F4x4, groupdq: U1x4, area: I8x1, least: float, i: int, g: int, y: int, count: int,
    out_near: U1x1, out_place: I8x1,
) -> int:  # fmt: skip
    """Add the pixels of a row that differ from a neighbour by `least` to a list; return its length.

    NaN differs from nothing. Saturated pixels are not listed.
    """
    at, after, width = unsigned(area[2]), unsigned(area[2] + 1), area[3] - area[2]
    lower, upper, limit = max(y - 1, area[0]), min(y + 1, area[1] - 1), np.float32(least)
    for x in range(unsigned(width)):
        here = measured[i, g, y, at + x]
        near = abs(measured[i, g, lower, at + x] - here) >= limit
        out_near[x] = near | (abs(measured[i, g, upper, at + x] - here) >= limit)
    for x in range(unsigned(width - 1)):
        step = measured[i, g, y, after + x] - measured[i, g, y, at + x]
        out_near[x] |= np.uint8(abs(step) >= limit)
    for x in range(unsigned(width - 1)):
        step = measured[i, g, y, after + x] - measured[i, g, y, at + x]
        out_near[np.uint64(1) + x] |= np.uint8(abs(step) >= limit)
    for first in range(0, width, _PIECE):
        some, size = np.uint8(0), min(_PIECE, width - first)
        for x in range(unsigned(size)):
            some |= out_near[unsigned(first) + x]
        for x in range(unsigned(size if some else 0)):
            # Without a branch, which could not be foretold.
            column = unsigned(first) + x
            saturated = groupdq[i, g, y, at + column] & _SATURATED != 0
            out_place[unsigned(count)] = y * measured.shape[3] + area[2] + np.int64(column)
            count += int(np.int64(out_near[column]) & np.int64(not saturated))
    return count


@kernel
def _correct(
    measured: F4x4, groupdq: U1x4, terms: F8x3, weights: F4x4, area: I8x1, least: float,
    linear: F4x4, out: F4x4, out_near: U1x1, out_place: I8x1, out_value: F4x1,
) -> None:  # fmt: skip
    """Write what changes, one plane after the other; `out` may be `linear`."""
    integrations, groups, _, columns = measured.shape
    height, width, each, _ = weights.shape
    for i in range(integrations):
        for g in range(groups):
            count = 0
            for y in range(area[0], area[1]):
                known = count
                count = _contrasts(
                    measured, groupdq, area, least, i, g, y, count, out_near, out_place
                )  # fmt: skip
                lowest = max(0, y + height // 2 - area[1] + 1)
                highest = min(height, y + height // 2 - area[0] + 1)
                for n in range(known, count):
                    place = out_place[n] - y * columns
                    x = unsigned(place)
                    bent, flat = measured[i, g, y, x], np.float64(linear[i, g, y, x])
                    slope, total = 0.0, 0.0
                    for k in range(terms.shape[0]):
                        slope = slope * bent + terms[k, y, x]
                    first = max(0, place + width // 2 - area[3] + 1)
                    end = min(width, place + width // 2 - area[2] + 1)
                    w, z = (unsigned(y), x) if each > 1 else (unsigned(0), unsigned(0))
                    for j in range(lowest, highest):
                        v = unsigned(y + height // 2 - j)
                        for k in range(first, end):
                            u = unsigned(place + width // 2 - k)
                            step = linear[i, g, v, u] - flat - slope * (measured[i, g, v, u] - bent)
                            gives = (groupdq[i, g, v, u] & _SATURATED == 0) & (step - step == 0)
                            total -= weights[j, k, w, z] * step if gives else 0.0
                    out_value[n] = flat + total
            for n in range(count):
                out[i, g, out_place[n] // columns, out_place[n] % columns] = out_value[n]


def share_linearly(
    measured: NDArray[np.float32],
    linear: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    coefficients: NDArray[np.float32],
    weights: NDArray[np.float32],
    area: tuple[int, int, int, int],
    *,
    least: float = 500.0,
    out: NDArray[np.float32] | None = None,
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

    out : float32 (n_int, n_group, ny, nx), optional
        Where the result is to be; it may be `linear` itself, which saves a copy.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
    """
    if out is None:
        out = np.empty_like(linear)
    if out is not linear:
        out[...] = linear
    if weights.ndim == 2:
        weights = np.ascontiguousarray(weights[:, :, None, None])
    powers = np.arange(len(coefficients) - 1, 0, -1.0)[:, None, None]
    pixels, columns = linear[0, 0].size, linear.shape[-1]
    _correct(
        measured, groupdq, powers * coefficients[:0:-1], weights, np.array(area, np.int64), least,
        linear, out, np.empty(columns, np.uint8), np.empty(pixels + 1, np.int64),
        np.empty(pixels, np.float32),
    )  # fmt: skip
    return out
