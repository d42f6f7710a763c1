"""Flux in apertures, the sky around them, and the shape of what is in them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from photutils.aperture import CircularAperture
from scipy.ndimage import correlate
from scipy.spatial import cKDTree

from calcore.kernels._jit import B1x2, F4x2, F8x1, kernel
from calcore.kernels.correlated_noise import Correlation
from calcore.kernels.peaks import profile as filter_of

F8 = NDArray[np.float64]


def circular(
    data: NDArray[np.float32],
    err: NDArray[np.float32],
    x: F8,
    y: F8,
    radius: float,
    correlation: Correlation | None = None,
) -> tuple[F8, F8]:
    """Return sums over circles, pixels counted by the part of them that is inside.

    Parameters
    ----------
    data, err : float32 (ny, nx)
        Image and its standard deviation; NaN spreads to every circle that reaches it.
    x, y : float64 (n,)
        Centres, 0-based [pixel].
    radius : float
        Radius [pixel].
    correlation : Correlation, optional
        How the noise of pixels is correlated; otherwise it is taken as independent, and pixels
        that are in part inside add that part of their variance.

    Returns
    -------
    float64 (n,), float64 (n,)
        Sums and their standard deviations; NaN where a circle lies off the image.
    """
    profile = None if correlation is None else correlation.profile()
    variance = err.astype(np.float64) ** 2
    sums, errors = np.full(x.size, np.nan), np.full(x.size, np.nan)
    circles = CircularAperture(np.stack([x, y], axis=1), radius)
    for source, inside in enumerate(circles.to_mask(method="exact")):
        flux = inside.multiply(data)
        if flux is not None:
            sums[source] = flux.sum()
            if correlation is None or profile is None:
                errors[source] = np.sqrt(inside.multiply(variance).sum())
            else:
                errors[source] = correlation.of_sum(inside.multiply(err), profile)
    return sums, errors


@kernel
def _annulus(
    data: F4x2,
    hidden: B1x2,
    x: F8x1,
    y: F8x1,
    inner: float,
    outer: float,
    sigma: float,
    iterations: int,
    out_values: F8x1,
    out_level: F8x1,
    out_spread: F8x1,
    out_count: F8x1,
) -> None:
    rows, columns = data.shape
    for source in range(x.size):
        count = 0
        for j in range(max(0, int(y[source] - outer)), min(rows, int(y[source] + outer) + 2)):
            for i in range(
                max(0, int(x[source] - outer)), min(columns, int(x[source] + outer) + 2)
            ):
                distance = np.sqrt((i - x[source]) ** 2 + (j - y[source]) ** 2)
                if hidden[j, i] or not (inner <= distance < outer) or np.isnan(data[j, i]):
                    continue
                value = float(data[j, i])
                place = count
                while place > 0 and out_values[place - 1] > value:
                    out_values[place] = out_values[place - 1]
                    place -= 1
                out_values[place] = value
                count += 1
        low, high = 0, count
        middle, spread = np.nan, np.nan
        for iteration in range(iterations + 1):
            if high <= low:
                break
            number = high - low
            middle = 0.5 * (out_values[(low + high - 1) // 2] + out_values[(low + high) // 2])
            mean = 0.0
            for k in range(low, high):
                mean += out_values[k]
            mean /= number
            square = 0.0
            for k in range(low, high):
                square += (out_values[k] - mean) ** 2
            spread = np.sqrt(square / number)
            if iteration == iterations:
                break
            before = number
            while low < high and out_values[low] < middle - sigma * spread:
                low += 1
            while high > low and out_values[high - 1] > middle + sigma * spread:
                high -= 1
            if high - low == before:
                break
        out_level[source], out_spread[source], out_count[source] = middle, spread, high - low


def surroundings(
    data: NDArray[np.float32], hidden: B1x2, x: F8, y: F8, inner: float, outer: float
) -> tuple[F8, F8]:
    """Return the level of the sky in rings around sources, and its standard error.

    Parameters
    ----------
    data : float32 (ny, nx)
        Image.
    hidden : bool (ny, nx)
        True for pixels that do not count.
    x, y : float64 (n,)
        Centres, 0-based [pixel].
    inner, outer : float
        Radii [pixel].

    Returns
    -------
    float64 (n,), float64 (n,)
        Median of the pixels whose centre lies in the ring, after clipping at three standard
        deviations (five rounds), and the standard error of a median; NaN for an empty ring.
    """
    size = x.size
    room = np.empty(int(np.ceil(2 * outer + 4)) ** 2)
    level, spread, count = np.empty(size), np.empty(size), np.empty(size)
    _annulus(
        np.ascontiguousarray(data), hidden, np.ascontiguousarray(x), np.ascontiguousarray(y),
        inner, outer, 3.0, 5, room, level, spread, count,
    )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        return level, np.sqrt(np.pi / 2 / count) * spread


def above_ring(
    data: NDArray[np.float32],
    err: NDArray[np.float32],
    hidden: B1x2,
    x: F8,
    y: F8,
    radii: Sequence[float],
    ring: tuple[float, float],
    correlation: Correlation | None = None,
) -> tuple[list[tuple[F8, F8]], tuple[F8, F8]]:
    """Return sums over circles above the level of the sky in a ring.

    Parameters
    ----------
    data, err, hidden, x, y
        As for `circular` and `surroundings`.
    radii : sequence of float
        Of the circles [pixel].
    ring : (float, float)
        Radii of the ring [pixel].
    correlation : Correlation, optional
        How the noise of pixels is correlated. Then the errors of sums count that of the sky, too;
        otherwise they do not.

    Returns
    -------
    list of (float64 (n,), float64 (n,))
        For each radius, sums and their standard deviations.
    float64 (n,), float64 (n,)
        The level of the sky, and its standard error as that of independent pixels.
    """
    sky, sky_err = surroundings(data, hidden, x, y, *ring)
    sums = []
    for radius in radii:
        total, error = circular(data, err, x, y, radius, correlation)
        area = np.pi * radius**2
        if correlation is not None:
            error = np.hypot(error, area * correlation.ratio * sky_err)
        sums.append((total - area * sky, error))
    return sums, (sky, sky_err)


def sharpness_and_roundness(
    data: NDArray[np.float32], x: F8, y: F8, fwhm: float, sigma_radius: float = 1.5
) -> tuple[F8, F8]:
    """Return how peaked and how round sources are, as DAOFIND tells stars from other things.

    Parameters
    ----------
    data : float32 (ny, nx)
        Image without background; NaN gives NaN where the kernel reaches it.
    x, y : float64 (n,)
        Positions, 0-based [pixel].
    fwhm, sigma_radius : float
        Width of the kernel [pixel], and where it is cut [sigma]; never below 2 pixels.

    Returns
    -------
    float64 (n,), float64 (n,)
        Sharpness: excess of the central pixel over the mean of the others, in units of the filtered
        image's height. Roundness: difference between neighbouring quadrants of the filtered image;
        0 is round (Stetson 1987, PASP 99, 191). NaN within a kernel's radius of the edge.
    """
    weights, used = filter_of(fwhm, sigma_radius)
    half, number = len(weights) // 2, used.sum()
    filtered = correlate(data.astype(np.float64), weights, mode="constant")
    column, row = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    rows, columns = data.shape
    whole = (row >= half) & (row < rows - half) & (column >= half) & (column < columns - half)
    sharp, roundness = np.full(x.size, np.nan), np.full(x.size, np.nan)
    for source in np.flatnonzero(whole):
        place = (
            slice(row[source] - half, row[source] + half + 1),
            slice(column[source] - half, column[source] + half + 1),
        )
        pixels, heights = data[place].astype(np.float64), filtered[place].copy()
        peak, height = pixels[half, half], heights[half, half]
        heights[half, half] = 0.0
        others = (pixels[used].sum() - peak) / (number - 1)
        turned = (heights[:half, : half + 1].sum() + heights[half + 1 :, half:].sum()) - (
            heights[: half + 1, half + 1 :].sum() + heights[half:, :half].sum()
        )
        total = np.abs(heights).sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            sharp[source] = (peak - others) / height
            roundness[source] = 2 * turned / total
    return sharp, roundness


def neighbours(x: F8, y: F8) -> tuple[NDArray[np.intp], F8]:
    """Return the nearest neighbour of each source, by number, and its distance [pixel].

    A single source is its own neighbour, at NaN.
    """
    if x.size < 2:
        return np.zeros(x.size, np.intp), np.full(x.size, np.nan)
    positions = np.stack([x, y], axis=1)
    distance, number = cKDTree(positions).query(positions, k=2)
    # Of two sources at one place the tree may name either first.
    itself = number[:, 0] == np.arange(x.size)
    return np.where(itself, number[:, 1], number[:, 0]), distance[:, 1]
