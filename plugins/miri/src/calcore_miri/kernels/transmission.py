"""What fringes, and sensitivity that changes with time, leave of a signal."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

DAYS_PER_YEAR = 365.0
"""The unit of time that tables of coefficients are made with."""


def correction(transmission: F4, *, keep_unknown: bool) -> F8:
    """Return what takes a pattern of transmission out of a signal.

    Parameters
    ----------
    transmission : float32 (ny, nx)
        Relative transmission of each pixel.
    keep_unknown : bool
        Keep signals where the transmission is not finite or not positive; otherwise only where it
        is NaN, and divide by 0, infinity and negative numbers, too.

    Returns
    -------
    float64 (ny, nx)
        1 / `transmission`, or 1.
    """
    known = np.isfinite(transmission) & (transmission > 0)
    with np.errstate(divide="ignore"):
        inverse = 1.0 / transmission.astype(np.float64)
    return np.where(known if keep_unknown else ~np.isnan(transmission), inverse, 1.0)


def sensitivity_left(days: float, table: Mapping[str, F8], wavelengths: F8) -> F8:
    """Return the sensitivity at some wavelengths over that at the epoch.

    It follows a softened power law of time at some wavelengths, and a straight line between two of
    these and beyond the outermost. At these it is never more than at the epoch.

    Parameters
    ----------
    days : float
        Time of the exposure (modified Julian date).
    table : mapping of float64 (n,)
        ``binwave`` [um], ascending or descending; ``year1value``, the sensitivity after 365 days;
        ``tsoft`` [d], which keeps it finite at ``t0`` [d]; ``alpha``, the exponent.
    wavelengths : float64, any shape
        Wavelengths [um].

    Returns
    -------
    float64, shape of `wavelengths`
        1 where the wavelength is NaN, and where nothing at all would be left.
    """
    softened = days - table["t0"] + table["tsoft"]
    with np.errstate(divide="ignore", invalid="ignore"):
        power = (softened / (DAYS_PER_YEAR + table["tsoft"])) ** table["alpha"]
    left = np.fmin(table["year1value"] * power, 1.0)  # before t0 a power may be NaN
    order = np.argsort(table["binwave"])
    found = _line(table["binwave"][order], left[order], wavelengths)
    return np.where(np.isfinite(found) & (found != 0), found, 1.0)


def _line(x: F8, y: F8, at: F8) -> F8:
    """Interpolate between points, and go on straight beyond the outermost."""
    if x.size == 1:
        return np.where(np.isnan(at), np.nan, y[0])
    place = np.clip(np.searchsorted(x, at) - 1, 0, x.size - 2)
    slope = np.diff(y) / np.diff(x)
    found: F8 = y[place] + slope[place] * (at - x[place])
    return found
