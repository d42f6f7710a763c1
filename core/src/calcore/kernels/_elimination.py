"""Elimination in the covariance C of a ramp's differences: tri-diagonal, with constant diagonals.

See Brandt 2024 (PASP 136, 045005) for what is made of it.
"""

from calcore.kernels._jit import B1x1, F8x1, F8x2, helper


@helper
def pivots(diagonal: float, beside: float, out: F8x2) -> None:
    """Eliminate downwards what all runs of usable differences have in common.

    Rows of `out` then hold, by the place in a run, 1 of C u = 1, the inverse pivots and the factors.
    """
    out[0, 0], out[1, 0], out[2, 0] = 1.0, 1 / diagonal, 0.0
    for k in range(1, out.shape[1]):
        factor = beside * out[1, k - 1]
        out[0, k] = 1 - factor * out[0, k - 1]
        out[1, k] = 1 / (diagonal - factor * beside)
        out[2, k] = factor


@helper
def forward(value: F8x1, usable: B1x1, pivots: F8x2, out: F8x2, out_sums: F8x1) -> None:
    """Eliminate downwards in every run of usable differences.

    Rows of `out` then hold 1 and d of C u = 1 and C v = d, and the inverse pivots (row 3). The sums
    are those of 1 C^-1 1, 1 C^-1 d and d C^-1 d.
    """
    ones, mixed, square, step, place = 0.0, 0.0, 0.0, 0.0, 0
    for k in range(value.size):
        if not usable[k]:
            place = 0
            continue
        one, inverse = pivots[0, place], pivots[1, place]
        step = value[k] - pivots[2, place] * step if place > 0 else value[k]
        out[0, k], out[1, k], out[3, k] = one, step, inverse
        ones += one * one * inverse
        mixed += one * step * inverse
        square += step * step * inverse
        place += 1
    out_sums[0], out_sums[1], out_sums[2] = ones, mixed, square


@helper
def backward(usable: B1x1, diagonal: float, beside: float, out: F8x2) -> None:
    """Substitute upwards: rows of `out` then hold u, v and the diagonal of C^-1."""
    n = usable.size
    stop = n
    while stop > 0:
        if not usable[stop - 1]:
            stop -= 1
            continue
        first = stop
        while first > 0 and usable[first - 1]:
            first -= 1
            out[0, first] *= out[3, first]
            out[1, first] *= out[3, first]
            if first + 1 < stop:
                factor = beside * out[3, first]
                out[0, first] -= factor * out[0, first + 1]
                out[1, first] -= factor * out[1, first + 1]
        for k in range(first, stop):
            # The pivots from the other end are the same, mirrored, since the diagonals are constant.
            other = stop - 1 - (k - first)
            out[2, k] = 1 / (1 / out[3, k] + 1 / out[3, other] - diagonal)
        stop = first
