"""Which pixels of an exposure differ from a model by more than noise and misalignment explain."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, U1x2, helper, kernel


@helper
def _step(centre: float, neighbour: float) -> float:
    """Return the absolute difference, 0 if either is missing."""
    difference = abs(centre - neighbour)
    return difference if difference > 0 else 0.0


@kernel
def _flag(
    data: F4x2,
    model: F4x2,
    err: F4x2,
    background: float,
    snr: float,
    scale: float,
    snr_near: float,
    scale_near: float,
    out: U1x2,
) -> None:
    rows, columns = data.shape
    for j in range(rows):
        for i in range(columns):
            centre = float(model[j, i])
            slope = 0.0
            # Comparisons with NaN are false: a missing neighbour adds nothing.
            if j > 0:
                slope = max(slope, _step(centre, model[j - 1, i]))
            if j < rows - 1:
                slope = max(slope, _step(centre, model[j + 1, i]))
            if i > 0:
                slope = max(slope, _step(centre, model[j, i - 1]))
            if i < columns - 1:
                slope = max(slope, _step(centre, model[j, i + 1]))
            noise = float(err[j, i])
            if np.isnan(noise):
                noise = 0.0
            excess = abs(data[j, i] - centre - background)
            out[j, i] = 0
            if excess > snr * noise + scale * slope:
                out[j, i] |= 1
            if excess > snr_near * noise + scale_near * slope:
                out[j, i] |= 2


@kernel
def _grow(marks: U1x2, out: U1x2) -> None:
    rows, columns = marks.shape
    for j in range(rows):
        for i in range(columns):
            out[j, i] = 0
            if marks[j, i] & 2:
                for y in range(max(j - 1, 0), min(j + 2, rows)):
                    for x in range(max(i - 1, 0), min(i + 2, columns)):
                        if marks[y, x] & 1:
                            out[j, i] = 1


def flag_outliers(
    data: F4x2,
    model: F4x2,
    err: F4x2,
    background: float,
    snr: tuple[float, float],
    scale: tuple[float, float],
) -> NDArray[np.bool_]:
    """Find pixels that differ from a model by more than noise and misalignment explain.

    A pixel is an outlier if ``|data - model - background| > snr err + scale slope`` holds for the
    second pair of `snr` and `scale` there, and for the first pair there or in one of its eight
    neighbours. `slope` is the largest difference of the model to the four nearest pixels: what
    a small error in position would make of it (Fruchter & Hook 2002, PASP 114, 144, section 5).

    Parameters
    ----------
    data, model : float32 (ny, nx)
        Exposure, and its model as `blot` gives it; NaN in either is never an outlier.
    err : float32 (ny, nx)
        Standard deviation of `data`; NaN counts as 0.
    background : float
        What `data` holds in addition to `model`.
    snr, scale : (float, float)
        Thresholds for the outlier itself, and for its neighbourhood.

    Returns
    -------
    bool (ny, nx)
        True for an outlier.
    """
    marks = np.empty(data.shape, np.uint8)
    _flag(data, model, err, background, snr[0], scale[0], snr[1], scale[1], marks)
    found = np.empty(data.shape, np.uint8)
    _grow(marks, found)
    return found.astype(bool)
