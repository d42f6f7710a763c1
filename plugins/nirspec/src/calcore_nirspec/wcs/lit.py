"""Which pixels spectra fall on."""

import math

import numpy as np
from numpy.typing import NDArray

from calcore_nirspec.wcs.apertures import Aperture
from calcore_nirspec.wcs.directions import Float
from calcore_nirspec.wcs.spectrograph import LAST, Spectrograph

WIDER, HIGHER = 10, 2
"""Columns and rows by which light spreads beyond a spectrum's ends and edges [pixel]."""
_SAMPLES = 2000


def box_of(
    spectrograph: Spectrograph, slit: Aperture, limits_m: tuple[float, float]
) -> tuple[slice, slice] | None:
    """Return the rows and columns of the full frame that hold a slit's spectrum, with a margin.

    None if the spectrum misses the detector. `limits_m` are those of the wavelength [m].
    """
    x, y = _edges(spectrograph, slit, limits_m)
    seen = (x > -0.5) & (x < LAST + 0.5)
    if not seen.any():
        return None
    rows = slice(max(math.floor(y[seen].min() - HIGHER), 0), max(round(y[seen].max() + HIGHER), 0))
    columns = slice(
        max(math.floor(np.nanmin(x) - WIDER), 0), max(math.ceil(np.nanmax(x) + WIDER), 0)
    )
    return rows, columns


def boxes(
    spectrograph: Spectrograph,
    slits: list[Aperture],
    limits_m: tuple[float, float],
) -> NDArray[np.bool_]:
    """Return the pixels of the full frame in the boxes of the slits' spectra: bool (ny, nx)."""
    lit = np.zeros((LAST + 1, LAST + 1), np.bool_)
    for slit in slits:
        box = box_of(spectrograph, slit, limits_m)
        if box is not None:
            lit[box] = True
    return lit


def bands(
    spectrograph: Spectrograph,
    slits: list[Aperture],
    limits_m: tuple[float, float],
) -> NDArray[np.bool_]:
    """Return the pixels of the full frame between the edges of the slits' spectra: bool (ny, nx).

    Edges are followed from column to column, and on for a few beyond a spectrum's ends.
    """
    lit = np.zeros((LAST + 1, LAST + 1), np.bool_)
    row = np.arange(LAST + 1)[:, None]
    for slit in slits:
        x, y = _edges(spectrograph, slit, limits_m)
        first = max(math.floor(np.nanmin(x) - WIDER), 0)
        end = min(math.ceil(np.nanmax(x) + WIDER) + 1, LAST + 1)
        if first >= end:
            continue
        column = np.arange(first, end)
        ends = np.stack([np.interp(column, *_sorted(*edge)) for edge in zip(x, y, strict=True)])
        lit[:, first:end] |= (row >= ends.min(axis=0)) & (row <= ends.max(axis=0))
    return lit


def _edges(
    spectrograph: Spectrograph, slit: Aperture, limits_m: tuple[float, float]
) -> tuple[Float, Float]:
    """Return where light through the ends of a slit falls: columns and rows (2, n) [pixel]."""
    wavelength = np.linspace(*limits_m, _SAMPLES)
    ends = [
        spectrograph.pixels(*slit.edge(place, wavelength), wavelength)
        for place in (slit.low, slit.high)
    ]
    x, y = zip(*ends, strict=True)
    return np.stack(x), np.stack(y)


def _sorted(x: Float, y: Float) -> tuple[Float, Float]:
    """Return what is known of an edge, from left to right."""
    known = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[known])
    return x[known][order], y[known][order]
