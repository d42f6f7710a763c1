"""How sums over apertures become the columns of spectra."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ

F8 = NDArray[np.float64]
_ORIGINS = ("POISSON", "RNOISE", "FLAT")
JANSKY = 1e6
"""One MJy [Jy]."""


def columns_of(
    total: F8,
    area: F8,
    variances: tuple[F8, ...],
    background: F8,
    background_variances: tuple[F8, ...],
    *,
    steradian: float,
    factor: F8 | float = 1.0,
    subtracted: bool = True,
    error_scale: Any = 1.0,
) -> dict[str, Any]:
    """Return the columns of a spectrum in Jy and MJy/sr.

    Parameters
    ----------
    total : float64 (n,)
        Sums over the aperture [MJy/sr * pixel].
    area : float64 (n,)
        Of it [pixel].
    variances : float64 (n,), three or one
        Of `total`: due to photons, read noise and flat field; or of all together.
    background : float64 (n,)
        The same, of the background in the aperture.
    background_variances : float64 (n,), three or one
        Of `background`.
    steradian : float
        Area of a pixel on the sky [sr].
    factor : float64 (n,) or float
        Correction for what the aperture misses.
    subtracted : bool
        The background is to be subtracted; otherwise it is only told.
    error_scale : float or float (n_wavelength,)
        Errors are multiplied by this.

    Returns
    -------
    dict
        Columns by name. Rows without a flux are flagged DO_NOT_USE.
    """
    flux = total - background if subtracted else total
    spread = [
        one + other if subtracted else one
        for one, other in zip(variances, background_variances, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        scales = {
            "FLUX": (steradian * JANSKY * factor, flux, spread),
            "SB": (factor / area, flux, spread),
            "BKGD": (1 / area, background, background_variances),
        }
        columns: dict[str, Any] = {}
        for name, (scale, values, parts) in scales.items():
            column = {"SB": "SURF_BRIGHT", "BKGD": "BACKGROUND"}.get(name, name)
            columns[column] = values * scale
            columns[f"{name}_ERROR"] = error_scale * np.sqrt(np.sum(parts, axis=0)) * np.abs(scale)
            apart = parts if len(parts) == len(_ORIGINS) else [0 * parts[0]] * len(_ORIGINS)
            for origin, part in zip(_ORIGINS, apart, strict=True):
                columns[f"{name}_VAR_{origin}"] = error_scale**2 * part * scale**2
    columns["NPIXELS"] = area
    columns["DQ"] = np.where(np.isfinite(columns["FLUX"]), 0, DQ.DO_NOT_USE).astype(np.uint32)
    return columns
