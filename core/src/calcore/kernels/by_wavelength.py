"""Functions of wavelength at the pixels of a spectrum."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def by_wavelength(wavelength: NDArray[np.floating], known: Values, values: Values) -> Values:
    """Return a function of wavelength at each pixel.

    Parameters
    ----------
    wavelength : float (ny, nx)
        Wavelengths of pixels [um]; NaN where there is none.
    known, values : float64 (n,)
        Wavelengths, ascending or descending [um], and the function there.

    Returns
    -------
    float64 (ny, nx)
        Interpolated linearly; NaN beyond the wavelengths known, and where there is none.
    """
    order = np.argsort(known)
    found = np.interp(wavelength, known[order], values[order], left=np.nan, right=np.nan)
    return np.asarray(found)
