"""Noise that flickers, as the low frequencies of what is read one after another.

Rauscher 2024, PASP 136, 015001 (NSClean): what unlit pixels show is fitted in Fourier space by
weighted least squares. Lines of a full frame are fitted one by one, as there. A sub-array is one
series of samples; it is fitted with the expected power of the noise as a prior (Wiener; Rybicki &
Press 1992, ApJ 398, 169), so that where no pixel is unlit nothing is made up.
"""

from collections.abc import Callable

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

Pixels = NDArray[np.bool_]
Values = NDArray[np.float32]
Series = NDArray[np.float64]

_CUT, _ROLL_OFF = 1 / 256, 1 / 1024  # [1/pixel] frequency of half gain, and width around it
_DENSITY = 32.0  # [pixel] over which the density of unlit pixels is measured
_LINES = 1.5  # [line] over which the noise of lines is smoothed
_OUTLIER = 3.0  # [sigma] of a line
_SIGMA_PER_MAD = 1.4826
_WEAKEST = 1e-8  # combinations of frequencies that unlit pixels constrain less are left out
_LINE_OVERHEAD = 12  # [pixel] pause after each line
_SLOW, _FAST = 0.0121, 0.05  # [1/pixel] below which a sub-array flickers, and above which hardly
_STEPS, _ENOUGH = 200, 1e-3  # of the conjugate gradients


def line_frequencies(image: Values, good: Pixels, *, displaced: tuple[int, int] = (0, 0)) -> Values:
    """Return the low frequencies of each line of a full frame.

    Parameters
    ----------
    image : float32 (n_line, n_fast)
        Differences of groups without their background [DN], in read-out order.
    good : bool (n_line, n_fast)
        True for unlit pixels. A line without any has no noise.
    displaced : (int, int)
        Lines and pixels by which the middles of the smoothing kernels are off. jwst 3.0.0 has them
        one line and one pixel off.

    Returns
    -------
    float32 (n_line, n_fast)
        Noise [DN].
    """
    length = image.shape[1]
    cycles = np.arange(int(np.ceil((_CUT + _ROLL_OFF / 2) * length)))  # those with any gain
    beyond = np.clip((cycles / length - _CUT) / _ROLL_OFF + 0.5, 0, 1)
    gain = 0.5 * (1 + np.cos(np.pi * beyond))
    phase = 2 * np.pi * np.outer(np.arange(length), cycles) / length
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    weight = _weights(good, displaced)
    values = _without_outliers(image, good)
    overlap = _transform(weight, waves)
    apart = cycles[:, None] - cycles
    normal = np.where(
        apart >= 0, overlap[:, np.maximum(apart, 0)], overlap[:, np.maximum(-apart, 0)].conj()
    )
    own, modes = np.linalg.eigh(normal)
    strongest = own[:, -1:]
    with np.errstate(divide="ignore"):
        inverse = np.where(own > _WEAKEST * strongest, 1 / own, 0)
    right = _transform(weight * values, waves)
    inside = np.einsum("ljk,lj->lk", modes.conj(), right) * inverse
    found = np.einsum("ljk,lk->lj", modes, inside) * gain
    found[:, 1:] *= 2
    noise = np.concatenate([found.real, -found.imag], axis=1) @ waves.T
    noise = np.roll(_smooth(noise, _LINES, axis=0), displaced, (0, 1))
    return noise.astype(np.float32)


def _transform(lines: Series, waves: Series) -> NDArray[np.complex128]:
    """Return the Fourier components of lines (n_line, n_fast) at the frequencies of `waves`."""
    cosine, sine = np.split(lines @ waves, 2, axis=1)
    components: NDArray[np.complex128] = cosine - 1j * sine
    return components


