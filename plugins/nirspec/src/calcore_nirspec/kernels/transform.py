"""Fourier transforms of long real series whose length has one awkward factor.

A frame of 2048 lines of 712 pixel times has 2¹⁴ × 89 of them. Libraries are slow at a prime like 89;
a product of matrices does that factor at a third of the time (Cooley & Tukey 1965, Math. Comp. 19, 297,
with the odd factor first).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x2, F4x3, kernel

Spectrum = NDArray[np.complex64]
Series = NDArray[np.float32]

_CHUNK = 32  # columns in a product of matrices, so small that BLAS does it on the thread that asks


@dataclass(frozen=True)
class RealTransform:
    """The discrete Fourier transform of real series of one length.

    A spectrum is an array (n_row, n_column) of those frequencies that a real series needs; `cycles`
    says which. Most of the first row's stand there twice.
    """

    n: int

    @cached_property
    def odd(self) -> int:
        """The odd factor of the length."""
        return self.n // (self.n & -self.n)

    @cached_property
    def cycles(self) -> NDArray[np.int64]:
        """Cycles in the series (n_row, n_column), from 0 to n - 1."""
        row, column = np.arange((self.odd + 1) // 2), np.arange(self.n // self.odd)
        return np.asarray(row[:, None] + self.odd * column)

    @cached_property
    def _waves(self) -> NDArray[np.float64]:
        phase = 2 * np.pi * np.outer(np.arange((self.odd + 1) // 2), np.arange(self.odd)) / self.odd
        return np.concatenate([np.cos(phase), -np.sin(phase)])

    @cached_property
    def _analysis(self) -> NDArray[np.float32]:
        return self._waves.astype(np.float32)

    @cached_property
    def _synthesis(self) -> NDArray[np.float32]:
        share = np.full(len(self._waves), 2.0)
        share[:: len(share) // 2] = 1.0
        return np.ascontiguousarray((self._waves * share[:, None] / self.odd).T, np.float32)

    @cached_property
    def _twiddle(self) -> NDArray[np.float32]:
        row, column = np.arange((self.odd + 1) // 2), np.arange(self.n // self.odd)
        turns = np.exp(-2j * np.pi * np.outer(row, column) / self.n)
        return _parts(turns.astype(np.complex64))

    def of_real(self, weights: NDArray[np.complex64]) -> Spectrum:
        """Return weights (n,) of all frequencies as the spectrum of a real series.

        What would make a real series complex is left out.
        """
        folded = halves(weights.view(np.float32), self.odd)
        return folded.view(np.complex64)[..., 0]

    def forward(self, series: Series) -> Spectrum:
        """Return the spectrum (n_row, n_column) of a series (n,)."""
        from scipy.fft import fft  # noqa: PLC0415 - 15 MB, which other read-outs do not need

        parts = turned(_product(self._analysis, series.reshape(self.odd, -1)), self._twiddle)
        return np.asarray(fft(parts.view(np.complex64)[..., 0], axis=1, overwrite_x=True))

    def inverse(self, spectrum: Spectrum) -> Series:
        """Return the series (n,) of a spectrum (n_row, n_column)."""
        from scipy.fft import ifft  # noqa: PLC0415 - 15 MB, which other read-outs do not need

        waves = turned_back(_parts(ifft(spectrum, axis=1)), self._twiddle)
        return np.asarray(_product(self._synthesis, waves).ravel())


def _product(matrix: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of matrices, some columns at a time."""
    rows, columns = len(matrix), other.shape[1]
    result, width = np.empty((rows, columns), np.float32), min(_CHUNK, columns)

    def chunks(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values.reshape(len(values), -1, width).transpose(1, 0, 2)

    np.matmul(matrix, chunks(other), out=chunks(result))
    return result


def _parts(numbers: Spectrum) -> NDArray[np.float32]:
    """Return real and imaginary parts (n_row, n_column, 2)."""
    return np.ascontiguousarray(numbers)[..., None].view(np.float32)


@kernel
def halves(weights: F4x1, odd: int) -> F4x3:
    """Return half of complex numbers (2 * n,) plus their mirror images' conjugates, by row and column."""
    n = len(weights) // 2
    result = np.empty(((odd + 1) // 2, n // odd, 2), np.float32)
    for x in range(n // odd):
        for k in range((odd + 1) // 2):
            here = k + odd * x
            there = n - here if here else 0
            result[k, x, 0] = (weights[2 * here] + weights[2 * there]) * np.float32(0.5)
            result[k, x, 1] = (weights[2 * here + 1] - weights[2 * there + 1]) * np.float32(0.5)
    return result


@kernel
def turned(parts: F4x2, turns: F4x3) -> F4x3:
    """Return complex numbers (n_row, n_column, 2), given as (2 * n_row, n_column), times others."""
    rows, columns, _ = turns.shape
    result = np.empty(turns.shape, np.float32)
    for k in range(rows):
        for x in range(columns):
            real, imaginary = parts[k, x], parts[k + rows, x]
            cosine, sine = turns[k, x, 0], turns[k, x, 1]
            result[k, x, 0] = real * cosine - imaginary * sine
            result[k, x, 1] = real * sine + imaginary * cosine
    return result


@kernel
def turned_back(numbers: F4x3, turns: F4x3) -> F4x2:
    """Return complex numbers over others of unit size, as (2 * n_row, n_column)."""
    rows, columns, _ = turns.shape
    result = np.empty((2 * rows, columns), np.float32)
    for k in range(rows):
        for x in range(columns):
            real, imaginary = numbers[k, x, 0], numbers[k, x, 1]
            cosine, sine = turns[k, x, 0], turns[k, x, 1]
            result[k, x] = real * cosine + imaginary * sine
            result[k + rows, x] = imaginary * cosine - real * sine
    return result
