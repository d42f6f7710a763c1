"""How flicker noise is found on a detector: along which lines, and in which order of reading."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.flicker_noise import Noise, line_medians
from calcore.kernels.nsclean import line_frequencies, series_frequencies
from calcore.model import Ramp
from calcore.model.readout import Readout

Image = NDArray[np.float32]
Pixels = NDArray[np.bool_]


def noise_finder(ramp: Ramp, *, frequencies: bool, by_amplifier: bool, displaced: bool) -> Noise:
    """Return what finds the noise of a difference of groups.

    Parameters
    ----------
    ramp : Ramp
        Its metadata and frame tell how it was read.
    frequencies : bool
        Low frequencies, else medians of lines.
    by_amplifier : bool
        Medians of each amplifier's part of a line, in full frames.
    displaced : bool
        Smooth frequencies of full frames one line and one pixel off.
    """
    detector = ramp.meta.facts.detector
    readout = Readout.of(ramp.meta, ramp.frame)
    whole = ramp.frame.shape == (detector.rows, detector.columns)
    if not frequencies:
        along_x = abs(detector.flicker_axis or detector.fast_axis) == 1
        size = readout.amplifier
        apart = by_amplifier and whole and not detector.interleaved_outputs
        parts = [slice(start, start + size) for start in range(0, readout.n_fast, size)]
        amplifiers = tuple(parts) if apart else (slice(None),)
        return lambda image, good: line_medians(image, good, along_x=along_x, amplifiers=amplifiers)
    late = (1, 1 if detector.fast_axis > 0 else -1) if displaced else (0, 0)

    def low_frequencies(image: Image, good: Pixels) -> Image:
        turned = np.ascontiguousarray(readout.turn(image))
        unlit = np.ascontiguousarray(readout.turn(good))
        if whole:
            return readout.turned_back(line_frequencies(turned, unlit, displaced=late))
        return readout.turned_back(series_frequencies(turned, unlit))

    return low_frequencies
