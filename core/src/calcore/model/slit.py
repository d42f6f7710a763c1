"""Spectra that are still images: a slit, or the part of a detector that a source's light falls on."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.model.exposure import Float, Image, Table
from calcore.model.layout import Plane, TableExtension


@dataclass(frozen=True, eq=False, kw_only=True)
class Slit(Image):
    """A dispersed image of one slit or source; fields as in `Image`, metadata of it are ``slit.…``.

    Attributes
    ----------
    wavelength : float32 (ny, nx), optional
        Wavelength at the middle of each pixel [um]; NaN or 0 where no light of the slit falls.
    pathloss_point : float32 (ny, nx), optional
        What was done about a point source's light that does not enter the slit.
    """

    wavelength: Annotated[Float, Plane("WAVELENGTH", "f4", single=True)] | None = None
    pathloss_point: Annotated[Float, Plane("PATHLOSS_PS", "f4", single=True)] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class RectifiedSlit(Slit):
    """Exposures of a slit combined on a grid of places along the slit and wavelengths.

    Fields as in `Slit`; NaN, DO_NOT_USE and NON_SCIENCE where nothing fell.

    Attributes
    ----------
    wht : float32 (ny, nx)
        Sum of weights.
    con : int32 (n_plane, ny, nx)
        Which inputs contributed, one bit each, 32 to a plane.
    hdrtab : table, optional
        One row of header values for each input; columns are called by dotted names.
    """

    wht: Annotated[Float, Plane("WHT", "f4", fill=0)]
    con: Annotated[NDArray[np.int32], Plane("CON", "i4", ("plane", "y", "x"))] | None = None
    hdrtab: Annotated[Table, TableExtension("HDRTAB", dotted=True)] | None = None
