"""Guide-star exposures: what flows, and references that are laid on it.

Their flags have two axes while their images have three, and tables tell of the stars and of how the
telescope moved. One read-out, FGS_ID-STACK, lies on no part of the detector: its strips are laid one
after the other, with the rows that two strips share in it twice.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.model import Meta, Record, Reference, Window
from calcore.model.exposure import Flags, Float, Table
from calcore.model.layout import Array, Plane, TableExtension


@dataclass(frozen=True, eq=False, kw_only=True)
class _GuideStarTables(Record):
    """Tables of a guide-star exposure; each kind of exposure has its own, row for row.

    Attributes
    ----------
    planned_stars, flight_stars : table, optional
        Reference stars as they were planned, and as they were found on board.
    pointing : table, optional
        Direction of the telescope over time, and its jitter.
    centroids : table, optional
        Where the guide star was, by the on-board software.
    track_subarrays : table, optional
        Where the window was that followed the guide star.
    """

    planned_stars: Annotated[Table, TableExtension("PLANNED REFERENCE STARS")] | None = None
    flight_stars: Annotated[Table, TableExtension("FLIGHT REFERENCE STARS")] | None = None
    pointing: Annotated[Table, TableExtension("POINTING")] | None = None
    centroids: Annotated[Table, TableExtension("FGS CENTROID PACKET")] | None = None
    track_subarrays: Annotated[Table, TableExtension("TRACK SUBARRAY TABLE")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class GuideRamp(_GuideStarTables):
    """Reads of a guide-star exposure.

    Attributes
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    dq : uint32 (ny, nx)
        Flags of each pixel.
    """

    data: Annotated[Float, Plane("SCI", "f4", ("n_int", "n_group", "y", "x"), required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]


@dataclass(frozen=True, eq=False, kw_only=True)
class GuideImages(_GuideStarTables):
    """Count rates of a guide-star exposure.

    Attributes
    ----------
    data, err : float32 (n_int, ny, nx)
        Count rate and its standard deviation [DN/s].
    dq : uint32 (ny, nx)
        Flags of each pixel.
    """

    data: Annotated[Float, Plane("SCI", "f4", ("n_int", "y", "x"), required=True)]
    err: Annotated[Float, Plane("ERR", "f4", ("n_int", "y", "x"), fill=0)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]


TABLES = tuple(name for name in _GuideStarTables.__annotations__)


# References are read whole, since core would refuse those that do not cover the exposure.


@dataclass(frozen=True, eq=False, kw_only=True)
class Mask(Reference):
    """Flags of bad pixels: `dq` (ny, nx), not cut to the exposure."""

    type: ClassVar[str] = "mask"
    dq: Annotated[Flags, Array("DQ", "u4")]


@dataclass(frozen=True, eq=False, kw_only=True)
class Gain(Reference):
    """Gain: `data` (ny, nx) [electron/DN], not cut to the exposure."""

    type: ClassVar[str] = "gain"
    data: Annotated[Float, Array("SCI", "f4")]


@dataclass(frozen=True, eq=False, kw_only=True)
class ReadNoise(Reference):
    """Noise of the difference of two reads: `data` (ny, nx) [DN], not cut to the exposure."""

    type: ClassVar[str] = "readnoise"
    data: Annotated[Float, Array("SCI", "f4")]


@dataclass(frozen=True, eq=False, kw_only=True)
class Flat(Reference):
    """Flat field: `data`, `err`, `dq` (ny, nx), not cut to the exposure; 0 where not given."""

    type: ClassVar[str] = "flat"
    data: Annotated[Float, Array("SCI", "f4")]
    err: Annotated[Float, Array("ERR", "f4", required=False)] | None = None
    dq: Annotated[Flags, Array("DQ", "u4", required=False)] | None = None


def covers(array: NDArray[Any], reference: Reference, exposure: Meta) -> bool:
    """Tell whether an array (ny, nx) of a reference has all pixels of an exposure.

    Raises
    ------
    ReferenceInvalid
        It has not, although the exposure is a part of the detector.
    """
    shape = int(exposure["subarray.ysize"]), int(exposure["subarray.xsize"])
    row, column = _offset(array, reference.meta, exposure, shape)
    ny, nx = array.shape[-2:]
    if min(row, column) >= 0 and row + shape[0] <= ny and column + shape[1] <= nx:
        return True
    if is_strips(exposure):
        return False
    top, left = exposure.subarray_origin
    raise ReferenceInvalid(
        f"the {reference.type} reference covers rows {top - row + 1} to {top - row + ny} and "
        f"columns {left - column + 1} to {left - column + nx} of the detector, but the exposure "
        f"reads rows {top + 1} to {top + shape[0]} and columns {left + 1} to {left + shape[1]}; "
        "give a reference that covers them"
    )


def part_of(
    array: NDArray[Any], reference: Reference, exposure: Meta, window: Window
) -> NDArray[Any]:
    """Return what of a reference's array (ny, nx) lies on a part of an exposure."""
    shape = window.frame_rows, window.frame_columns
    row, column = _offset(array, reference.meta, exposure, shape)
    part: NDArray[Any] = array[
        row + window.row_start : row + window.row_stop,
        column + window.column_start : column + window.column_stop,
    ]
    return np.ascontiguousarray(part)


def is_strips(exposure: Meta) -> bool:
    """Tell whether an exposure is made of strips laid one after the other."""
    return bool(exposure.facts.exposure_type.data.get("strips", False))


def _offset(
    array: NDArray[Any], reference: Meta, exposure: Meta, shape: tuple[int, int]
) -> tuple[int, int]:
    """Return row and column of the exposure's first pixel in a reference's array.

    A reference that does not say where it lies is a full frame, unless it has the exposure's size.
    """
    if "subarray.ystart" in reference and "subarray.xstart" in reference:
        origin = reference.subarray_origin
    elif array.shape == shape:
        return 0, 0
    else:
        origin = 0, 0
    top, left = exposure.subarray_origin
    return top - origin[0], left - origin[1]
