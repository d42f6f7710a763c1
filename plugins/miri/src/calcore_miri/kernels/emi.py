"""Periodic pick-up in ramps: sums by phase, a fit of its amplitude and phase, and its removal.

Four amplifiers read neighbouring columns at the same instant, one *sample* each; the wave's phase
at a sample is that of the sample's place in the frame plus that of the frame's start.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x4, F8x1, F8x2, F8x4, U1x2, kernel

AMPLIFIERS = 4


@kernel
def spread(data: F4x4, out: F4x2) -> None:
    """Measure how much the differences between successive groups vary in each pixel.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]. NaN makes the spread NaN.
    out : float32 (ny, nx)
        Standard deviation of all differences of the pixel [DN]; overwritten.
    """
    n_int, n_group, ny, nx = data.shape
    count = n_int * (n_group - 1)
    for y in range(ny):
        for x in range(nx):
            total = 0.0
            squares = 0.0
            for i in range(n_int):
                for g in range(1, n_group):
                    step = float(data[i, g, y, x]) - float(data[i, g - 1, y, x])
                    total += step
                    squares += step * step
            mean = total / count
            out[y, x] = np.sqrt(max(squares / count - mean * mean, 0.0))


@kernel
def add_samples(data: F4x4, usable: U1x2, place: F8x2, out_sums: F8x4, out_count: U1x2) -> None:
    """Add the samples of a band to sums by the phase of their place in the frame.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    usable : uint8 (ny, nx)
        1 where the pixel takes part.
    place : float64 (ny, n_sample)
        Phase [cycle], 0 to 1, of each sample relative to the start of the frame.
    out_sums : float64 (n_int, n_group, n_bin, 2)
        Sums of the signal [DN] by phase are added to the first, numbers of pixels to the second.
    out_count : uint8 (ny, n_sample)
        Pixels of the sample that take part; overwritten.
    """
    n_int, n_group, ny, nx = data.shape
    n_bin = out_sums.shape[2]
    for y in range(ny):
        for s in range(place.shape[1]):
            number = 0
            for x in range(4 * s, min(4 * s + 4, nx)):
                number += usable[y, x]
            out_count[y, s] = number
    for i in range(n_int):
        for g in range(n_group):
            for y in range(ny):
                for s in range(place.shape[1]):
                    number = out_count[y, s]
                    if number == 0:
                        continue
                    total = 0.0
                    for x in range(4 * s, min(4 * s + 4, nx)):
                        if usable[y, x]:
                            total += data[i, g, y, x]
                    k = int(place[y, s] * n_bin) % n_bin
                    out_sums[i, g, k, 0] += total
                    out_sums[i, g, k, 1] += number


@kernel
def add_wave(
    count: U1x2,
    place: F8x2,
    wave_place: F8x2,
    start: F8x2,
    wave: F8x2,
    out_sums: F8x4,
) -> None:
    """Add a wave, as the samples see it, to sums by the phase of another wave.

    Parameters
    ----------
    count : uint8 (ny, n_sample)
        Pixels of each sample that take part.
    place, wave_place : float64 (ny, n_sample)
        Phase [cycle], 0 to 1, of each sample in the frame, of the sums and of the wave.
    start : float64 (n_int, n_group)
        Phase [cycle], 0 to 1, of the wave at the start of each frame, its shift included.
    wave : float64 (n_int, n_phase + 1)
        Wave [DN] at evenly spaced phases, the first repeated at the end.
    out_sums : float64 (n_int, n_group, n_bin, 2)
        Sums [DN]; added to.
    """
    n_int, n_group, n_bin, _ = out_sums.shape
    n_phase = wave.shape[1] - 1
    for i in range(n_int):
        for g in range(n_group):
            for y in range(count.shape[0]):
                for s in range(count.shape[1]):
                    if count[y, s] == 0:
                        continue
                    position = (wave_place[y, s] + start[i, g]) * n_phase
                    left = int(position)
                    rest = position - left
                    left %= n_phase
                    value = wave[i, left] * (1.0 - rest) + wave[i, left + 1] * rest
                    k = int(place[y, s] * n_bin) % n_bin
                    out_sums[i, g, k, 0] += count[y, s] * value


@kernel
def subtract_wave(data: F4x4, place: F8x2, start: F8x2, wave: F8x2, out: F4x4) -> None:
    """Subtract a wave from a ramp.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]; NaN stays.
    place : float64 (ny, n_sample)
        Phase [cycle], 0 to 1, of each sample relative to the start of the frame.
    start : float64 (n_int, n_group)
        Phase [cycle], 0 to 1, at the start of each frame, the wave's shift included.
    wave : float64 (n_int, n_phase + 1)
        Wave [DN] at evenly spaced phases, the first repeated at the end.
    out : float32 (n_int, n_group, ny, nx)
        Signal without the wave [DN]; overwritten.
    """
    n_int, n_group, ny, nx = data.shape
    n_phase = wave.shape[1] - 1
    for i in range(n_int):
        for g in range(n_group):
            for y in range(ny):
                for s in range(place.shape[1]):
                    position = (place[y, s] + start[i, g]) * n_phase
                    left = int(position)
                    rest = position - left
                    left %= n_phase
                    value = np.float32(wave[i, left] * (1.0 - rest) + wave[i, left + 1] * rest)
                    for x in range(4 * s, min(4 * s + 4, nx)):
                        out[i, g, y, x] = data[i, g, y, x] - value


def closed(wave: F8x1) -> NDArray[np.float64]:
    """Return a periodic wave (n_phase,) with its first value repeated at the end."""
    return np.append(wave, wave[:1])


def at_phase(wave: F8x1, phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate a periodic wave (n_phase,) linearly at phases of any shape [cycle]."""
    position = (phase % 1.0) * len(wave)
    left = position.astype(np.intp)
    rest = position - left
    both = closed(wave)
    left %= len(wave)
    result: NDArray[np.float64] = both[left] * (1.0 - rest) + both[left + 1] * rest
    return result


