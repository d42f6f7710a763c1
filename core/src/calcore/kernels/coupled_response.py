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
from calcore.kernels._jit import F4x3, F4x4, I8x1, U1x4, helper, kernel

_SATURATED = int(DQ.SATURATED)


@helper
def _slope(coefficients: F4x3, y: int, x: int, signal: float) -> float:
    """Return the derivative of a pixel's polynomial."""
    last = coefficients.shape[0] - 1
    total = 0.0
    for k in range(last, 0, -1):
        total = total * signal + k * coefficients[k, y, x]
    return total


@kernel
def _correct(
    measured: F4x4, groupdq: U1x4, coefficients: F4x3, weights: F4x4, area: I8x1, least: float,
    linear: F4x4, out: F4x4,
) -> None:  # fmt: skip
    integrations, groups, rows, columns = measured.shape
    height, width, each, _ = weights.shape
    for i in range(integrations):
        for g in range(groups):
            for y in range(rows):
                for x in range(columns):
                    out[i, g, y, x] = linear[i, g, y, x]
                if y < area[0] or y >= area[1]:
                    continue
                for x in range(area[2], area[3]):
                    here = measured[i, g, y, x]
                    left = measured[i, g, y, x - 1] if x > area[2] else here
                    below = measured[i, g, y - 1, x] if y > area[0] else here
                    right = measured[i, g, y, x + 1] if x + 1 < area[3] else here
                    above = measured[i, g, y + 1, x] if y + 1 < area[1] else here
                    most = max(
                        abs(left - here), abs(right - here), abs(below - here), abs(above - here)
                    )
                    if not most >= least or groupdq[i, g, y, x] & _SATURATED:
                        continue
                    own = np.float64(linear[i, g, y, x])
                    slope = _slope(coefficients, y, x, np.float64(here))
                    total = 0.0
                    p, q = (y, x) if each > 1 else (0, 0)
                    for j in range(height):
                        v = y - (j - height // 2)
                        for k in range(width):
                            u = x - (k - width // 2)
                            if not (area[0] <= v < area[1] and area[2] <= u < area[3]):
                                continue
                            if groupdq[i, g, v, u] & _SATURATED:
                                continue
                            step = (linear[i, g, v, u] - own) - slope * (
                                measured[i, g, v, u] - here
                            )
                            if np.isfinite(step):
                                total -= weights[j, k, p, q] * step
                    out[i, g, y, x] = own + total


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
    out = np.empty_like(linear)
    if weights.ndim == 2:
        weights = np.ascontiguousarray(weights[:, :, None, None])
    _correct(measured, groupdq, coefficients, weights, np.array(area, np.int64), least, linear, out)
    return out
