"""How flicker noise is found on a detector: along which lines, and in which order of reading."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.kernels.flicker_noise import Noise, line_medians
from calcore.kernels.median_scene import MedianScene, median_scene
from calcore.kernels.nsclean import line_frequencies, series_frequencies
from calcore.kernels.nsclean_pieces import pieces_frequencies
from calcore.model import Meta, Ramp
from calcore.model.exposure import Layer
from calcore.model.readout import Readout
from calcore.model.reference import Gain, ReadNoise
from calcore.parameters import If
from calcore.steps.scene import rates_of

Image = NDArray[np.float32]
Pixels = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FlickerResult:
    """A ramp without flicker noise, and what is to be saved: mask, background, noise."""

    ramp: Ramp
    mask: Annotated[Layer | None, If("save_mask")] = None
    flicker_bkg: Annotated[Layer | None, If("save_background")] = None
    flicker_noise: Annotated[Layer | None, If("save_noise")] = None


def check_settings(meta: Meta, background_method: str | None, fit_method: str) -> None:
    """Refuse settings that an exposure cannot be cleaned with.

    Raises
    ------
    BadParameter
        There is one integration only, or amplifiers take turns in reading neighbouring pixels.
    """
    if background_method == "median_image" and meta.n_integrations < 2:
        raise BadParameter(
            "clean_flicker_noise.background_method 'median_image' needs several integrations, and "
            "there is one; use 'median' or 'model'"
        )
    if fit_method == "fft" and meta.facts.detector.interleaved_outputs:
        raise BadParameter(
            "clean_flicker_noise.fit_method 'fft' needs outputs that read neighbouring pixels "
            f"one after another, and those of {meta.detector} take turns; use 'median'"
        )


def noise_finder(
    ramp: Ramp, *, frequencies: bool, by_amplifier: bool, displaced: bool, pieces: bool
) -> Noise:
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
    pieces : bool
        Fit frequencies of sub-arrays piece by piece, without a prior.
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
        if pieces:
            # jwst 3.0.0 takes lines in the order of reading, and their pixels in that of the frame.
            order = slice(None, None, 1 if detector.fast_axis > 0 else -1)
            found = pieces_frequencies(turned[:, order], unlit[:, order])
            return readout.turned_back(found[:, order])
        return readout.turned_back(series_frequencies(turned, unlit))

    return low_frequencies


def series_of(ramp: Ramp, gain: Gain, readnoise: ReadNoise) -> MedianScene:
    """Return what all integrations of a time series show."""
    rates = rates_of(ramp, gain, readnoise, each=True)
    return median_scene(ramp.data, ramp.groupdq, rates, ramp.meta.group_time_s)


def with_layers(ramp: Ramp, **planes: Image | None) -> Ramp | FlickerResult:
    """Return a ramp, together with what is to be saved if anything is."""
    layers = {
        name: Layer(meta=ramp.meta, data=data) for name, data in planes.items() if data is not None
    }
    return FlickerResult(ramp, **layers) if layers else ramp
