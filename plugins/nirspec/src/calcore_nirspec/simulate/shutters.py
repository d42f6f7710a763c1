"""Which shutters are open in simulated exposures: the MSA metadata file that their headers name.

Its form: JWST documentation, "MSA Metadata File". Slitlets are three shutters high, with their source
in the middle one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from calcore_nirspec.simulate.optics import table

QUADRANTS = range(1, 5)
_EVERY = 14
"""Shutters from one slitlet of a quadrant to the next, along the slits."""
_SPREAD = 97
"""And across, around the quadrant; it has no divisor in common with the number of rows."""
_SHUTTER = [
    ("slitlet_id", "i2"), ("msa_metadata_id", "i2"), ("shutter_quadrant", "i2"),
    ("shutter_row", "i2"), ("shutter_column", "i2"), ("source_id", "i4"), ("background", "S1"),
    ("shutter_state", "S6"), ("estimated_source_in_shutter_x", "f4"),
    ("estimated_source_in_shutter_y", "f4"), ("dither_point_index", "i2"),
    ("primary_source", "S1"), ("fixed_slit", "S7"),
]  # fmt: skip
_SOURCE = [
    ("program", "i4"), ("source_id", "i4"), ("source_name", "S20"), ("alias", "S31"),
    ("catalog_id", "S20"), ("ra", "f8"), ("dec", "f8"), ("preimage_id", "S30"), ("stellarity", "f8"),
]  # fmt: skip


def write_shutters(mode: Mapping[str, Any], folder: Path) -> None:
    """Write the file that the keyword MSAMETFL of a mode names, if it names one."""
    keywords = mode.get("keywords", {})
    if "MSAMETFL" not in keywords:
        return
    shutters = _shutters(int(keywords["MSAMETID"]), len(mode["dithers"]))
    numbers = np.unique(shutters["source_id"])
    sources = np.zeros(len(numbers), _SOURCE)
    sources["source_id"], sources["stellarity"] = numbers, 1.0
    sources["source_name"] = sources["alias"] = [str(number).encode() for number in numbers]
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(_map(shutters), name="SHUTTER_IMAGE"),
        fits.BinTableHDU(shutters, name="SHUTTER_INFO"),
        fits.BinTableHDU(sources, name="SOURCE_INFO"),
    ]
    fits.HDUList(hdus).writeto(folder / str(keywords["MSAMETFL"]), overwrite=True)


def _shutters(configuration: int, dithers: int) -> NDArray[np.void]:
    """Return the table of open shutters, for each point of the dither pattern."""
    own = table()["shutters"]
    rows: list[tuple[Any, ...]] = []
    slitlet = 0
    for quadrant in QUADRANTS:
        for middle in range(_EVERY, own["rows"] - 1, _EVERY):
            slitlet += 1
            across = slitlet * _SPREAD % own["columns"] + 1
            rows += [
                (
                    slitlet, configuration, quadrant, across, column, slitlet,
                    b"N" if column == middle else b"Y", b"OPEN", *place, point,
                    b"Y" if column == middle else b"N", b"NONE",
                )
                for point in range(1, dithers + 1)
                for column in (middle - 1, middle, middle + 1)
                for place in [(0.5, 0.5) if column == middle else (np.nan, np.nan)]
            ]  # fmt: skip
    return np.array(rows, _SHUTTER)


def _map(shutters: NDArray[np.void]) -> NDArray[np.float32]:
    """Return the four quadrants as one picture, 1 where a shutter is open."""
    own = table()["shutters"]
    picture = np.zeros((2, own["columns"], 2, own["rows"]), np.float32)
    second, upper = np.divmod(shutters["shutter_quadrant"] - 1, 2)
    place = second, shutters["shutter_row"] - 1, upper, shutters["shutter_column"] - 1
    picture[place] = 1
    return picture.reshape(2 * own["columns"], 2 * own["rows"])
