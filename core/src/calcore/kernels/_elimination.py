"""Elimination in the covariance C of a ramp's differences: tri-diagonal, with constant diagonals.

See Brandt 2024 (PASP 136, 045005) for what is made of it.
"""

from calcore.kernels._jit import B1x2, F8x2, helper


@helper
def pivots(diagonal: float, beside: float, out: F8x2) -> None:
    """Eliminate downwards what all runs of usable differences have in common.

    Rows of `out` then hold, by the place in a run, 1 of C u = 1, the inverse pivots, the factors and
    the pivots.
    """
    out[0, 0], out[1, 0], out[2, 0] = 1.0, 1 / diagonal, 0.0
    out[3, 0] = 1 / out[1, 0]
    for k in range(1, out.shape[1]):
        factor = beside * out[1, k - 1]
        out[0, k] = 1 - factor * out[0, k - 1]
        out[1, k] = 1 / (diagonal - factor * beside)
        out[2, k] = factor
        out[3, k] = 1 / out[1, k]


@helper
def forward(
    value: F8x2, usable: B1x2, first: int, end: int, pivots: F8x2, out: F8x2, out_sums: F8x2
) -> None:  # fmt: skip
    """Eliminate downwards in every run of usable differences of some integrations.

    Rows of `out` then hold 1 and d of C u = 1 and C v = d, and the inverse pivots (row 3), of the
    last one. The sums are those of 1 C^-1 1, 1 C^-1 d and d C^-1 d, of each.
    """
    for n in range(first, end):
        ones, mixed, square, step, place = 0.0, 0.0, 0.0, 0.0, 0
        for k in range(value.shape[1]):
            if not usable[n, k]:
                place = 0
                continue
            one, inverse = pivots[0, place], pivots[1, place]
            step = value[n, k] - pivots[2, place] * step if place > 0 else value[n, k]
            out[0, k], out[1, k], out[3, k] = one, step, inverse
            ones += one * one * inverse
            mixed += one * step * inverse
            square += step * step * inverse
            place += 1
        out_sums[n, 0], out_sums[n, 1], out_sums[n, 2] = ones, mixed, square


@helper
def backward(usable: B1x2, n: int, diagonal: float, beside: float, pivots: F8x2, out: F8x2) -> None:
    """Substitute upwards: rows of `out` then hold u, v and the diagonal of C^-1."""
    stop = usable.shape[1]
    while stop > 0:
        if not usable[n, stop - 1]:
            stop -= 1
            continue
        first = stop
        while first > 0 and usable[n, first - 1]:
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
            out[2, k] = 1 / (pivots[3, k - first] + pivots[3, other - first] - diagonal)
        stop = first
