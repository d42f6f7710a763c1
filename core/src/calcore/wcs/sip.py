"""An approximation of world coordinates that FITS readers without gwcs understand."""

import re
import warnings
from typing import Any

from gwcs import WCS

DEGREES = range(1, 6)
"""Degrees that are tried."""

_COEFFICIENT = re.compile(r"(a|b|ap|bp)_\d_\d$")
_KEPT = re.compile(
    r"(wcsaxes|wcsname|(crpix|crval|cunit|ctype)[12]|cd[12]_[12]|lonpole|latpole|mjdref|radesys"
    r"|(a|b|ap|bp)_order|sipmxerr|sipiverr)$"
)
_REPLACED = re.compile(r"(pc\d_\d|cd\d_\d|cdelt\d|(a|b|ap|bp)_(order|\d_\d)|sipmxerr|sipiverr)$")


def sip_keywords(
    wcs: WCS,
    *,
    max_error: float = 0.01,
    degree: int | None = None,
    max_inverse_error: float = 0.01,
    inverse_degree: int | None = None,
    points: int = 12,
    reference_pixel: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Return the FITS keywords of a tangent projection with Simple Imaging Polynomials.

    Polynomials are those of lowest degree that reach the wanted accuracy over the bounding box, on
    a grid; if none does, the best (the SIP convention, Shupe et al. 2005, ASPC 347, 491; the fit is
    gwcs').

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels to the sky, with a bounding box.
    max_error, max_inverse_error : float
        Largest error wanted on the way to the sky and back [pixel].
    degree, inverse_degree : int, optional
        Take this degree instead, whatever its accuracy.
    points : int
        Number of grid points along each axis.
    reference_pixel : tuple of float, optional
        CRPIX1, CRPIX2, counted from 1; the middle of the box by default.

    Returns
    -------
    dict
        Values by lower-case keyword (``crpix1``, ``a_0_2``, …). ``sipmxerr`` and ``sipiverr`` are
        the errors reached [pixel].
    """
    with warnings.catch_warnings():
        # Not reaching the accuracy is no mishap: the error reached is in the keywords.
        warnings.simplefilter("ignore")
        header = wcs.to_fits_sip(
            max_pix_error=max_error,
            degree=degree or DEGREES,
            max_inv_pix_error=max_inverse_error,
            inv_degree=inverse_degree or DEGREES,
            npoints=points,
            crpix=None if reference_pixel is None else list(reference_pixel),
        )
    return {
        name: _plain(value)
        for key, value in header.items()
        if _KEPT.match(name := key.lower()) or _COEFFICIENT.match(name)
    }


def replaced(keywords: Any) -> list[str]:
    """Return those of the (lower-case) keywords that an approximation makes obsolete.

    They are the former approximation's coefficients and the other ways of writing its matrix.
    """
    return [name for name in keywords if _REPLACED.match(name)]


def _plain(value: Any) -> Any:
    """Return numbers as Python's own."""
    return value.item() if hasattr(value, "item") else value
