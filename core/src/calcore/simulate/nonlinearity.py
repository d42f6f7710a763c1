"""The response of a pixel: from charge to signal and back.

A pixel's linearised signal L and its measured one x, both in DN above the bias, are related by
``L = x (1 + a u + b u² + ...)`` with ``u = x / X`` and X the pixel's full scale. This is the
polynomial that a linearity reference file holds; the detector inverts it.
"""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
ROWS_AT_ONCE = 64
NEWTON_STEPS = 5


def linearised(signal: Float32, terms: Float32, scale: float) -> Float32:
    """Return the linear signal of a measured one.

    Parameters
    ----------
    signal : array (ny, nx) [DN]
        Measured signal above the bias.
    terms : array (term, ny, nx)
        a, b, c, ... of each pixel.
    scale : float
        The signal to which the terms refer [DN].

    Returns
    -------
    array (ny, nx) [DN]
    """
    u = signal / np.float32(scale)
    series = np.zeros_like(signal)
    for term in terms[::-1]:
        series = (series + term) * u
    return signal * (1 + series)


def measured(linear: Float32, terms: Float32, scale: float) -> Float32:
    """Return the measured signal of a linear one, by Newton's method.

    Parameters and result as for `linearised`, the other way round. Below zero the response is
    taken as linear. Converges for monotonic polynomials, to the last bits of float32.
    """
    result = np.empty_like(linear)
    for start in range(0, linear.shape[0], ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        wanted = linear[rows] / np.float32(scale)
        part = terms[:, rows]
        u = wanted / (1 + part[0] * np.clip(wanted, 0, 1)) if len(part) else wanted.copy()
        for _ in range(NEWTON_STEPS):
            value = np.zeros_like(u)
            slope = np.zeros_like(u)
            # Horner's rule for the polynomial without its factor u, and for its derivative.
            for term in (*part[::-1], np.float32(1)):
                slope = slope * u + value
                value = value * u + term
            u -= (value * u - wanted) / (slope * u + value)
        np.copyto(u, wanted, where=wanted <= 0)
        result[rows] = u * np.float32(scale)
    return result


def coefficients(
    terms: Float32, scale: float, origin: Float32 | None = None
) -> NDArray[np.float64]:
    """Return a polynomial's coefficients c0, c1, c2 ... as a linearity reference file has them.

    Parameters
    ----------
    terms : array (term, ny, nx)
        a, b, c, ... of each pixel.
    scale : float
        The signal to which they refer [DN].
    origin : array (ny, nx) [DN], optional
        Where the signal starts, for detectors whose linearisation comes without the subtraction of
        a bias: the polynomial is then that of the raw number, and leaves the origin where it is.

    Returns
    -------
    array of float64 (coefficient, ny, nx)
        ``linear = sum of c_k x^k``.
    """
    degree = len(terms) + 1
    shifted = np.zeros((degree + 1, *terms.shape[1:]))
    shifted[1] = 1
    for power, term in enumerate(terms, start=2):
        shifted[power] = term / scale ** (power - 1)
    if origin is None:
        return shifted
    # Taylor shift: repeated synthetic division by (x - (-origin)).
    start = -origin.astype(np.float64)
    for i in range(degree):
        for k in range(degree - 1, i - 1, -1):
            shifted[k] += start * shifted[k + 1]
    shifted[0] += origin
    return shifted
