"""Peaks of an image that is filtered to bring out point sources, as DAOFIND does it.

Stetson (1987, PASP 99, 191), section 2: the image is correlated with a Gaussian less its mean, so that
the filtered image is the height of the best-fitting Gaussian at each pixel.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import B1x2, F8x2, I8x2, kernel


def profile(fwhm: float, sigma_radius: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the filter, and which of its pixels are used.

    Parameters
    ----------
    fwhm : float
        Width of the Gaussian [pixel].
    sigma_radius : float
        Where it is cut [sigma]; never below 2 pixels.

    Returns
    -------
    float64 (n, n), bool (n, n)
    """
    sigma = fwhm / (2 * np.sqrt(2 * np.log(2)))
    half = int(max(2, sigma_radius * sigma))
    along = np.arange(-half, half + 1)
    square = (along[:, None] ** 2 + along[None, :] ** 2).astype(np.float64)
    used = (square <= (sigma_radius * sigma) ** 2) | (square <= 4)
    gaussian = np.exp(-square / (2 * sigma**2)) * used
    mean = gaussian.sum() / used.sum()
    norm = (gaussian**2).sum() - gaussian.sum() * mean
    return (gaussian - mean) / norm * used, used


@kernel
def _correlate(data: F8x2, weights: F8x2, out: F8x2) -> None:
    rows, columns = data.shape
    half_y, half_x = weights.shape[0] // 2, weights.shape[1] // 2
    for j in range(rows):
        for i in range(columns):
            out[j, i] = 0.0
        for v in range(max(0, half_y - j), min(weights.shape[0], rows + half_y - j)):
            for u in range(weights.shape[1]):
                weight, along = weights[v, u], u - half_x
                if weight == 0:
                    continue  # what lies there does not matter, even if it is NaN
                start = max(0, -along)
                stop = max(start, min(columns, columns - along))
                source = data[j + v - half_y, start + along : stop + along]
                target = out[j, start:stop]
                for k in range(target.size):
                    target[k] += weight * source[k]


def matched(data: NDArray[np.floating], fwhm: float, sigma_radius: float) -> NDArray[np.float64]:
    """Return the filtered image: float64 (ny, nx); there is nothing beyond its edges."""
    weights, _ = profile(fwhm, sigma_radius)
    filtered = np.empty(data.shape)
    _correlate(np.ascontiguousarray(data, np.float64), weights, filtered)
    return filtered


@kernel
def _peaks(data: F8x2, hidden: B1x2, threshold: float, radius: float, out: I8x2) -> int:
    rows, columns = data.shape
    reach = int(radius)
    found = 0
    for j in range(rows):
        for i in range(columns):
            height = data[j, i]
            if hidden[j, i] or not (height > threshold):
                continue
            highest = True
            for y in range(max(0, j - reach), min(rows, j + reach + 1)):
                for x in range(max(0, i - reach), min(columns, i + reach + 1)):
                    if (y - j) ** 2 + (x - i) ** 2 <= radius * radius and data[y, x] > height:
                        highest = False
            if highest and found < out.shape[0]:
                out[found, 0], out[found, 1] = i, j
                found += 1
    return found


def peaks(
    data: NDArray[np.float64], hidden: NDArray[np.bool_], threshold: float, radius: float
) -> NDArray[np.intp]:
    """Return the pixels above a threshold that are the highest within a circle around them.

    Parameters
    ----------
    data : float64 (ny, nx)
        Filtered image.
    hidden : bool (ny, nx)
        True for pixels that are no peak.
    threshold : float
        Least height.
    radius : float
        Radius of the circle [pixel].

    Returns
    -------
    int (n, 2)
        x and y, row by row; of equal neighbours each is a peak.
    """
    room = np.empty((data.size, 2), np.int64)
    return room[: _peaks(data, hidden, threshold, radius, room)].astype(np.intp)
