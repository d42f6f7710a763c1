"""1/f noise from the reference pixels at the ends of lines, with weights that are best for it.

Simple improved reference subtraction (Rauscher et al. 2022, JATIS 8, 028002): what an amplifier's
pixels share with the ends of their lines depends on frequency, and training data say how much. The
weights of all frequencies together are a kernel with which the ends are convolved, one for each
amplifier and side. Here it is cut to the lines nearby and smoothed, so that it follows drifts and
not the noise of single reads.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]
Pixels = NDArray[np.bool_]

_FROM_MEDIAN = 1.48
"""Standard deviation over median absolute deviation of normal values, to the digits jwst has."""


def kernel_length(coefficients: NDArray[Any]) -> int:
    """Return how many lines the kernels of frequency weights (n_amplifier, n) reach over."""
    return 2 * (int(coefficients.shape[-1]) - 1)


def line_kernels(coefficients: NDArray[Any], half_width: int, smoothing: float) -> Double:
    """Return the kernels that frequency weights stand for.

    Parameters
    ----------
    coefficients : complex (n_amplifier, n)
        Weights from frequency 0 to the Nyquist frequency of lines.
    half_width : int
        Lines that count on either side; not more than half of `kernel_length`.
    smoothing : float
        Width (sigma) of the Gaussian that smooths the kernels [line]; 0 leaves them.

    Returns
    -------
    float64 (n_amplifier, 2 * half_width + 1)
        Weights of lines, those read last first, as a convolution wants them.
    """
    reach = np.arange(-half_width, half_width + 1)
    whole = np.fft.irfft(coefficients, axis=-1)
    gaussian = (reach == 0).astype(np.float64)
    if smoothing > 0:
        gaussian = np.exp(-(reach**2) / (2 * smoothing**2))
        gaussian /= gaussian.sum()
    return np.array([np.convolve(row[reach], gaussian, mode="same") for row in whole])


def amplifier_levels(
    sides: list[tuple[Double, Pixels]], kernels: list[Double], limit: float
) -> Double:
    """Return the level of each line of each amplifier from the reference pixels at its ends.

    Parameters
    ----------
    sides : list of (float64 (n_int, n_group, n_line, n), bool (n_line, n))
        Signal of each end [DN] in read-out order, column levels subtracted, and True where a pixel
        is good. NaN does not count.
    kernels : list of float64 (n_amplifier, n_weight)
        Weights of each end; fewer than there are lines.
    limit : float
        Pixels farther from the end's median than this many standard deviations do not count; the
        deviation is found from the median absolute one.

    Returns
    -------
    float64 (n_int, n_group, n_amplifier, n_line)
        Sum of the ends' convolutions [DN]. Pixels that do not count are made up for by their
        neighbours; a line without any within reach has 0 from that end.
    """
    shape = sides[0][0].shape
    levels = np.zeros((*shape[:2], kernels[0].shape[0], shape[2]))
    for (values, good), weights in zip(sides, kernels, strict=True):
        for place in np.ndindex(*shape[:2]):
            total, count = _line_sums(values[*place], good, limit)
            for amplifier, kernel in enumerate(weights):
                levels[*place, amplifier] += _convolved(total, count, kernel)
    return levels


def _line_sums(values: Double, good: Pixels, limit: float) -> tuple[Double, Double]:
    """Return the sum of the pixels of each line that count, and what part of them counts."""
    usable = good & np.isfinite(values)
    if not usable.any():
        return np.zeros(len(values)), np.zeros(len(values))
    middle = np.median(values[usable])
    spread = _FROM_MEDIAN * np.median(np.abs(values[usable] - middle))
    usable &= np.abs(np.where(usable, values, middle) - middle) <= limit * spread
    total = np.where(usable, values, 0).sum(axis=1)
    return total / values.shape[1], usable.sum(axis=1) / values.shape[1]


def _convolved(total: Double, count: Double, kernel: Double) -> Double:
    """Convolve lines with a kernel as if every pixel counted."""
    known = np.convolve(count, kernel, mode="same")
    whole = np.convolve(np.ones_like(count), kernel, mode="same")
    level = np.convolve(total, kernel, mode="same")
    ratio = np.divide(whole, known, out=np.zeros_like(whole), where=known != 0)
    result: Double = level * ratio
    return result
