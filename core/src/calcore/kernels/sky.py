"""Level of the sky in an image, and the offsets that make many images agree."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.ordered import Ordered

Statistic = Literal["median", "midpt", "mean", "mode"]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Clipping:
    """Which values count: those within some sigma of the mean, found in so many rounds."""

    iterations: int = 5
    low_sigma: float = 4.0
    high_sigma: float = 4.0


def clipped_about_median(values: NDArray[Any], sigma: float, iterations: int) -> Values:
    """Return the finite values that survive clipping about the median, in ascending order."""
    # Of sorted values, what survives is a slice, its median in its middle.
    kept: Values = np.sort(values[np.isfinite(values)]).astype(np.float64)
    for _ in range(iterations):
        if kept.size == 0:
            break
        middle = 0.5 * (kept[(kept.size - 1) // 2] + kept[kept.size // 2])
        reach = sigma * kept.std()
        low = np.searchsorted(kept, middle - reach, "left")
        high = np.searchsorted(kept, middle + reach, "right")
        if high - low == kept.size:
            break
        kept = kept[low:high]
    return kept


def level(
    pixels: Ordered, statistic: Statistic, clipping: Clipping, bin_width: float
) -> tuple[float, int]:
    """Return the level of the sky and the number of pixels it was found from.

    Parameters
    ----------
    pixels : Ordered
        Values of pixels of sky and sources.
    statistic
        ``"mode"`` and ``"midpt"`` (an estimate of the median) come from a histogram, as the task
        imstatistics of IRAF defined them (Tody 1986, SPIE 627, 733).
    clipping
        Which values count.
    bin_width : float
        Width of the histogram's bins [standard deviations of the clipped values].

    Returns
    -------
    float, int
        NaN and 0 if no value is left.
    """
    limits = _clipped(pixels, clipping)
    number, mean, deviation = pixels.moments(*limits)
    if number == 0 or statistic == "mean":
        return mean, number
    before = int(pixels.below(limits[0]))
    if statistic == "median":
        ranks = before + (number - 1) // 2, before + number // 2
        return (pixels.ranked(ranks[0]) + pixels.ranked(ranks[1])) / 2, number
    width = bin_width * deviation
    low, high = pixels.ranked(before), pixels.ranked(before + number - 1)
    if width <= 0 or high <= low:
        return mean, number
    bins = int((high - low) / width) + 1
    # imstatistics spreads n - 1 bins over the range, but counts them as wide as was asked for; the
    # last bin begins with the highest value that was kept, and has some that were clipped.
    edges = low + np.arange(bins + 1) * ((high - low) / max(bins - 1, 1))
    edges[bins - 1] = high
    counts = np.diff(pixels.below(edges)).astype(np.float64)
    position = _middle(counts) if statistic == "midpt" else _peak(counts)
    return float(low + position * width), number


def _clipped(pixels: Ordered, clipping: Clipping) -> tuple[float, float]:
    """Return the limits between which values survive clipping about the mean."""
    low, high = -np.inf, np.inf
    number, mean, deviation = pixels.moments(low, high)
    for _ in range(clipping.iterations):
        if number < 2:
            break
        limits = (
            max(low, mean - clipping.low_sigma * deviation),
            min(high, mean + clipping.high_sigma * deviation),
        )
        left, mean, deviation = pixels.moments(*limits)
        if left == number:
            break
        (low, high), number = limits, left
    return low, high


def joint_level(levels: Values, counts: Values) -> tuple[float, int]:
    """Return the level of several images' sky as one, and the number of values it was found from.

    Parameters
    ----------
    levels, counts : float64 (n,)
        Level of each image, and its weight: from how many values it was found.

    Returns
    -------
    float, int
        NaN and 0 if no image has any value.
    """
    seen = counts > 0
    if not seen.any():
        return np.nan, 0
    return float(np.average(levels[seen], weights=counts[seen])), int(counts.sum())


def _middle(counts: Values) -> float:
    """Return where a histogram is cut into halves [bins]."""
    total = np.cumsum(counts)
    half = 0.5 * total[-1]
    place = int(np.searchsorted(total, half))
    return float(place + (half - (total[place] - counts[place])) / counts[place])


def _peak(counts: Values) -> float:
    """Return the top of the parabola through the highest bin and its neighbours [bins]."""
    top = int(counts.argmax())
    if top in {0, counts.size - 1}:
        return top + 0.5
    left, right = counts[top] - counts[top - 1], counts[top] - counts[top + 1]
    if left + right == 0:
        return top + 0.5
    return float(top + 0.5 + 0.5 * (left - right) / (left + right))


def offsets(difference: Values, weight: Values) -> Values:
    """Return the offset of each image from their common level.

    Parameters
    ----------
    difference : float64 (n, n)
        Level of image i minus level of image j where the two overlap, as seen in each.
    weight : float64 (n, n)
        Weight of that equation in the least-squares solution; 0 where the images do not overlap.

    Returns
    -------
    float64 (n,)
        Of all solutions the one of smallest norm: images that no chain of overlaps joins are each
        matched within themselves. NaN for an image that overlaps with none.
    """
    size = len(difference)
    rows, right = [], []
    for i in range(size):
        for j in range(i):
            if weight[i, j] > 0:
                row = np.zeros(size)
                row[i], row[j] = weight[i, j], -weight[i, j]
                rows.append(row)
                right.append(weight[i, j] * difference[i, j])
    if not rows:
        return np.full(size, np.nan)
    solution = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    solution[(weight + weight.T).sum(axis=1) == 0] = np.nan
    return np.asarray(solution)
