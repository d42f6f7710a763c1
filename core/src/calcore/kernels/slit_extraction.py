"""Spectra of what lies in an aperture along a slit, less what lies beside it.

Arrays have rows of one wavelength each, and columns along the slit.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

F8 = NDArray[np.float64]
Bool = NDArray[np.bool_]
Fit = Literal["poly", "median"]
MEDIAN_VARIANCE = np.pi / 2
"""Variance of a median of normally distributed values, over that of their mean."""


class Sums(NamedTuple):
    """Of each row (n_row,), in units of the image: sums over the aperture.

    `total` and its `variances` (n_origin, n_row), over `area` pixels; `background` in these pixels,
    and `background_variances` (n_origin, n_row).
    """

    total: F8
    variances: F8
    area: F8
    background: F8
    background_variances: F8


def weights(shape: tuple[int, int], regions: Sequence[tuple[F8, F8]]) -> F8:
    """Return which part of each pixel lies in any of some regions (n_row, n_column).

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    regions : sequence of (lower, upper)
        Edges of each region in each row (n_row,) [pixel]; the middle of the first column is 0.
        Where regions overlap, the larger part counts.
    """
    inside = np.zeros(shape)
    columns = np.arange(shape[1])
    for lower, upper in regions:
        high = np.minimum(upper[:, None], columns + 0.5)
        low = np.maximum(lower[:, None], columns - 0.5)
        inside = np.maximum(inside, np.clip(high - low, 0, 1))
    return inside


def boxed(
    data: NDArray[np.floating],
    variances: Sequence[NDArray[np.floating]],
    good: Bool,
    aperture: F8,
    beside: F8 | None = None,
    *,
    fit: Fit = "poly",
    order: int = 0,
    smoothing: int = 1,
    median_variance: float = MEDIAN_VARIANCE,
) -> Sums:
    """Sum over an aperture, and find the background in it from what is beside it.

    Parameters
    ----------
    data : float (n_row, n_column)
        Values.
    variances : sequence of float (n_row, n_column)
        Of `data`, by origin.
    good : bool (n_row, n_column)
        True for pixels that count.
    aperture, beside : float64 (n_row, n_column)
        Parts of pixels that belong to the aperture, and to the background. Without the latter, the
        background is 0.
    fit : str
        How the background goes on into the aperture: as a polynomial that fits all its pixels
        ("poly"), or as the median of those wholly in it.
    order : int
        Of the polynomial.
    smoothing : int
        Pixels of the background are means over so many rows, an odd number.
    median_variance : float
        Variance of a median, over that of a mean.

    Returns
    -------
    Sums
        NaN without a pixel in the aperture; the background is NaN with too few pixels beside.
    """
    inside = np.where(good, aperture, 0.0)
    values = np.where(good, data, 0.0).astype(np.float64)
    spreads = np.stack([np.where(good, part, 0.0) for part in variances]).astype(np.float64)
    area = inside.sum(axis=1)
    total = np.where(area > 0, (inside * values).sum(axis=1), np.nan)
    spread = (inside**2 * spreads).sum(axis=2)
    if beside is None:
        return Sums(total, spread, area, np.zeros(len(area)), np.zeros(spread.shape))
    smooth = _smoothed(values, good, smoothing) if smoothing > 1 else values
    if fit == "median":
        used = good & (beside == 1)
        count = used.sum(axis=1)
        level = np.full(len(area), np.nan)
        some = count > 0
        level[some] = np.nanmedian(np.where(used, smooth, np.nan)[some], axis=1)
        background = area * level
        with np.errstate(divide="ignore", invalid="ignore"):
            own = median_variance * np.where(used, spreads, 0).sum(axis=2) * (area / count) ** 2
    else:
        shares = _shares(inside, good & (beside > 0), order)
        background = (shares * smooth).sum(axis=1)
        own = (shares**2 * spreads).sum(axis=2)
    return Sums(total, spread, area, background, own)


def _smoothed(values: F8, good: Bool, length: int) -> F8:
    """Return means of good pixels over rows; rows at the ends are repeated beyond them."""
    length -= 1 - length % 2
    count = uniform_filter1d(good.astype(np.float64), length, axis=0, mode="nearest")
    total = uniform_filter1d(values, length, axis=0, mode="nearest")
    mean: F8 = np.divide(total, count, out=np.zeros_like(total), where=good)
    return mean


def _shares(inside: F8, used: Bool, order: int) -> F8:
    """Return how much each pixel beside adds to the background in the aperture (n_row, n_column).

    That of the polynomial through all pixels used, summed over the aperture: a linear function of
    their values. NaN in rows with fewer pixels than it has coefficients.
    """
    columns = inside.shape[1]
    place = np.linspace(-1, 1, columns) if columns > 1 else np.zeros(1)
    powers = place[:, None] ** np.arange(order + 1)
    matrix = np.einsum("rc,ca,cb->rab", used.astype(np.float64), powers, powers)
    enough = used.sum(axis=1) > order
    matrix[~enough] = np.eye(order + 1)
    wanted = np.linalg.solve(matrix, (inside @ powers)[..., None])[..., 0]
    shares = np.where(used, wanted @ powers.T, 0.0)
    shares[~enough] = np.nan
    return shares


def weighted_mean(values: F8, shares: F8) -> F8:
    """Return means over rows (n_row,); NaN does not count, nor does what has no share."""
    known = np.isfinite(values) & (shares > 0)
    total = np.where(known, shares, 0.0).sum(axis=1)
    sums = np.where(known, shares * values, 0.0).sum(axis=1)
    means: F8 = np.divide(sums, total, out=np.full(len(sums), np.nan), where=total > 0)
    return means


def bilinear(rows: F8, columns: F8, table: F8, at_row: F8, at_column: F8) -> F8:
    """Return values of a table (n_row, n_column) at some places (n,), those of its edges beyond.

    Parameters
    ----------
    rows, columns : float64 (n_row,), (n_column,)
        Where the table is known, in any order.
    """
    first, second = np.argsort(rows), np.argsort(columns)
    rows, columns, table = rows[first], columns[second], table[first][:, second]
    at_row = np.clip(at_row, rows[0], rows[-1])
    at_column = np.clip(at_column, columns[0], columns[-1])
    along = np.array([np.interp(at_column, columns, row) for row in table])
    place = np.clip(np.searchsorted(rows, at_row), 1, max(1, len(rows) - 1))
    if len(rows) == 1:
        return np.array(along[0])
    low = rows[place - 1]
    part = (at_row - low) / (rows[place] - low)
    each = np.arange(along.shape[1])
    between: F8 = (1 - part) * along[place - 1, each] + part * along[place, each]
    return between
