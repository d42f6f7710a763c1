"""Periodic pick-up in ramps: sums by phase, a fit of its amplitude and phase, and its removal.

The four amplifiers read four neighbouring columns at the same instant, which is called a *sample*
here. A wave's phase at a sample is that of the sample's place in the frame plus that of the frame's
start, in cycles. The shape of a wave is a periodic cubic spline, given by its coefficients.

The fit is a linear least-squares one at many trial phases in the manner of a periodogram (Lomb
1976, Ap&SS 39, 447; Zechmeister & Kürster 2009, A&A 496, 577), in which every phase of the read-out
has a ramp of its own.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import (
    B1x2,
    F4x1,
    F4x3,
    F4x4,
    F8x2,
    F8x3,
    I8x2,
    U1x1,
    U1x3,
    kernel,
    unsigned,
)

Double = NDArray[np.float64]
AMPLIFIERS = 4
BINS = 500
# A wave that is nothing but a ramp at every phase, up to rounding, cannot be told from the signal.
RAMP_LIKE = 1e-12
# Shifts whose fits differ by no more than rounding.
TIE = 1e-9


@kernel
def _deviations(data: F4x4, out: F4x3, out_sum: F8x2) -> None:
    n_int, n_group, ny, nx = data.shape
    for i in range(n_int):
        for y in range(ny):
            for x in range(nx):
                out_sum[0, x] = 0.0
                out_sum[1, x] = 0.0
            for g in range(n_group):
                for x in range(nx):
                    # Relative to the first group, lest the squares cancel.
                    value = float(data[i, g, y, x]) - float(data[i, 0, y, x])
                    out_sum[0, x] += value
                    out_sum[1, x] += value * value
            for x in range(nx):
                mean = out_sum[0, x] / n_group
                variance = out_sum[1, x] / n_group - mean * mean
                out[i, y, x] = 0.0 if variance < 0.0 else np.sqrt(variance)


def deviations(data: F4x4) -> NDArray[np.float32]:
    """Return how far the groups of each ramp spread, the slope included.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].

    Returns
    -------
    float32 (n_int, ny, nx)
        Standard deviation of the groups [DN]; NaN where one of them is NaN or infinite.
    """
    n_int, _, ny, nx = data.shape
    out = np.empty((n_int, ny, nx), np.float32)
    _deviations(data, out, np.empty((2, nx)))
    return out


@kernel
def _add_up(
    data: F4x4, deviation: F4x3, bad: B1x2, limit: float, out: F4x4, out_count: U1x3,
    out_use: U1x1, out_row: F4x1,
) -> None:  # fmt: skip
    n_int, n_group, ny, nx = data.shape
    n_sample, nothing = out_count.shape[2], np.float32(0)
    for i in range(n_int):
        for y in range(ny):
            for s in range(n_sample):
                out_count[i, y, s] = 0
            for x in range(nx):
                out_use[x] = 1 if deviation[i, y, x] <= limit and not bad[y, x] else 0
                out_count[i, y, x // 4] += out_use[x]
            first = data[i, 0, y]
            for g in range(n_group):
                here, sums = data[i, g, y], out[i, g, y]
                for x in range(nx):
                    out_row[x] = here[x] - first[x] if out_use[x] else nothing
                for s in range(n_sample):
                    x = 4 * s  # there are zeros beyond the last column
                    sums[s] = out_row[x] + out_row[x + 1] + out_row[x + 2] + out_row[x + 3]


def add_up(data: F4x4, bad: B1x2, limit: float) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Add up the amplifiers of each sample.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    bad : bool (ny, nx)
        True for pixels that are left out.
    limit : float
        Ramps that spread farther [DN] are left out too, in their integration.

    Returns
    -------
    samples : float32 (n_int, n_group, ny, n_sample)
        Sums of the signal since the first group [DN].
    count : uint8 (n_int, ny, n_sample)
        Number of pixels in each sum.
    """
    n_int, n_group, ny, nx = data.shape
    n_sample = -(-nx // AMPLIFIERS)
    samples = np.empty((n_int, n_group, ny, n_sample), np.float32)
    count = np.empty((n_int, ny, n_sample), np.uint8)
    use, row = np.empty(nx, np.uint8), np.zeros(AMPLIFIERS * n_sample, np.float32)
    _add_up(data, deviations(data), bad, limit, samples, count, use, row)
    return samples, count


@kernel
def add_samples(samples: F4x4, count: U1x3, which: I8x2, out_sums: F8x3, out_number: F8x2) -> None:
    """Add samples to sums by phase.

    Parameters
    ----------
    samples : float32 (n_int, n_group, ny, n_sample)
        Sums over the amplifiers [DN].
    count : uint8 (n_int, ny, n_sample)
        Number of pixels in each.
    which : int64 (ny, n_sample)
        Phase bin of each sample's place in the frame.
    out_sums : float64 (n_int, n_group, n_bin)
        Sums [DN]; added to.
    out_number : float64 (n_int, n_bin)
        Number of pixels in each bin; added to.
    """
    n_int, n_group, ny, n_sample = samples.shape
    for i in range(n_int):
        for y in range(ny):
            for s in range(n_sample):
                out_number[i, which[y, s]] += count[i, y, s]
        for g in range(n_group):
            for y in range(ny):
                for s in range(n_sample):
                    out_sums[i, g, which[y, s]] += samples[i, g, y, s]


@kernel
def add_wave(
    count: U1x3,
    which: I8x2,
    place: F8x2,
    start: F8x2,
    shape: F8x2,
    amplitude: F8x2,
    out_sums: F8x3,
) -> None:
    """Add a wave, as samples would see it, to sums by the phase of another wave.

    Parameters
    ----------
    count : uint8 (n_int, ny, n_sample)
        Number of pixels in each sample.
    which : int64 (ny, n_sample)
        Bin of the sums that a sample belongs to.
    place, start, shape, amplitude
        The wave, as in `subtract_wave`.
    out_sums : float64 (n_int, n_group, n_bin)
        Sums [DN]; added to.
    """
    n_int, n_group = start.shape
    n_phase = shape.shape[0]
    for i in range(n_int):
        for g in range(n_group):
            for y in range(place.shape[0]):
                for s in range(place.shape[1]):
                    position = (place[y, s] + start[i, g]) * n_phase
                    k = int(position)
                    rest = position - k
                    while k >= n_phase:
                        k -= n_phase
                    value = shape[k, 0] + rest * (shape[k, 1] + rest * shape[k, 2])
                    value = shape[k, 3] + rest * value
                    out_sums[i, g, which[y, s]] += amplitude[i, 0] * count[i, y, s] * value


@kernel
def subtract_wave(
    data: F4x4, first: int, place: F8x2, start: F8x2, shape: F8x2, amplitude: F8x2, out: F4x4,
    out_wave: F4x1,
) -> None:  # fmt: skip
    """Subtract a wave from a ramp.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]; NaN stays.
    first : int
        Place of the first column within the first sample, whose columns are read together.
    place : float64 (ny, n_sample)
        Phase [cycle], 0 to 1, of each sample relative to the start of the frame.
    start : float64 (n_int, n_group)
        Phase [cycle], 0 to 1, of the wave at the start of each frame.
    shape : float64 (n_phase, 4)
        Coefficients of the wave's spline.
    amplitude : float64 (n_int, 1)
        Factor of the wave in each integration.
    out : float32 (n_int, n_group, ny, nx)
        Signal without the wave [DN]; overwritten.
    out_wave : float32 (4 * n_sample)
        Room for the wave in a row [DN]; overwritten.
    """
    n_int, n_group, ny, nx = data.shape
    n_phase = shape.shape[0]
    for i in range(n_int):
        for g in range(n_group):
            for y in range(ny):
                line, clean = data[i, g, y], out[i, g, y]
                for s in range(place.shape[1]):
                    position = (place[y, s] + start[i, g]) * n_phase
                    k = int(position)
                    rest = position - k
                    while k >= n_phase:  # once at most; a remainder takes as long as all else
                        k -= n_phase
                    value = shape[k, 0] + rest * (shape[k, 1] + rest * shape[k, 2])
                    value = shape[k, 3] + rest * value
                    level, column = np.float32(amplitude[i, 0] * value), unsigned(AMPLIFIERS * s)
                    for k in range(unsigned(AMPLIFIERS)):
                        out_wave[column + k] = level
                for x in range(unsigned(nx)):
                    clean[x] = line[x] - out_wave[unsigned(first) + x]


def spline(wave: Double) -> Double:
    """Return coefficients (n_phase, 4) of the periodic cubic spline through a wave (n_phase,).

    The first value belongs to phase 0. A wave of fewer than three values makes no spline.
    """
    from scipy.interpolate import CubicSpline  # noqa: PLC0415 - loads half of scipy

    closed = np.append(wave, wave[0])
    curve = CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
    # Highest power last but one: constant, then linear, quadratic, cubic would read rows backwards.
    cubic, quadratic, linear, constant = curve.c
    return np.ascontiguousarray(np.stack([linear, quadratic, cubic, constant], axis=1))


def at_phase(shape: Double, phase: Double) -> Double:
    """Return the wave of spline coefficients (n_phase, 4) at phases [cycle] of any shape."""
    position = (phase % 1.0) * len(shape)
    k = position.astype(np.intp)
    rest = position - k
    linear, quadratic, cubic, constant = np.moveaxis(shape[k % len(shape)], -1, 0)
    value: Double = constant + rest * (linear + rest * (quadratic + rest * cubic))
    return value


def bins(place: Double) -> NDArray[np.int64]:
    """Return the bin of each phase [cycle], 0 to 1."""
    return np.minimum((place * BINS).astype(np.int64), BINS - 1)


def fit(
    sums: Double, number: Double, start: Double, shape: Double, *, shared: bool
) -> tuple[float, float, float]:
    """Fit ramps and a wave to sums by phase.

    Every phase bin has a ramp of its own, level and slope, in each integration; all share one
    wave of given shape. Level and slope are projected out of the data and of the wave; then the
    best amplitude, and the fall of chi-squared that it brings, are known in closed form for each
    trial shift of the wave, and a parabola through the best and its neighbours refines the shift.

    Parameters
    ----------
    sums : float64 (n_int, n_group, n_bin)
        Sums of the signal [DN] by phase.
    number : float64 (n_int, n_bin)
        Number of pixels in each sum.
    start : float64 (n_int, n_group)
        Phase [cycle] of the wave at the start of each frame.
    shape : float64 (n_phase, 4)
        Coefficients of the wave's spline.
    shared : bool
        Whether the ramps of an integration also share a departure from straight lines, which is
        projected out like level and slope. Bent ramps look like a wave if the frame does not see
        all its phases equally often.

    Returns
    -------
    amplitude, shift : float
        Factor of the wave, and phase [cycle] to add to those of the samples. 0, 0 if there is no
        usable sample, or the wave advances by whole cycles from group to group, so that it looks
        like a ramp.
    significance : float
        Amplitude over its standard deviation, by the scatter of what the fit leaves.
    """
    n_int, n_group, n_bin = sums.shape
    time = np.arange(n_group) - (n_group - 1) / 2
    ramps = np.stack([np.full(n_group, n_group**-0.5), time / np.linalg.norm(time)])
    project = np.eye(n_group) - ramps.T @ ramps
    phase = start[:, :, None] + (np.arange(n_bin) + 0.5) / n_bin
    total = np.maximum(np.sum(number, axis=1), 1.0)
    curves = project @ sums
    if shared:
        mean = np.sum(curves, axis=2, keepdims=True) / total[:, None, None]
        curves = curves - number[:, None, :] * mean

    product, norm = np.zeros(n_bin), np.zeros(n_bin)
    for i in range(n_int):
        wave = project @ at_phase(shape, phase[i])
        product += np.sum(_correlate(curves[i], wave), axis=0)
        norm += _correlate(number[i], np.sum(wave**2, axis=0))
        if shared:
            norm -= np.sum(_correlate(number[i], wave) ** 2, axis=0) / total[i]
    good = norm > RAMP_LIKE * n_group * float(np.sum(number)) * float(np.mean(shape[:, 3] ** 2))
    if not good.any():
        return 0.0, 0.0, 0.0
    fall = np.where(good, product**2 / np.where(good, norm, 1.0), 0.0)
    # A wave of odd harmonics that advances by half a cycle is the same upside down half a cycle on.
    alike = fall >= (1 - TIE) * np.max(fall)
    best = int(np.argmax(np.where(alike, 1 + (product > 0), 0)))
    before, here, after = fall[best - 1], fall[best], fall[(best + 1) % n_bin]
    bend = before - 2 * here + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    shift = (best + float(np.clip(offset, -0.5, 0.5))) / n_bin

    waves = project @ at_phase(shape, phase + shift)
    if shared:
        mean = np.sum(waves * number[:, None, :], axis=2, keepdims=True) / total[:, None, None]
        waves = waves - mean
    weighted = number[:, None, :] * waves
    power = float(np.sum(weighted * waves))
    if power <= 0:
        return 0.0, 0.0, 0.0
    amplitude = float(np.sum(curves * waves)) / power
    left = (curves - amplitude * weighted) ** 2 / np.maximum(number, 1.0)[:, None, :]
    freedom = (int(np.sum(number > 0)) - n_int * shared) * (n_group - 2) - 2
    scatter = float(np.sqrt(np.sum(left) / max(freedom, 1)))
    significance = abs(amplitude) * power**0.5 / scatter if scatter > 0 else np.inf
    return amplitude, shift % 1.0, significance


def _correlate(one: Double, other: Double) -> Double:
    """Sum ``one[..., k] * other[..., k + j]`` over k, periodic in k, for all j."""
    spectrum = np.conj(np.fft.rfft(one)) * np.fft.rfft(other)
    return np.fft.irfft(spectrum, n=one.shape[-1])
