"""The table of sources: which columns it has, and what they mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable

_FLUX, _MAG, _PLAIN, _RATIO = ".6e", ".6f", ".6f", ".4f"

# Name, unit, format, description. In names and descriptions, {ee} is an encircled energy [percent].
_BEFORE = (
    ("label", None, None, "Number of the source"),
    ("xcentroid", None, _RATIO, "x of the centroid, counted from 0"),
    ("ycentroid", None, _RATIO, "y of the centroid, counted from 0"),
    ("sky_centroid", None, None, "Centroid on the sky, ICRS"),
    ("aper_bkg_flux", "Jy", _FLUX, "Sky in the ring around the apertures, per pixel"),
    ("aper_bkg_flux_err", "Jy", _FLUX, "Its standard error"),
)
_TOTAL = ("aper_total", "of a star, by the aperture correction of the largest circle")
_ISOPHOTAL = ("isophotal", "of the source's pixels")
_SHAPE = (
    ("is_extended", None, None, "True if both concentration indices exceed their thresholds"),
    ("sharpness", None, _PLAIN, "Sharpness of DAOFIND"),
    ("roundness", None, _PLAIN, "Roundness of DAOFIND by symmetry"),
    ("nn_label", None, None, "Number of the nearest neighbour"),
    ("nn_dist", "pix", _PLAIN, "Distance of the nearest neighbour"),
)
_SEGMENT = (
    ("isophotal_area", "pix2", None, "Area of the source's pixels"),
    ("semimajor_sigma", "pix", _PLAIN, "Standard deviation along the major axis"),
    ("semiminor_sigma", "pix", _PLAIN, "Standard deviation along the minor axis"),
    ("ellipticity", "", _PLAIN, "1 - semiminor_sigma / semimajor_sigma"),
    ("orientation", "deg", _PLAIN, "Angle from the x axis to the major axis, counter-clockwise"),
    ("sky_orientation", "deg", _PLAIN, "Position angle of the major axis, from north"),
    ("sky_bbox_ll", None, None, "Lower left corner of the box around the source's pixels"),
    ("sky_bbox_ul", None, None, "Upper left corner"),
    ("sky_bbox_lr", None, None, "Lower right corner"),
    ("sky_bbox_ur", None, None, "Upper right corner"),
)


def _fluxes(name: str, text: str) -> list[tuple[str, str | None, str | None, str]]:
    return [
        (f"{name}_flux", "Jy", _FLUX, f"Flux {text}"),
        (f"{name}_flux_err", "Jy", _FLUX, f"Standard deviation of the flux {text}"),
    ]


def _magnitudes(name: str, text: str, system: str) -> list[tuple[str, str | None, str | None, str]]:
    known = {"ab": "AB", "vega": "Vega"}[system]
    return [
        (f"{name}_{system}mag", None, _MAG, f"{known} magnitude {text}"),
        (f"{name}_{system}mag_err", None, _MAG, f"Its standard deviation {text}"),
    ]


def _columns(energies: Sequence[int]) -> list[tuple[str, str | None, str | None, str]]:
    """Return all columns in order: name, unit, format, description."""
    circles = [
        (f"aper{ee}", f"in the circle that holds {ee} % of a star's light") for ee in energies
    ]
    circles.append(_TOTAL)
    columns: list[tuple[str, str | None, str | None, str]] = list(_BEFORE)
    for name, text in circles:
        columns += _fluxes(name, text)
    for system in ("ab", "vega"):
        for name, text in circles:
            columns += _magnitudes(name, text, system)
    low, middle, high = energies
    for outer, inner in ((middle, low), (high, middle), (high, low)):
        text = f"Concentration index aper{outer}_flux / aper{inner}_flux"
        columns.append((f"CI_{outer}_{inner}", None, _RATIO, text))
    columns += _SHAPE
    columns += _fluxes(*_ISOPHOTAL)
    for system in ("ab", "vega"):
        columns += _magnitudes(*_ISOPHOTAL, system)
    return [*columns, *_SEGMENT]


def with_magnitudes(fluxes: Mapping[str, tuple[Any, Any]], ab_minus_vega: float) -> dict[str, Any]:
    """Return fluxes [Jy] and their errors as columns, with AB and Vega magnitudes.

    Magnitudes of fluxes below 0 are NaN; the error is that of a source brighter by one standard
    deviation.
    """
    columns: dict[str, Any] = {}
    for name, (flux, err) in fluxes.items():
        positive = np.where(flux > 0, flux, np.nan)
        ab = -2.5 * np.log10(positive) + 8.9
        deviation = 2.5 * np.log10(1 + err / positive)
        columns[f"{name}_flux"], columns[f"{name}_flux_err"] = flux, err
        columns[f"{name}_abmag"], columns[f"{name}_abmag_err"] = ab, deviation
        columns[f"{name}_vegamag"], columns[f"{name}_vegamag_err"] = ab - ab_minus_vega, deviation
    return columns


def source_table(
    values: Mapping[str, Any], energies: Sequence[int], facts: Mapping[str, Any]
) -> QTable:
    """Return the table of sources.

    Parameters
    ----------
    values : mapping
        One array for each column; columns that are missing are filled with NaN.
    energies : three ints
        Encircled energies of the apertures [percent].
    facts : mapping
        What else the table says of itself.
    """
    size = len(values["label"])
    table = QTable(meta=dict(facts))
    for name, unit, form, text in _columns(energies):
        column = values.get(name, np.full(size, np.nan))
        if unit is not None and not isinstance(column, SkyCoord):
            column = np.asarray(column) * u.Unit(unit)
        table[name] = column
        if form is not None:
            table[name].info.format = form
        table[name].info.description = text
    return table
