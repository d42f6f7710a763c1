"""Broad glows of cosmic-ray showers, as the dark places between slices show them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
Mask = NDArray[np.bool_]
_REACH = 4.0
"""How far the weights reach [standard deviations]."""


def glow(
    data: F4,
    dark: Mask,
    *,
    sigma: tuple[float, float],
    percentiles: tuple[float, float],
    beyond: Literal["missing", "zero"],
) -> F8:
    """Return a smooth image of what dark pixels hold, over all pixels.

    Each value is the mean of the dark pixels around, with Gaussian weights (Knutsson & Westin 1993,
    normalised convolution).

    Parameters
    ----------
    data : float32 (ny, nx)
        Signal; NaN does not count.
    dark : bool (ny, nx)
        True where no light of the sky falls.
    sigma : (float, float)
        Standard deviations of the weights along y and x [pixel].
    percentiles : (float, float)
        Dark pixels below the first and above the second percentile do not count.
    beyond : str
        What lies beyond the edges is missing, or counts as 0, which draws the edges towards 0.

    Returns
    -------
    float64 (ny, nx)
        In the unit of `data`; 0 where there is no dark pixel in reach.
    """
    counts = dark & np.isfinite(data)
    if not counts.any():
        return np.zeros(data.shape)
    low, high = np.percentile(data[counts].astype(np.float64), percentiles)
    counts &= (data >= low) & (data <= high)
    total, weight = (
        gaussian_filter(plane, sigma, truncate=_REACH, mode="constant", cval=cval)
        for plane, cval in (
            (np.where(counts, data, 0).astype(np.float64), 0.0),
            (counts.astype(np.float64), float(beyond == "zero")),
        )
    )
    seen = weight > 0
    return np.where(seen, total / np.where(seen, weight, 1.0), 0.0)
