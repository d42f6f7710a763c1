"""Which part of the 1/f noise interleaved reference pixels and the reference output foretell.

The weights that leave least noise follow from the spectra of what the read-out adds (Rauscher et al.
2017, PASP 129, 105003, section 4): here they are those of the noise model itself, where an
instrument's builders average spectra of many dark frames.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.simulate.physics import Electronics
from calcore.simulate.readout import Jumps

Double = NDArray[np.float64]


def interleaved_weights(
    electronics: Electronics, jumps: Jumps, lines: int, columns: int
) -> tuple[Double, Double]:
    """Return the weights of the reference output and of an output's own reference pixels.

    Parameters
    ----------
    electronics
        How strong the noise is.
    jumps
        How reference pixels are read between the others.
    lines, columns
        Lines of a frame, and pixels of the detector that an output reads in each.

    Returns
    -------
    alpha, beta : array (n,)
        For each frequency of a frame's series of pixel times, the negative ones last. The series of
        reference pixels has each reading twice, as calibrators lay it out, and zeros elsewhere.
    """
    total = lines * jumps.clocks(columns)
    cycles = np.minimum(np.arange(total // 2 + 1), total // 2)
    period = jumps.normal + jumps.reference + 2
    block = float(period)
    share = np.sum(1 / np.arange(1, total // 2 + 1))
    white = electronics.read_noise_dn**2 * 2 / total

    def power(rms: float, at: Double) -> Double:
        return rms**2 / share / np.maximum(np.abs(at), 1)

    common, own = electronics.pink_common_dn, electronics.pink_amplifier_dn
    read, put = _readings(jumps)
    # Nothing is read from the end of a line to the next one.
    block *= jumps.clocks(columns) / (jumps.clocks(columns) - jumps.end_clocks)
    phase = 2 * np.pi * cycles / total
    gain = np.cos(phase[:, None] * (read - put)).sum(axis=1) / block
    # At a quarter of a cycle in a pixel time the two copies of a reading cancel; nothing is seen.
    seen = white * (jumps.reference * (2.001 + 2 * np.cos(2 * phase))) / block
    # What is sampled once a block mixes frequencies that differ by whole cycles of it.
    for folds in range(-(period // 2), period // 2 + 1):
        at = cycles + folds * total / period
        wave = np.exp(1j * 2 * np.pi * at[:, None] / total * read - 1j * phase[:, None] * put)
        mixed = np.abs(wave.sum(axis=1) / block) ** 2
        seen = seen + mixed * (power(common, at) + power(own, at))
    both, single = power(common, cycles.astype(float)), power(own, cycles.astype(float))
    straight = both + single + white
    cross = gain * both
    norm = np.maximum(straight * seen - cross**2, np.finfo(float).tiny)
    alpha = (both * seen - gain * (both + single) * cross) / norm
    beta = (gain * (both + single) * straight - both * cross) / norm
    mirror = np.minimum(np.arange(total), total - np.arange(total))
    return alpha[mirror], beta[mirror]


def _readings(jumps: Jumps) -> tuple[Double, Double]:
    """Return when readings are taken in a block, and when the series has them."""
    half = jumps.reference // 2
    start = jumps.normal // 2 + 1
    order = np.concatenate([np.tile(np.arange(first, 2 * half, half), 2) for first in range(half)])
    return start + order.astype(float), start - half + np.arange(2.0 * jumps.reference)
