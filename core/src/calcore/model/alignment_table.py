"""The table that tells how well exposures were aligned: residuals of stars, fits of exposures."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack
from gwcs import WCS

from calcore.model.exposure import Catalog
from calcore.wcs.agreement import movement
from calcore.wcs.sightings import Sighting, to_sky
from calcore.wcs.solution import Placed, Solution


def alignment_table(
    found: Mapping[str, Solution],
) -> Catalog:
    """Return the residuals of all stars, with what was fitted to each exposure as metadata.

    Parameters
    ----------
    found : mapping
        What stars were compared with (``"exposures"``, ``"catalogue"``), and the solution.

    Returns
    -------
    Catalog
        Columns ``image``, ``exposure`` (as in the metadata; 0: all as one), ``against``, ``x``, ``y``
        (0-based) [pixel], ``residual_x``, ``residual_y`` [pixel], ``residual_east``,
        ``residual_north`` [mas], ``snr``, ``used``; one row for each star of each image. Residuals
        are NaN where a star was compared with none.
    """
    parts: list[Any] = []
    for against, solution in found.items():
        for seen, left in zip(solution.seen, solution.residuals, strict=True):
            size = seen.x.size
            part = QTable()
            part["image"] = np.full(size, seen.name)
            part["exposure"] = np.full(size, seen.exposure)
            part["against"] = np.full(size, against)
            for name, values in (
                ("x", seen.x), ("y", seen.y), ("residual_x", left.x), ("residual_y", left.y)
            ):  # fmt: skip
                part[name] = values * u.pix
            for name, values in (("residual_east", left.east), ("residual_north", left.north)):
                part[name] = (values * u.arcsec).to(u.mas)
            part["snr"] = np.full(size, np.nan) if seen.snr is None else seen.snr
            part["used"] = left.used
            parts.append(part)
    table = vstack(parts)
    for against, solution in found.items():
        table.meta[against] = [_facts(n, placed) for n, placed in solution.exposures.items()]
    return Catalog(table)


def star_table(seen: Sighting) -> QTable:
    """Return the stars of an image: places [pixel], where they are on the sky [deg], and S/N.

    As a file it may be given back to find stars in (``catfile``), and its columns ``RA`` and ``DEC``
    make it a catalogue to align other images with.
    """
    table = QTable({"xcentroid": seen.x * u.pix, "ycentroid": seen.y * u.pix})
    sky = to_sky(seen.wcs, seen.x, seen.y)
    table["RA"], table["DEC"] = sky[:, 0] * u.deg, sky[:, 1] * u.deg
    table["snr"] = np.full(seen.x.size, np.nan) if seen.snr is None else seen.snr
    return table


def fit_keywords(before: WCS, after: WCS, placed: Placed) -> dict[str, Any]:
    """Return the metadata that tell of an image's alignment; a number that is not known is None.

    Parameters
    ----------
    before, after : gwcs.WCS
        Its world coordinates: how far they were moved in all, by other exposures and a catalogue.
    placed : Placed
        What became of its exposure, whose stars and residuals count.
    """
    moved = movement([before], [after])
    figures = {
        "shift_east": 1e3 * moved.east_arcsec,
        "shift_north": 1e3 * moved.north_arcsec,
        "rotation": moved.rotation_deg,
        "rms_east": 1e3 * placed.rms[2],
        "rms_north": 1e3 * placed.rms[3],
    }
    told: dict[str, Any] = {"status": placed.status, "matches": placed.matches}
    told |= {name: value if np.isfinite(value) else None for name, value in figures.items()}
    return {f"alignment.{name}": value for name, value in told.items()}


def _facts(number: Hashable, placed: Placed) -> dict[str, Any]:
    moved = placed.movement
    figures = {
        "shift_east_mas": 1e3 * moved.east_arcsec,
        "shift_north_mas": 1e3 * moved.north_arcsec,
        "rotation_deg": moved.rotation_deg,
        "scale_change": moved.scale,
        "rms_x_pixel": placed.rms[0],
        "rms_y_pixel": placed.rms[1],
        "rms_east_mas": 1e3 * placed.rms[2],
        "rms_north_mas": 1e3 * placed.rms[3],
    }
    return {
        "exposure": number,
        "images": placed.name,
        "status": placed.status,
        "stars": placed.stars,
        "matches": placed.matches,
        **{name: float(f"{value:.6g}") for name, value in figures.items() if np.isfinite(value)},
    }
