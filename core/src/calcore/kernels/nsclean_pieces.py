"""Noise that flickers in a sub-array, fitted piece by piece as the reference pipeline does.

Waves as in NSClean (Rauscher 2024, PASP 136, 015001), without a prior. The corners of the waves' gain,
the number of pixels in a piece, the limit on outliers and the least part of unlit pixels are what the
documentation of jwst 3.0.0 names; how pieces are cut, weighted and joined was found from its answers to
single pixels, which also confirm the numbers (the least part: between 3.3 and 6 %).
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

from calcore.kernels.nsclean import Pixels, Series, Values

_LINE_OVERHEAD = 12  # [pixel] pause after each line
_SLOW = 0.01061, 0.01211  # [1/pixel] waves are fitted up to the second; from the first on they fade
_FAST = 0.49943, 0.49957  # [1/pixel] the same of those that alternate from pixel to pixel
_DENSITY = 1 / (4 * sum(_SLOW))  # [pixel] over which the density of unlit pixels is measured
_DISPLACED = 1  # [pixel] by which the kernel of that is off
_PIECE = 512  # unlit pixels that a piece has more of
_OUTLIER = 4.0  # [sigma] of the sub-array
_SIGMA_PER_MAD = 1.4826
_LEAST = 0.05  # of pixels must be unlit
_WEAKEST = 1e-8  # combinations of waves that unlit pixels constrain less are left out
_EDGE = 0.001  # weight of a piece's first and last line, that of its middle being 1 more
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def pieces_frequencies(image: Values, good: Pixels) -> Values:
    """Return the low frequencies of a sub-array, fitted in pieces that overlap by half.

    Parameters
    ----------
    image : float32 (n_line, n_fast)
        Differences of groups without their background [DN], in read-out order.
    good : bool (n_line, n_fast)
        True for unlit pixels. Outliers among them do not count, nor do their neighbours.

    Returns
    -------
    float32 (n_line, n_fast)
        Noise [DN]; 0 where hardly a pixel is unlit.

    Notes
    -----
    A wave and its mirror image in frequency are fitted apart, as in NSClean, although they overlap
    where pixels are lit. Nothing but waves is known of the noise: where many lines are lit, it may be anything.
    """
    good = _without_outliers(image, good)
    if good.mean() < _LEAST:
        return np.zeros_like(image)
    noise = np.zeros(image.shape)
    total = np.zeros((len(image), 1))
    for piece in _pieces(good.sum(axis=1)):
        weight = _weight(piece.stop - piece.start)
        noise[piece] += weight * _fitted(image[piece], good[piece])
        total[piece] += weight
    found: Values = (noise / total).astype(np.float32)
    return found


def _without_outliers(image: Values, good: Pixels) -> Pixels:
    from scipy.ndimage import binary_dilation  # noqa: PLC0415 - 13 MB that most exposures do not need

    values = image[good]
    if values.size == 0:
        return good
    away = np.abs(image - np.median(values))
    limit = _OUTLIER * _SIGMA_PER_MAD * np.median(away[good])
    kept: Pixels = good & ~binary_dilation(good & (away > limit), _CROSS)
    return kept


def _pieces(unlit: NDArray[np.integer]) -> Iterator[slice]:
    """Yield pieces of whole lines; the next begins in the middle of the one before."""
    before = np.append(0, np.cumsum(unlit))
    lines, start, stop = len(unlit), 0, 0
    while stop < lines:
        stop = int(np.searchsorted(before, before[start] + _PIECE, side="right"))
        if stop > lines or before[-1] - before[start] <= 1.5 * _PIECE:
            stop = lines
        yield slice(start, stop)
        start += max(1, round((stop - start) / 2))


def _weight(lines: int) -> Series:
    """Return the weights (n_line, 1) of a piece's lines, which fall from its middle to its ends."""
    half = (lines - 1) / 2
    away = np.abs(np.arange(lines) - half) / max(half, 0.5)
    return np.asarray(1 + _EDGE - away)[:, None]


@lru_cache(maxsize=8)
def _waves(size: int) -> tuple[NDArray[np.complex128], Series]:
    """Return waves (sample, wave) that end with the series, and their gains.

    Each but the constant and the one of two samples stands for its mirror image, too: its gain is
    twice as large.
    """
    frequency = np.arange(size // 2 + 1) / size
    fading = np.clip((frequency - _SLOW[0]) / (_SLOW[1] - _SLOW[0]), 0, 1)
    rising = np.clip((frequency - _FAST[0]) / (_FAST[1] - _FAST[0]), 0, 1)
    gain = 0.5 * (1 + np.cos(np.pi * fading)) + 0.5 * (1 - np.cos(np.pi * rising))
    chosen = np.flatnonzero(gain > 0)
    gain[(frequency > 0) & (frequency < 0.5)] *= 2
    turns = np.outer(np.arange(size), chosen) % size
    return np.exp(2j * np.pi * turns / size), gain[chosen]


def _fitted(image: Values, good: Pixels) -> Series:
    """Return the waves of a piece (n_line, n_fast), fitted where pixels are unlit."""
    lines, width = image.shape
    size = lines * (width + _LINE_OVERHEAD)
    place = np.arange(lines)[:, None] * (width + _LINE_OVERHEAD) + np.arange(width)
    waves, gain = _waves(size)
    at = place[good]
    weight = _density(at, size)[at] ** -2.0
    seen = waves[at]
    weighted = seen.conj().T * weight
    own, modes = np.linalg.eigh(weighted @ seen)
    inverse = np.where(own > _WEAKEST * own[-1], 1 / np.maximum(own, _WEAKEST * own[-1]), 0)
    found = modes @ (inverse * (modes.conj().T @ (weighted @ image[good].astype(np.float64))))
    fit: Series = (waves[place] @ (gain * found)).real
    return fit


def _density(at: NDArray[np.intp], size: int) -> Series:
    """Return the density of unlit samples, smoothed with a Gaussian around the end of the series."""
    unlit = np.zeros(size)
    unlit[at] = 1
    away = (np.arange(size) - _DISPLACED + size // 2) % size - size // 2
    kernel = np.exp(-0.5 * (away / _DENSITY) ** 2)
    return np.asarray(irfft(rfft(unlit) * rfft(kernel / kernel.sum()), size))