def _smooth(values: Series, sigma: float, axis: int) -> Series:
    """Convolve with a Gaussian around the end of an axis."""
    length = values.shape[axis]
    gain = np.exp(-2 * (np.pi * sigma * np.arange(length // 2 + 1) / length) ** 2)
    gain = gain if axis == 1 else gain[:, None]
    return np.asarray(irfft(rfft(values, axis=axis) * gain, length, axis=axis))


def _weights(good: Pixels, displaced: tuple[int, int]) -> Series:
    """Return the squared weights of pixels: each region counts, not each pixel."""
    density = np.roll(_smooth(good.astype(np.float64), _DENSITY, axis=1), displaced, (0, 1))
    weights: Series = np.where(good, 1 / np.maximum(density, 1e-3) ** 2, 0)
    return weights


def _without_outliers(image: Values, good: Pixels) -> Series:
    """Return an image whose outliers are the median of their line; 0 where pixels do not count."""
    values = np.where(good, image, np.float32(np.nan))
    middle = _medians(values)
    away = np.abs(values - middle)
    spread = _SIGMA_PER_MAD * _medians(away)
    values = np.where(away > _OUTLIER * spread, middle, values)
    clean: Series = np.where(good, values, 0).astype(np.float64)
    return clean


def _medians(values: Values) -> Values:
    """Return the median of each line (n_line, 1); NaN do not count; 0 if there is nothing else."""
    ranked = np.sort(values, axis=1)
    count = np.isfinite(ranked).sum(axis=1)
    line = np.arange(len(ranked))
    low = ranked[line, np.maximum((count - 1) // 2, 0)]
    middle = (low + ranked[line, np.minimum(count // 2, ranked.shape[1] - 1)]) / 2
    medians: Values = np.where(count > 0, middle, np.float32(0))[:, None]
    return medians


def series_frequencies(image: Values, good: Pixels) -> Values:
    """Return the low frequencies of a sub-array, whose pixels are one series of samples.

    Parameters
    ----------
    image : float32 (n_line, n_fast)
        Differences of groups without their background [DN], in read-out order.
    good : bool (n_line, n_fast)
        True for unlit pixels.

    Returns
    -------
    float32 (n_line, n_fast)
        Noise [DN]; near the mean where no unlit pixel is near.

    Notes
    -----
    With the samples d = s + white noise of variance v at unlit pixels, and the power of s falling
    as 1/f, the expectation of s is the solution of ``(v / P + W) s = W d``, found by conjugate
    gradients; W is 1 at unlit pixels and 0 elsewhere. P is scaled to what the unlit pixels show.
    """
    from scipy.fft import next_fast_len  # noqa: PLC0415 - loads half of scipy

    lines, width = image.shape
    size = next_fast_len(2 * lines * (width + _LINE_OVERHEAD), real=True)
    values, seen = np.zeros(size), np.zeros(size)
    place = (np.arange(lines)[:, None] * (width + _LINE_OVERHEAD) + np.arange(width)).ravel()
    seen[place] = good.ravel()
    values[place] = _without_outliers(image, good).ravel()
    count = seen.sum()
    if count == 0:
        return np.zeros_like(image)
    mean = values.sum() / count
    values -= mean * seen
    ratio = _signal_to_noise(values, seen, size)
    if ratio is None:
        return np.full_like(image, mean)

    def smooth(series: Series) -> Series:
        return np.asarray(irfft(rfft(series) * ratio, size))

    found = smooth(_conjugate_gradients(values, seen, smooth))
    noise: Values = (found[place].reshape(image.shape) + mean).astype(np.float32)
    return noise


def _signal_to_noise(values: Series, seen: Series, size: int) -> Series | None:
    """Return the power of the noise that flickers over that of white noise, by frequency.

    None if there is no such noise.
    """
    frequency = np.arange(size // 2 + 1) / size
    power = np.abs(np.asarray(rfft(values))) ** 2 / seen.sum()
    slow = (frequency > 0) & (frequency < _SLOW)
    shape = np.zeros_like(frequency)
    shape[1:] = 1 / frequency[1:]
    # Of power that is distributed exponentially, the median is ln 2 of the mean.
    fast = frequency > _FAST
    white = float(np.median(power[fast]) / np.log(2))
    excess = float((power[slow] - white).sum() / max(shape[slow].sum(), 1.0))
    white -= max(excess, 0.0) * float(shape[fast].mean())  # which flickers, too
    if white <= 0 or excess <= 0:
        return None
    ratio: Series = shape * (excess / white)
    # The slowest waves are longer than the series, which is followed by as long a pause.
    ratio[0] = ratio[1]
    return ratio


def _conjugate_gradients(
    values: Series, seen: Series, smooth: Callable[[Series], Series]
) -> Series:
    """Solve ``(1 + W S W) x = W d`` for x at the pixels seen; the signal is then ``S x``."""
    solution = np.zeros_like(values)
    residual = values * seen
    direction = residual.copy()
    squared = first = float(residual @ residual)
    for _ in range(_STEPS):
        if squared <= _ENOUGH**2 * first or squared == 0:
            break
        turned = direction + seen * smooth(direction)
        step = squared / float(direction @ turned)
        solution += step * direction
        residual -= step * turned
        before, squared = squared, float(residual @ residual)
        direction = residual + (squared / before) * direction
    return solution
