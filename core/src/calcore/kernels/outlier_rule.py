"""Which pixels of an exposure differ from a model by more than noise and misalignment explain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F8x2, U1x2, helper, kernel

HALO = 2
"""So many rows beyond a band tell of outliers in it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How far a pixel may lie from its model; pairs are for an outlier and for its neighbourhood.

    Attributes
    ----------
    snr : (float, float)
        Factors of the noise.
    scale : (float, float)
        Factors of the local slope.
    rise : (float, float)
        The same for pixels that are brighter than the model.
    peak : float
        Factor of the local curvature for these.
    """

    snr: tuple[float, float]
    scale: tuple[float, float]
    rise: tuple[float, float]
    peak: float = 0.0

    @classmethod
    def by_slope(cls, snr: tuple[float, float], scale: tuple[float, float]) -> "Rule":
        """Return the rule of Fruchter & Hook (2002): brighter and fainter pixels are alike."""
        return cls(snr=snr, scale=scale, rise=scale)


@kernel
def _flag(
    data: F4x2,
    model: F4x2,
    err: F4x2,
    background: float,
    factors: F8x2,
    peak: float,
    out: U1x2,
) -> None:
    rows, columns = data.shape
    for j in range(rows):
        for i in range(columns):
            centre = float(model[j, i])
            slope, curvature, count = 0.0, 0.0, 0
            for k in range(4):
                y = j + (k - 1 if k % 2 == 0 else 0)
                x = i + (k - 2 if k % 2 == 1 else 0)
                if y < 0 or y >= rows or x < 0 or x >= columns:
                    continue
                step = centre - model[y, x]
                if np.isnan(step):
                    continue  # a missing neighbour adds nothing
                slope = max(slope, abs(step))
                curvature += step
                count += 1
            noise = float(err[j, i])
            if np.isnan(noise):
                noise = 0.0
            excess = data[j, i] - centre - background
            # What noise makes of a flat sky is no peak.
            blurred = peak * max(curvature / count - noise, 0.0) if excess > 0 and count else 0.0
            lean = 2 if excess > 0 else 1
            out[j, i] = 0
            for n in range(2):
                if abs(excess) > factors[n, 0] * noise + factors[n, lean] * slope + blurred:
                    out[j, i] |= n + 1


@helper
def _beside(marks: U1x2, j: int, i: int) -> bool:
    """Tell whether the first mark stands at a pixel or at one of its eight neighbours."""
    rows, columns = marks.shape
    for y in range(max(j - 1, 0), min(j + 2, rows)):
        for x in range(max(i - 1, 0), min(i + 2, columns)):
            if marks[y, x] & 1:
                return True
    return False


@kernel
def _grow(marks: U1x2, out: U1x2) -> None:
    rows, columns = marks.shape
    for j in range(rows):
        for i in range(columns):
            out[j, i] = 1 if marks[j, i] & 2 and _beside(marks, j, i) else 0


def flag_outliers(
    data: F4x2, model: F4x2, err: F4x2, background: float, rule: Rule
) -> NDArray[np.bool_]:
    """Find pixels that differ from a model by more than noise and misalignment explain.

    A pixel is an outlier if ``|data - model - background| > snr err + scale slope`` holds for the
    second pair of `snr` and `scale` there, and for the first pair there or in one of its eight
    neighbours. `slope` is the largest difference of the model to the four nearest pixels: what
    a small error in position would make of it (Fruchter & Hook 2002, PASP 114, 144, section 5).

    Drizzling, the median and its interpolation blur the model: at the peak of a star data exceed
    it, on the flanks they fall short of it. So a pixel that is brighter than its model may differ by
    ``snr err + rise slope + peak curvature``, where `curvature` is what the model exceeds the mean of
    its four nearest pixels by, less `err`: the excess that blurring explains goes with it. Stars of 1
    pixel's width (FWHM) exceed such a model by up to 4.4 times its curvature, stars of 2 pixels by
    2.1 times; some in a thousand pixels of stars of 0.75 pixel by more than 7 times. Hits on the flanks, where `rise` can be small, are found that `scale` would hide.

    Parameters
    ----------
    data, model : float32 (ny, nx)
        Exposure, and its model as `blot` gives it; NaN in either is never an outlier. A band of
        rows gives what the whole gives but in its first and last two rows.
    err : float32 (ny, nx)
        Standard deviation of `data`; NaN counts as 0.
    background : float
        What `data` holds in addition to `model`.
    rule : Rule
        Thresholds.

    Returns
    -------
    bool (ny, nx)
        True for an outlier.
    """
    marks, found = np.empty(data.shape, np.uint8), np.empty(data.shape, np.uint8)
    factors = np.array([rule.snr, rule.scale, rule.rise], np.float64).T.copy()
    _flag(data, model, err, background, factors, rule.peak, marks)
    _grow(marks, found)
    return found.astype(bool)