def fit(sums: F8x4, start: F8x2, wave: F8x1) -> tuple[float, float]:
    """Fit ramps and a wave to sums by phase.

    Every phase bin has a ramp of its own, level and slope, in each integration; all share one
    wave of given shape. Level and slope are projected out of the data and of the wave; then the
    best amplitude, and the fall of chi-squared that it brings, are known in closed form for each
    trial shift of the wave, and a parabola through the best and its neighbours refines the shift.

    Parameters
    ----------
    sums : float64 (n_int, n_group, n_bin, 2)
        Sums of the signal [DN] by phase, and numbers of pixels.
    start : float64 (n_int, n_group)
        Phase [cycle] of the wave at the start of each frame.
    wave : float64 (n_phase,)
        Shape of the wave.

    Returns
    -------
    amplitude, shift : float
        Factor of the wave, and phase [cycle] to add to those of the samples. 0, 0 if the wave looks
        like a ramp everywhere, or there is no usable sample.
    """
    n_int, n_group, n_bin, _ = sums.shape
    time = np.arange(n_group) - (n_group - 1) / 2
    basis = np.stack([np.full(n_group, n_group**-0.5), time / np.linalg.norm(time)])
    project = np.eye(n_group) - basis.T @ basis
    middle = (np.arange(n_bin) + 0.5) / n_bin

    def power(shift: float | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scalar products of data with wave and wave with itself, at one or at all shifts."""
        product, norm = np.zeros(n_bin), np.zeros(n_bin)
        for i in range(n_int):
            ramp = project @ sums[i, :, :, 0]
            shape = project @ at_phase(wave, start[i, :, None] + middle + (shift or 0.0))
            number, square = sums[i, 0, :, 1], np.sum(shape**2, axis=0)
            if shift is not None:
                product[0] += np.sum(ramp * shape)
                norm[0] += number @ square
                continue
            product += _correlate(ramp, shape)
            norm += _correlate(number[None], square[None])
        return product, norm

    product, norm = power(None)
    good = norm > 1e-12 * max(float(np.sum(sums[..., 1])) * float(wave @ wave), 1e-300)
    fall = np.where(good, product**2 / np.where(good, norm, 1.0), 0.0)
    # Half a period on, a symmetric wave fits as well with a negative factor; that is no wave.
    fall = np.where(product > 0, fall, 0.0)
    best = int(np.argmax(fall))
    if fall[best] <= 0:
        return 0.0, 0.0
    before, here, after = fall[best - 1], fall[best], fall[(best + 1) % n_bin]
    curvature = before - 2 * here + after
    offset = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    shift = (best + float(np.clip(offset, -0.5, 0.5))) / n_bin
    product, norm = power(shift)
    return float(product[0] / norm[0]), float(shift % 1.0)


def _correlate(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over rows of ``one[:, k] * other[:, k + j]``, periodic in k, for all j."""
    spectrum = np.sum(np.conj(np.fft.rfft(one, axis=1)) * np.fft.rfft(other, axis=1), axis=0)
    return np.fft.irfft(spectrum, n=one.shape[1])
