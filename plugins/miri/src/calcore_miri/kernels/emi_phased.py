"""Periodic pick-up measured by folding what ramps leave: one wave after the other.

From every ramp a straight line and its median are taken away, the four amplifiers of a sample are
averaged, and the samples are averaged by the wave's phase. That is the wave, or tells how far the
one that is known must be shifted and stretched, as the reference pipeline's description of its
correction has it. (Folding is that of Lafler & Kinman 1965, ApJS 11, 216, with a known period.)
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x4, F8x1, I8x2, kernel

Double = NDArray[np.float64]
AMPLIFIERS = 4
CLIP_SIGMA, CLIP_TIMES = 3.0, 5
# Samples beside those at the left edge are no good; means of their neighbours stand for them.
FIRST, SPOILED, LAST = 0, (1, 2), 3


def residuals(data: NDArray[np.float32]) -> Double:
    """Return what a straight line leaves of each ramp, as means over the amplifiers.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]; at least four groups.

    Returns
    -------
    float64 (n_int, n_group, ny, n_sample)
        Residuals [DN]. Line and median are those of all groups but the first and the last. NaN
        where a group of one of the amplifiers is.
    """
    n_int, n_group, ny, nx = data.shape
    time = np.arange(n_group, dtype=np.float64)
    inner = time[1:-1] - time[1:-1].mean()
    weights = inner / np.sum(inner**2)
    edges = np.arange(0, nx, AMPLIFIERS)
    width = np.diff(np.append(edges, nx))
    samples = np.empty((n_int, n_group, ny, len(edges)))
    for i in range(n_int):
        ramps = data[i].astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinite signals become NaN
            slope = np.tensordot(weights, ramps[1:-1], 1)
            ramps -= slope * time[:, None, None]
            ramps -= np.median(ramps[1:-1], axis=0)
        samples[i] = np.add.reduceat(ramps, edges, axis=2) / width
    if len(edges) > LAST:
        mean = (samples[..., FIRST] + samples[..., LAST]) / 2
        for spoiled in SPOILED:
            samples[..., spoiled] = mean
    return samples


def centred(samples: Double) -> Double:
    """Return samples (n_int, n_group, ny, n_sample) less the median of each frame; NaN does not count."""
    centres: Double = np.nanmedian(samples, axis=(2, 3), keepdims=True)
    return samples - centres


def bins(phase: Double, n_bin: int) -> NDArray[np.int64]:
    """Return the bin of each phase [cycle], 0 to 1; the upper edge belongs to it, and 0 to none: -1."""
    return np.searchsorted(np.arange(n_bin + 1) / n_bin, phase).astype(np.int64) - 1


def folded(samples: Double, which: NDArray[np.int64], n_bin: int) -> Double | None:
    """Average samples by phase.

    Parameters
    ----------
    samples : float64, any shape
        Residuals [DN]; NaN does not count.
    which : int64, shape of `samples`
        Bin of each, or -1.
    n_bin : int
        Number of bins.

    Returns
    -------
    float64 (n_bin,) or None
        Means [DN], without those that lie beyond three standard deviations from the median, which
        are taken out up to five times; less the median of all bins. None if a bin is empty.
    """
    good = (which >= 0) & np.isfinite(samples)
    values, place = samples[good], which[good]
    order = np.argsort(place, kind="stable")
    values = values[order]
    stops = np.cumsum(np.bincount(place, minlength=n_bin))
    if values.size == 0 or np.any(np.diff(stops, prepend=0) == 0):
        return None
    parts = np.split(values, stops[:-1])
    wave = np.array([_clipped_mean(part) for part in parts])
    centred_wave: Double = wave - np.median(wave)
    return centred_wave


def _clipped_mean(values: Double) -> float:
    for _ in range(CLIP_TIMES):
        kept = np.abs(values - np.median(values)) <= CLIP_SIGMA * np.std(values)
        if kept.all():
            break
        values = values[kept]
    return float(np.mean(values))


def aligned(wave: Double, table: Double) -> tuple[int, float]:
    """Find how far a known wave is shifted, and its factor.

    Parameters
    ----------
    wave : float64 (n_bin,)
        What was found [DN] in each bin of phase.
    table : float64 (n_phase,)
        The known wave [DN], from phase 0.

    Returns
    -------
    shift : int
        Places of the table to go ahead; where the two correlate best.
    factor : float
        Slope of a straight line through the wave over the shifted table.
    """
    n_phase = len(table)
    steps = wave[np.arange(n_phase) * len(wave) // n_phase]
    steps = steps - steps.mean()
    known = table - table.mean()
    spectrum = np.fft.rfft(known) * np.conj(np.fft.rfft(steps))
    shift = int(np.argmax(np.fft.irfft(spectrum, n=n_phase)))
    shifted = np.roll(known, -shift)
    return shift, float(np.dot(shifted, steps) / np.dot(shifted, shifted))


@kernel
def subtract_steps(
    data: F4x4, first: int, place: I8x2, start: I8x2, period: float, table: F8x1, out: F4x4
) -> None:
    """Subtract a wave that is given by steps from a ramp.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN]; NaN stays.
    first : int
        Place of the first column within the first sample, whose columns are read together.
    place : int64 (ny, n_sample)
        Clocks from the start of the frame to each sample.
    start : int64 (n_int, n_group)
        Clocks from the start of the exposure to that of each frame.
    period : float
        Of the wave [clock].
    table : float64 (n_phase,)
        The wave [DN], from phase 0.
    out : float32 (n_int, n_group, ny, nx)
        Signal without the wave [DN]; overwritten.
    """
    n_int, n_group, ny, nx = data.shape
    n_phase = table.shape[0]
    for i in range(n_int):
        for g in range(n_group):
            for y in range(ny):
                for s in range(place.shape[1]):
                    phase = np.floor((place[y, s] + start[i, g]) % period) / period
                    wave = table[min(int(phase * n_phase), n_phase - 1)]
                    for x in range(max(4 * s - first, 0), min(4 * s - first + 4, nx)):
                        out[i, g, y, x] = data[i, g, y, x] - wave
