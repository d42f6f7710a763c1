"""The parts of a frame that light of one slit, or of one slice of an image slicer, falls on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError
from calcore.model.cubing import coordinates_of
from calcore.model.exposure import Image
from calcore.model.rectified import grid_of
from calcore.wcs.rectified import along
from calcore.wcs.slicer_of import sliced
from calcore.wcs.within import box_of, within_box

F8 = NDArray[np.float64]
_AXES = frozenset({1, 2})


@dataclass(frozen=True, eq=False)
class Strip:
    """Light of one slit or slice, in rows of one wavelength each.

    Attributes
    ----------
    number : int
        Of the slice; 0 for a slit.
    field : int
        Which of a slicer's fields it is of.
    box : (slice, slice)
        Rows and columns of the frame.
    turned : bool
        True if light is dispersed along x, so that rows and columns change places.
    places : float64 (n_row, n_column)
        Where along the slit each pixel is [arcsec], or for a slit [pixel]; NaN beside it.
    """

    number: int
    field: int
    box: tuple[slice, slice]
    turned: bool
    places: F8

    def of(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return the strip's part of a frame (n_row, n_column)."""
        part = plane[self.box]
        return part.T if self.turned else part

    @property
    def own(self) -> NDArray[np.bool_]:
        """Which pixels of the part are the strip's (n_row, n_column)."""
        return np.isfinite(self.places)

    @property
    def pixel(self) -> float:
        """From one pixel to the next, as places; 0 if no two are side by side."""
        steps = np.abs(np.diff(self.places, axis=1))
        known = np.isfinite(steps)
        return float(np.median(steps[known])) if known.any() else 0.0

    def put(self, values: NDArray[Any], out: NDArray[Any], where: NDArray[np.bool_]) -> None:
        """Write some of a part's values (n_row, n_column) into a frame."""
        part = self.of(out)
        part[where] = values[where]


def strips_of(image: Image) -> list[Strip]:
    """Return the strips of an exposure: one, or one for each slice.

    Raises
    ------
    CalcoreError
        It has no world coordinates of a slit or an image slicer, or no DISPAXIS.
    """
    name = image.meta.get("filename", "an exposure")
    axis = image.meta.get("wcsinfo.dispersion_direction")
    if image.wcs is None or axis not in _AXES:
        raise CalcoreError(
            f"{name} has no world coordinates of spectra and DISPAXIS; run assign_wcs"
        )
    turned = axis == 1
    if sliced(image.wcs) is None:
        return [_slit(image, turned)]
    coordinates = coordinates_of(image)
    places, found = coordinates.local()[0], []
    for part in coordinates.slices:
        own = coordinates.labels == part.number
        rows, columns = (np.flatnonzero(own.any(axis=1 - n)) for n in (0, 1))
        if not rows.size:
            continue
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        inside = np.where(own[box], places[box], np.nan)
        found.append(Strip(part.number, part.field, box, turned, inside.T if turned else inside))
    return found


def _slit(image: Any, turned: bool) -> Strip:
    """Return the strip of an image with one slit."""
    shape = image.data.shape[-2:]
    grid = grid_of((image,), "slit")
    box = box_of(image.wcs, shape)
    ra, dec, _ = (plane[box] for plane in within_box(image.wcs, shape))
    places = along(grid.plane, grid.measure, ra, dec)
    return Strip(0, 0, box, turned, places.T if turned else places)
