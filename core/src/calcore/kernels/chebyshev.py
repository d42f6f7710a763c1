"""Chebyshev series of two variables on a grid."""

import numpy as np

from calcore.kernels._jit import F8x1, F8x2, F8x3, helper, kernel, unsigned


@helper
def _clenshaw(terms: F8x1, x: float) -> float:
    """Return the series ``sum(terms[k] T_k(x))`` by Clenshaw's recurrence."""
    last = 0.0
    before = 0.0
    for k in range(terms.size - 1, 0, -1):
        current = terms[k] + 2.0 * x * last - before
        before = last
        last = current
    return float(terms[0] + x * last - before)


@kernel
def _evaluate(coefficients: F8x3, y: F8x1, x: F8x1, out: F8x3) -> None:
    n_output, n_y, n_x = coefficients.shape
    along_y = np.empty(n_y)
    along_x = np.empty(n_x)
    size = unsigned(x.size)
    last, before = np.empty(x.size), np.empty(x.size)
    for i in range(n_output):
        for row in range(y.size):
            for k in range(n_x):
                for j in range(n_y):
                    along_y[j] = coefficients[i, j, k]
                along_x[k] = _clenshaw(along_y, y[row])
            # The recurrence of `_clenshaw` for all columns at once: many are worked out together.
            for column in range(size):
                last[column] = before[column] = 0.0
            for k in range(n_x - 1, 0, -1):
                term = along_x[k]
                for column in range(size):
                    current = term + 2.0 * x[column] * last[column] - before[column]
                    before[column] = last[column]
                    last[column] = current
            term = along_x[0]
            for column in range(size):
                out[i, row, column] = term + x[column] * last[column] - before[column]


def evaluate(coefficients: F8x3, y: F8x1, x: F8x1) -> F8x3:
    """Return Chebyshev series at all points of a grid.

    Clenshaw's recurrence (Clenshaw 1955, Math. Comp. 9, 118), first along y for each row, then along
    x. A point's value does not depend on which other points are asked for.

    Parameters
    ----------
    coefficients : float64 (n_output, n_y, n_x)
        Factors of ``T_j(y) T_k(x)``, for each output.
    y, x : float64 (ny,), (nx,)
        The grid's rows and columns, scaled to [-1, 1].

    Returns
    -------
    float64 (n_output, ny, nx)
        The series' values.
    """
    out = np.empty((coefficients.shape[0], y.size, x.size))
    _evaluate(coefficients, y, x, out)
    return out


def interpolate(samples: F8x3) -> F8x3:
    """Return the Chebyshev series that take given values at the Chebyshev nodes.

    Parameters
    ----------
    samples : float64 (n_output, n_y, n_x)
        Values at the nodes ``cos(pi (k + 1/2) / n)``, k = 0 … n - 1, of y and of x.

    Returns
    -------
    float64 (n_output, n_y, n_x)
        Factors of ``T_j(y) T_k(x)`` (Press et al. 2007, Numerical Recipes, section 5.8).
    """
    _, n_y, n_x = samples.shape
    along_x = np.einsum("iyx,xk->iyk", samples, _analysis(n_x))
    result: F8x3 = np.einsum("iyk,yj->ijk", along_x, _analysis(n_y))
    return np.ascontiguousarray(result)


def nodes(n: int) -> F8x1:
    """Return the `n` zeros of ``T_n``, in descending order."""
    result: F8x1 = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    return result


def _analysis(n: int) -> F8x2:
    """Return the matrix (node, degree) from values at nodes to factors."""
    degree = np.arange(n)
    matrix: F8x2 = 2.0 / n * np.cos(np.pi * np.outer(np.arange(n) + 0.5, degree) / n)
    matrix[:, 0] /= 2.0
    return matrix
