"""Quick looks of the products that a run has made."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from calcore.errors import explained

_LOG = logging.getLogger(__name__)


def draw(files: Iterable[Path]) -> dict[Path, tuple[Path, ...]]:
    """Draw images, cubes, spectra and residuals of alignments, each beside its file.

    Mosaics of several images get a second picture, of their weight. A picture that is newer than its
    product is left as it is. One that cannot be drawn is a line in the log: the product is none the
    worse for it.

    Returns
    -------
    dict
        Products and their pictures.
    """
    from calcore.report.alignment import RESIDUALS

    drawn: dict[Path, tuple[Path, ...]] = {}
    for file in files:
        if file.suffix != ".fits" and not file.name.endswith(RESIDUALS):
            continue
        picture = file.with_suffix(".png")
        if picture.exists() and picture.stat().st_mtime > file.stat().st_mtime:
            drawn[file] = tuple(path for path in (picture, weight_of(file)) if path.exists())
            continue
        try:
            made = tuple(_drawn(file, picture))
        except Exception as error:  # noqa: BLE001 - a product without picture is whole
            _LOG.warning("no picture of %s: %s", file.name, explained(error))
            continue
        if made:
            drawn[file] = made
    return drawn


def _drawn(file: Path, picture: Path) -> Iterator[Path]:
    """Draw a file, and yield its pictures."""
    from calcore.io import open as open_product
    from calcore.model import Mosaic
    from calcore.report import (
        alignment_figure,
        image_figure,
        is_picture,
        is_spectral,
        save_figure,
        spectral_figure,
        weight_figure,
    )
    from calcore.report.alignment import RESIDUALS
    from calcore.report.weights import is_deep

    record: Any = open_product(file)
    title = os.fsencode(file.name).decode("utf-8", "replace")
    if file.name.endswith(RESIDUALS):
        yield save_figure(alignment_figure(record.table, title), picture)
    elif is_spectral(record):
        yield save_figure(spectral_figure(record, title), picture)
    elif is_picture(record):
        yield save_figure(image_figure(record, title, catalog_beside(file)), picture)
        if isinstance(record, Mosaic) and is_deep(record):
            yield save_figure(weight_figure(record, title), weight_of(file))


def weight_of(file: Path) -> Path:
    """Return where the picture of a mosaic's weight lies (``x_i2d.fits``: ``x_weight.png``)."""
    return file.with_name(f"{file.stem.removesuffix('_i2d')}_weight.png")


def catalog_beside(file: Path) -> Any:
    """Return the source catalogue made from a mosaic (``x_i2d.fits``: ``x_cat.ecsv``), or None."""
    root, _, kind = file.stem.rpartition("_")
    path = file.with_name(f"{root}_cat.ecsv")
    if kind != "i2d" or not path.exists():
        return None
    from astropy.table import Table

    return Table.read(path, format="ascii.ecsv")
