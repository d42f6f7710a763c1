"""Raw exposures as files: ``_uncal.fits`` with the archive's extensions and keywords."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from calcore.simulate.detector import Ramps
from calcore.simulate.headers import (
    ExposureFacts,
    Keyword,
    primary_keywords,
    science_keywords,
)
from calcore.simulate.metadata_tree import metadata_hdu

CARD = 80
"""Characters of a line of a FITS header."""


def add(header: fits.Header, keywords: Iterable[Keyword]) -> None:
    """Write keywords into a header, in their order; comments give way to long values."""
    for name, value, comment in keywords:
        width = len(value) + 2 if isinstance(value, str) else 20
        room = CARD - len("KEYWORD = ") - max(width, 20) - len(" / ")
        header[name] = (value, comment[: max(room, 0)])


def raw_hdus(ramps: Ramps, facts: ExposureFacts) -> fits.HDUList:
    """Put a raw exposure together.

    Parameters
    ----------
    ramps
        Its numbers.
    facts
        What its headers say.

    Returns
    -------
    HDUList
        PRIMARY, SCI, then ZEROFRAME where groups average frames, REFOUT where there is a reference
        output, GROUP, INT_TIMES, and ASDF.
    """
    primary = fits.PrimaryHDU()
    add(primary.header, primary_keywords(facts))
    science = image("SCI", ramps.counts)
    add(science.header, science_keywords(facts))
    hdus = [primary, science]
    if ramps.zero_frame is not None and facts.has_zero_frame:
        hdus.append(image("ZEROFRAME", ramps.zero_frame))
    if ramps.reference_output is not None:
        hdus.append(image("REFOUT", ramps.reference_output))
    ny, nx = facts.geometry.subarray.shape
    hdus.append(fits.BinTableHDU(facts.times.group_table(nx, ny, facts.integrations), name="GROUP"))
    hdus.append(
        fits.BinTableHDU(facts.times.integration_table(facts.integrations), name="INT_TIMES")
    )
    hdus.append(metadata_hdu(primary_keywords(facts), science_keywords(facts)))
    return fits.HDUList(hdus)


def image(name: str, values: NDArray[np.generic]) -> fits.ImageHDU:
    """Return an image extension."""
    return fits.ImageHDU(values, name=name)


def write_raw(ramps: Ramps, facts: ExposureFacts, folder: Path) -> Path:
    """Write a raw exposure into a folder and return the file's path."""
    path = folder / f"{facts.root}_uncal.fits"
    raw_hdus(ramps, facts).writeto(path, overwrite=True)
    return path
