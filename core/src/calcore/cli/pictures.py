"""Quick looks of the products that a run has made."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from calcore.errors import explained

_LOG = logging.getLogger(__name__)
RESIDUALS = "_tweakreg.ecsv"
"""How names of tables of residuals end."""


def draw(files: Iterable[Path]) -> dict[Path, Path]:
    """Draw the two-dimensional products and residuals of alignments, each beside its file.

    A picture that is newer than its product is left as it is. One that cannot be drawn is a line
    in the log: the product is none the worse for it.

    Returns
    -------
    dict
        Products and their pictures.
    """
    from calcore.io import open as open_product
    from calcore.report import alignment_picture, is_picture, quicklook

    drawn: dict[Path, Path] = {}
    for file in files:
        picture = file.with_suffix(".png")
        residuals = file.name.endswith(RESIDUALS)
        if file.suffix != ".fits" and not residuals:
            continue
        if picture.exists() and picture.stat().st_mtime > file.stat().st_mtime:
            drawn[file] = picture
            continue
        try:
            record = open_product(file)
            title = os.fsencode(file.name).decode("utf-8", "replace")
            if residuals:
                drawn[file] = alignment_picture(record.table, picture, title=title)
            elif is_picture(record):
                drawn[file] = quicklook(record, picture, title=title, catalog=catalog_beside(file))
        except Exception as error:  # noqa: BLE001 - a product without picture is whole
            _LOG.warning("no picture of %s: %s", file.name, explained(error))
    return drawn


def catalog_beside(file: Path) -> Any:
    """Return the source catalogue made from a mosaic (``x_i2d.fits``: ``x_cat.ecsv``), or None."""
    root, _, kind = file.stem.rpartition("_")
    path = file.with_name(f"{root}_cat.ecsv")
    if kind != "i2d" or not path.exists():
        return None
    from astropy.table import Table

    return Table.read(path, format="ascii.ecsv")
