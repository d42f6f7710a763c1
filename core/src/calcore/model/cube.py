"""Cubes: two angles on the sky and a wavelength."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.model.exposure import Flags, Float, Table
from calcore.model.layout import Array, Node, Plane, TableExtension
from calcore.model.record import Record

AXES = ("wavelength", "y", "x")


@dataclass(frozen=True, eq=False, kw_only=True)
class Cube(Record):
    """Exposures of an integral-field unit combined on one grid.

    Attributes
    ----------
    data, err : float32 (n_wavelength, ny, nx)
        Surface brightness and its standard deviation, in units of BUNIT; NaN where nothing fell.
    dq : uint32 (n_wavelength, ny, nx)
        Flags; DO_NOT_USE and NON_SCIENCE where nothing fell.
    wmap : float32 (n_wavelength, ny, nx)
        How many pixels contributed.
    correlation : float32 (n_wavelength,), optional
        How much larger errors of sums over many spaxels of a plane are than those of independent ones.
    shared : float32 (n_pair, 3), optional
        How exposures lie to each other that one background was subtracted from, pair by pair: columns
        and rows from one to the other [spaxel], and by what part of a spaxel's variance sums over a
        place in both grow, since they share its noise.
    hdrtab : table, optional
        One row of header values for each input; columns are called by dotted names.
    wavetable : table, optional
        Wavelengths of the planes [um], where they are not evenly spaced.
    wcs : gwcs.WCS
        From x, y and plane, counted from 0, to ICRS [deg] and wavelength [um].
    """

    data: Annotated[Float, Plane("SCI", "f4", AXES, required=True)]
    err: Annotated[Float, Plane("ERR", "f4", AXES)] | None = None
    dq: Annotated[Flags, Plane("DQ", "u4", AXES, fill=0)]
    wmap: Annotated[NDArray[np.float32], Plane("WMAP", "f4", AXES)] | None = None
    correlation: (
        Annotated[NDArray[np.float32], Array("CORRELATION", "f4", required=False)] | None
    ) = None
    shared: Annotated[NDArray[np.float32], Array("SHARED", "f4", required=False)] | None = None
    hdrtab: Annotated[Table, TableExtension("HDRTAB", dotted=True)] | None = None
    wavetable: Annotated[Table, TableExtension("WCS-TABLE")] | None = None
    wcs: Annotated[Any, Node("meta.wcs")] = None
