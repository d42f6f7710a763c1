"""Which part of the 1/f noise of a line its side reference pixels foretell.

The weights that leave least noise follow from the spectra of what the read-out adds (Rauscher et al.
2022, JATIS 8, 028002, section 2): here they are those of the noise model itself, where an instrument's
builders average spectra of many dark frames.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.simulate.physics import Electronics
from calcore.simulate.readout import ReadOrder

Complex = NDArray[np.complex128]
Double = NDArray[np.float64]

FREQUENCIES = 2049
"""From 0 to half a cycle per line."""
REFERENCE = 4
"""Reference pixels at either end of a line."""


def side_weights(
    electronics: Electronics, order: ReadOrder, row_samples: int
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return the weights of the start and the end of lines.

    Parameters
    ----------
    electronics
        How strong the noise is.
    order
        Which amplifier reads a pixel of a line, and when.
    row_samples
        Pixel times in a line, overhead included.

    Returns
    -------
    gamma, zeta : complex64 (amplifier, frequency)
        By what the mean of the first and of the last four pixels of lines, as series over lines, is
        multiplied so that the sum comes nearest to the mean noise of an amplifier's pixels.
    """
    rows = order.shape[0]
    frequency = np.linspace(0, 0.5, FREQUENCIES)
    frequency[0] = 0.5 / rows  # slower drifts are an offset
    # What is sampled once a line mixes frequencies that differ by whole cycles.
    folded = frequency[:, None] + np.arange(-(row_samples // 2), row_samples // 2 + 1)
    harmonics = np.sum(1 / np.arange(1, rows * row_samples // 2))
    power = 1 / (2 * harmonics * np.abs(folded))
    common = electronics.pink_common_dn**2 * power
    own = electronics.pink_amplifier_dn**2 * power
    ends = slice(0, REFERENCE), slice(-REFERENCE, None)
    reader = [int(order.amplifier[end][0]) for end in ends]
    seen = [_mean_phase(folded, order.sample[end], row_samples) for end in ends]
    white = electronics.read_noise_dn**2 / REFERENCE
    start, stop = (np.sum((common + own) * np.abs(phase) ** 2, axis=1) + white for phase in seen)
    shared = common + own if reader[0] == reader[1] else common
    both = np.sum(shared * seen[0] * seen[1].conj(), axis=1)
    weights = []
    for amplifier in np.unique(order.amplifier):
        pixels = order.sample[order.amplifier == amplifier]
        light = _mean_phase(folded, pixels, row_samples)
        to_start, to_stop = (
            np.sum((common + own * (amplifier == of)) * light * phase.conj(), axis=1)
            for of, phase in zip(reader, seen, strict=True)
        )
        # Normal equations of the two weights; `both` is <start stop*>.
        determinant = start * stop - np.abs(both) ** 2
        gamma = (to_start * stop - to_stop * both.conj()) / determinant
        zeta = (to_stop * start - to_start * both) / determinant
        weights.append((gamma, zeta))
    gammas, zetas = (np.array(side, np.complex64) for side in zip(*weights, strict=True))
    return gammas, zetas


def _mean_phase(frequency: Double, samples: NDArray[np.int64], row_samples: int) -> Complex:
    """Return the mean of a wave over pixels that are read at even steps, at each frequency."""
    first, step = int(samples[0]), int(samples[1] - samples[0])
    angle = 2 * np.pi * frequency / row_samples
    turn = np.exp(1j * angle * step)
    beside = np.abs(turn - 1) > 1e-9
    mean = np.ones(frequency.shape, complex)
    np.divide(
        1 - np.exp(1j * angle * step * samples.size), samples.size * (1 - turn),
        out=mean, where=beside,
    )  # fmt: skip
    phase: Complex = np.exp(1j * angle * first) * mean
    return phase
