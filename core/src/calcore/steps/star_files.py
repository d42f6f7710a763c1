"""Stars of an image, from files of the user, and as alignment takes them."""

from pathlib import Path

import numpy as np

from calcore.kernels.sources import Stars
from calcore.model import Image
from calcore.userfiles import read_catalogue
from calcore.wcs.sightings import Sighting


def read_stars(path: Path | str) -> Stars:
    """Return the stars of an image from a table of ``x`` and ``y``, or ``xcentroid``, ``ycentroid``.

    They count as a column ``weight`` says, alike without it, and nothing is known of their light.

    Raises
    ------
    FileInvalid
        The file cannot be read, or lacks a column.
    """
    names = ("x", "xcentroid"), ("y", "ycentroid"), ("weight",)
    x, y, weight = read_catalogue(str(path), *names, optional=("weight",))
    known = np.isfinite(x) & np.isfinite(y) & (weight > 0)
    x, y, weight = x[known], y[known], weight[known]
    unknown = np.full_like(x, np.nan)
    return Stars(x, y, unknown, 1 / np.sqrt(weight), unknown)


def sighting(member: Image, exposure: int, stars: Stars, *, weighted: bool) -> Sighting:
    """Return the stars of an image that lie within its bounding box, with its coordinates.

    Weights that a user's file gives count even where stars are not to be `weighted`.
    """
    weighted = weighted or bool(np.isnan(stars.snr).all() and (stars.error != 1).any())
    (x_low, x_high), (y_low, y_high) = member.wcs.bounding_box.bounding_box(order="F")
    inside = (stars.x >= x_low) & (stars.x <= x_high) & (stars.y >= y_low) & (stars.y <= y_high)
    return Sighting(
        name=str(member.meta.get("filename", exposure)),
        exposure=exposure,
        wcs=member.wcs,
        v2_arcsec=float(member.meta["wcsinfo.v2_ref"]),
        v3_arcsec=float(member.meta["wcsinfo.v3_ref"]),
        roll_deg=float(member.meta["wcsinfo.roll_ref"]),
        x=stars.x[inside],
        y=stars.y[inside],
        weight=1 / stars.error[inside] ** 2 if weighted else None,
        snr=stars.snr[inside],
    )
