"""Light of half the wavelength that leaks into a spectrum."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def leaked(wavelengths: F8, fluxes: Mapping[str, F8], fractions: Mapping[str, F8]) -> F8:
    """Return the flux that leaks in, in the second order of a grating.

    Parameters
    ----------
    wavelengths : float64 (n,)
        Wavelengths of the spectrum that light leaks into [um].
    fluxes : mapping of float64
        ``wavelength``, ascending [um], and ``flux`` of the spectrum that the light comes from.
    fractions : mapping of float64
        ``wavelength``, ascending [um], of the light as it appears, and ``fraction`` that leaks.

    Returns
    -------
    float64 (n,)
        In the unit of the fluxes; beyond either table's ends what is there at its end.
    """
    source = np.interp(wavelengths, 2 * fluxes["wavelength"], fluxes["flux"])
    return source * np.interp(wavelengths, fractions["wavelength"], fractions["fraction"])
