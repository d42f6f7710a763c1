"""Comparing an exposure with what a mosaic says it should look like."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F8x3, U1x2, helper, kernel


@kernel
def _interpolate(image: F4x2, pixel_map: F8x3, out: F4x2) -> None:
    rows, columns = image.shape
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            x, y = pixel_map[0, j, i], pixel_map[1, j, i]
            value = np.float32(np.nan)
            if x >= 0 and y >= 0 and x <= columns - 1 and y <= rows - 1:
                left, low = int(x), int(y)
                # On the last row or column the neighbour beyond would be weighted with 0.
                right, high = min(left + 1, columns - 1), min(low + 1, rows - 1)
                dx, dy = x - left, y - low
                value = np.float32(
                    (1 - dy) * ((1 - dx) * image[low, left] + dx * image[low, right])
                    + dy * ((1 - dx) * image[high, left] + dx * image[high, right])
                )
            out[j, i] = value


def blot(image: F4x2, pixel_map: F8x3) -> F4x2:
    """Interpolate a mosaic bilinearly at the pixels of an exposure.

    Parameters
    ----------
    image : float32 (my, mx)
        Mosaic of surface brightness; NaN spreads to every pixel it would contribute to.
    pixel_map : float64 (2, ny, nx)
        Mosaic x and y of each pixel of the exposure, 0-based [pixel]; NaN gives NaN.

    Returns
    -------
    float32 (ny, nx)
        NaN outside the mosaic.
    """
    out = np.empty(pixel_map.shape[1:], np.float32)
    _interpolate(np.ascontiguousarray(image), pixel_map, out)
    return out


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
