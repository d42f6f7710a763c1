"""Coordinates that a user gives for a product, in an ASDF file."""

from dataclasses import dataclass
from pathlib import Path

import asdf
import numpy as np
from gwcs import WCS

from calcore.errors import FileInvalid


@dataclass(frozen=True, eq=False)
class GivenWcs:
    """What a file says of a product's pixels.

    Attributes
    ----------
    wcs : gwcs.WCS
        Their coordinates.
    shape : (int, int)
        Rows and columns.
    area_sr : float, optional
        Solid angle of a pixel [sr].
    """

    wcs: WCS
    shape: tuple[int, int]
    area_sr: float | None


def read_wcs(path: str, shape: tuple[int, int] | None) -> GivenWcs:
    """Return the coordinates that an ASDF file holds.

    Parameters
    ----------
    path : str
        The file has a gWCS under ``wcs``, and may have ``pixel_area`` [sr], and ``array_shape``
        (ny, nx) or ``pixel_shape`` (nx, ny) for a gWCS that does not say its size.
    shape : (nx, ny), optional
        Size that goes before what the file says.

    Raises
    ------
    FileInvalid
        The file is no ASDF file, has no ``wcs``, or says nothing of its size.
    """
    try:
        with asdf.open(Path(path), lazy_load=False, memmap=False) as tree:
            wcs, area, rows_first, columns_first = (
                tree.tree.get(name) for name in ("wcs", "pixel_area", "array_shape", "pixel_shape")
            )
    except Exception as error:  # what is amiss in YAML and blocks is told by errors of many types
        raise FileInvalid(path, f"output_wcs cannot be read as an ASDF file: {error}") from error
    if not isinstance(wcs, WCS):
        raise FileInvalid(path, "output_wcs holds no gWCS under the key 'wcs'; store one there")
    size = shape or wcs.pixel_shape or (rows_first and rows_first[::-1]) or columns_first
    if size is None and wcs.bounding_box is not None:
        (_, x_high), (_, y_high) = wcs.bounding_box.bounding_box(order="F")
        size = int(np.ceil(x_high + 0.5)), int(np.ceil(y_high + 0.5))
    if size is None:
        raise FileInvalid(path, "output_wcs says nothing of its size; give output_shape as well")
    return GivenWcs(wcs, (int(size[1]), int(size[0])), area)


def sized(wcs: WCS, shape: tuple[int, int]) -> WCS:
    """Return coordinates that say rows and columns of the array that they are of."""
    wcs.array_shape = shape
    wcs.bounding_box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
    return wcs
