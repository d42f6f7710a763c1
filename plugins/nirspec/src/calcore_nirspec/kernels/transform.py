"""Fourier transforms of long real series whose length has one awkward factor.

A frame of 2048 lines of 712 pixel times has 2¹⁴ × 89 of them. Libraries are slow at a prime like 89;
a product of matrices does that factor at a third of the time (Cooley & Tukey 1965, Math. Comp. 19, 297,
with the odd factor first).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, ifft

Spectrum = NDArray[np.complex64]
Series = NDArray[np.float32]


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
    def _twiddle(self) -> Spectrum:
        row, column = np.arange((self.odd + 1) // 2), np.arange(self.n // self.odd)
        return np.asarray(np.exp(-2j * np.pi * np.outer(row, column) / self.n), np.complex64)

    def forward(self, series: Series) -> Spectrum:
        """Return the spectrum (n_row, n_column) of a series (n,)."""
        parts = self._analysis @ series.reshape(self.odd, -1)
        rows = len(parts) // 2
        spectrum = np.empty((rows, parts.shape[1]), np.complex64)
        spectrum.real, spectrum.imag = parts[:rows], parts[rows:]
        spectrum *= self._twiddle
        return np.asarray(fft(spectrum, axis=1, overwrite_x=True))

    def inverse(self, spectrum: Spectrum) -> Series:
        """Return the series (n,) of a spectrum (n_row, n_column)."""
        waves = ifft(spectrum, axis=1)
        waves *= np.conj(self._twiddle)
        series = self._synthesis @ np.concatenate([waves.real, waves.imag])
        return np.asarray(series.ravel())
