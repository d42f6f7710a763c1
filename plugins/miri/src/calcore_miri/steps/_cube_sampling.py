"""How cubes of bands are sampled, as their reference says."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calcore.errors import Doubtful, ReferenceInvalid
from calcore.steps.sampling import Sampling
from calcore_miri.references import CubeParameters

Band = tuple[int, str]
"""The number of a channel and the name of a band, such as ``1, "short"``."""
_TABLES = {"drizzle": "sizes", "msm": "powers", "emsm": "exponentials"}


def sampling(
    reference: CubeParameters, bands: Sequence[Band], weighting: str, together: bool
) -> Sampling:
    """Return the finest sampling of several bands, over all their wavelengths.

    Planes of what is put `together` lie where a table has them.
    """
    sizes = [_row(reference, "sizes", band) for band in bands]
    near: Mapping[str, Any] = {}
    if together:
        near = _columns(reference, f"all_{_TABLES[weighting]}")
    elif weighting != "drizzle":
        rows = [_row(reference, _TABLES[weighting], band) for band in bands]
        near = {name: min(row[name] for row in rows) for name in rows[0]}
    return Sampling(
        spaxel_arcsec=min(row["spaxelsize"] for row in sizes),
        step_um=min(row["spectralstep"] for row in sizes),
        wavelengths_um=(min(row["wavemin"] for row in sizes), max(row["wavemax"] for row in sizes)),
        table=near.get("wavelength"),
        angle_arcsec=near.get("roispatial", 0.0),
        depth_um=near.get("roispectral", 0.0),
        scale=near.get("power", near.get("scalerad", 0.0)),
        softening=near.get("softrad", 0.0),
    )


def reached(
    cubes: Mapping[str, tuple[list[Band], Sampling]], shortest: float | None, longest: float | None
) -> Mapping[str, tuple[list[Band], Sampling]]:
    """Return the cubes that have wavelengths in a range [um], and say which have none; all, if none has."""
    beyond = [name for name, (_, own) in cubes.items() if not own.reaches(shortest, longest)]
    if not beyond or len(beyond) == len(cubes):
        return cubes
    ends = {name: cubes[name][1].wavelengths_um for name in beyond}
    shown = " and ".join(
        f"{name or 'all'} ({a:.2f} to {b:.2f} um)" for name, (a, b) in ends.items()
    )
    warnings.warn(
        f"cube_build.wavemin {shortest} and wavemax {longest} um leave nothing of {shown}",
        Doubtful,
        stacklevel=3,
    )
    return {name: cube for name, cube in cubes.items() if name not in beyond}


def _columns(reference: CubeParameters, table: str) -> Mapping[str, Any]:
    """Return the columns of a table by wavelength, as they are stored."""
    rows: Any = getattr(reference, table)
    if rows is None or not len(rows):
        raise ReferenceInvalid(
            "reference cubepar: it has no table of planes for cubes of several channels with this "
            "weighting; give another file, or choose another output_type"
        )
    return {name: np.asarray(rows[name], np.float64) for name in rows.dtype.names}


def _row(reference: CubeParameters, table: str, band: Band) -> Mapping[str, float]:
    rows: Any = getattr(reference, table)
    number, name = band
    for row in () if rows is None else rows:
        if str(row["channel"]).strip() == str(number) and str(row["band"]).strip().lower() == name:
            told = (column for column in rows.dtype.names if column not in {"channel", "band"})
            return {column: float(np.float64(row[column])) for column in told}
    raise ReferenceInvalid(
        f"reference cubepar: its table of {table} has no row for channel {number}, band {name}; "
        "give another file"
    )
