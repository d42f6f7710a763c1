"""The records of one exposure: ramps, count rates, calibrated images, mosaics."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.model.layout import Node, Plane, TableExtension
from calcore.model.record import Record

Float = NDArray[np.float32]
Flags = NDArray[np.uint32]
GroupFlags = NDArray[np.uint8]
Table = NDArray[np.void]

_RAMP = ("n_int", "n_group", "y", "x")
_INTS = ("n_int", "y", "x")


@dataclass(frozen=True, eq=False, kw_only=True)
class Ramp(Record):
    """Non-destructive reads of one exposure.

    Attributes
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of each sample (the low eight bits of `DQ`).
    pixeldq : uint32 (ny, nx)
        Flags of each pixel.
    zeroframe : float32 (n_int, ny, nx), optional
        First read of each integration [DN], where groups are averages; exactly 0 where unusable.
    int_times, group : tables, optional
        INT_TIMES and GROUP, row for row.
    int_times_stripe : table, optional
        The times of each stripe, where an integration was read in several.
    """

    data: Annotated[Float, Plane("SCI", "f4", _RAMP, required=True)]
    groupdq: Annotated[GroupFlags, Plane("GROUPDQ", "u1", _RAMP, fill=0)]
    pixeldq: Annotated[Flags, Plane("PIXELDQ", "u4", fill=0)]
    zeroframe: Annotated[Float, Plane("ZEROFRAME", "f4", _INTS)] | None = None
    average_dark_current: Annotated[Float, Plane("AVDRKCUR", "f4")] | None = None
    int_times: Annotated[Table, TableExtension("INT_TIMES")] | None = None
    int_times_stripe: Annotated[Table, TableExtension("INT_TIMES_STRIPE")] | None = None
    group: Annotated[Table, TableExtension("GROUP")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer(Record):
    """Values that a step found besides its result: `data` ([[n_int,] n_group,] ny, nx)."""

    aside: ClassVar[bool] = True
    data: Annotated[Float, Plane("SCI", "f4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rate(Record):
    """Count rates of one exposure, as one image or one per integration.

    Attributes
    ----------
    data, err : float32 ([n_int,] ny, nx)
        Count rate and its standard deviation [DN/s]; NaN where there is none.
    dq : uint32 ([n_int,] ny, nx)
        Flags.
    var_poisson, var_rnoise : float32 ([n_int,] ny, nx)
        Variances due to photons and to read noise [(DN/s)^2].
    """

    data: Annotated[Float, Plane("SCI", "f4", required=True)]
    err: Annotated[Float, Plane("ERR", "f4", fill=0)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]
    var_poisson: Annotated[Float, Plane("VAR_POISSON", "f4")] | None = None
    var_rnoise: Annotated[Float, Plane("VAR_RNOISE", "f4")] | None = None
    int_times: Annotated[Table, TableExtension("INT_TIMES")] | None = None
    int_times_stripe: Annotated[Table, TableExtension("INT_TIMES_STRIPE")] | None = None

    @property
    def per_integration(self) -> bool:
        """True if there is one image for each integration."""
        return self.data.ndim == 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Image(Rate):
    """A calibrated exposure, or one on its way there; fields as in `Rate`, in units of BUNIT.

    Attributes
    ----------
    var_flat : float32 ([n_int,] ny, nx), optional
        Variance due to the flat field.
    area : float32 (ny, nx), optional
        Pixel area on the sky relative to the nominal one.
    trace_model : float32 (ny, nx), optional
        What compact sources in a slit or slices of an image slicer give, by a model of their traces; NaN
        elsewhere.
    wcs : gwcs.WCS, optional
        World coordinates; x and y count from 0 in this sub-array.
    """

    var_flat: Annotated[Float, Plane("VAR_FLAT", "f4")] | None = None
    area: Annotated[Float, Plane("AREA", "f4", single=True)] | None = None
    trace_model: Annotated[Float, Plane("TRACEMODEL", "f4", single=True)] | None = None
    wcs: Annotated[Any, Node("meta.wcs")] = None

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """Return a rate as the image that stage 2 works on."""
        return cls(**{item.name: getattr(rate, item.name) for item in fields(rate)})


@dataclass(frozen=True, eq=False, kw_only=True)
class Mosaic(Record):
    """Exposures combined on one grid.

    Attributes
    ----------
    data, err : float32 (ny, nx)
        Combined image and its standard deviation, in units of BUNIT; NaN where nothing fell.
    wht : float32 (ny, nx)
        Sum of weights.
    dq : uint32 (ny, nx), optional
        Flags of all that contributed, joined by "or".
    con : int32 (n_plane, ny, nx)
        Which inputs contributed, one bit each, 32 to a plane.
    var_poisson, var_rnoise, var_flat : float32 (ny, nx), optional
        Variances by origin.
    hdrtab : table, optional
        One row of header values for each input; columns are called by dotted names.
    wcs : gwcs.WCS
        World coordinates.
    """

    data: Annotated[Float, Plane("SCI", "f4", required=True)]
    err: Annotated[Float, Plane("ERR", "f4")] | None = None
    wht: Annotated[Float, Plane("WHT", "f4", fill=0)]
    dq: Annotated[Flags, Plane("DQ", "u4")] | None = None
    con: Annotated[NDArray[np.int32], Plane("CON", "i4", ("plane", "y", "x"))] | None = None
    var_poisson: Annotated[Float, Plane("VAR_POISSON", "f4")] | None = None
    var_rnoise: Annotated[Float, Plane("VAR_RNOISE", "f4")] | None = None
    var_flat: Annotated[Float, Plane("VAR_FLAT", "f4")] | None = None
    hdrtab: Annotated[Table, TableExtension("HDRTAB", dotted=True)] | None = None
    wcs: Annotated[Any, Node("meta.wcs")] = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Segmentation(Record):
    """Which pixel belongs to which source: uint32 (ny, nx), 0 where to none."""

    data: Annotated[NDArray[np.uint32], Plane("SCI", "u4", required=True)]
    wcs: Annotated[Any, Node("meta.wcs")] = None


@dataclass(frozen=True, eq=False)
class Catalog:
    """A table of sources, an `astropy.table.Table`, written as ``ecsv``, ``csv`` or ``fits``."""

    table: Any
    format: str = "ecsv"


R = TypeVar("R", bound=Any)


@dataclass(frozen=True, eq=False)
class Group(Generic[R]):
    """Exposures that a stage-3 product is made of, or what was made of each.

    Attributes
    ----------
    name : str
        Name of the product, without suffix.
    members : tuple of records, or of catalogues
        The exposures, in the association's order.
    association : str
        File name of the association, recorded in products.
    """

    name: str
    members: tuple[R, ...]
    association: str = ""

    def with_members(self, members: "tuple[R, ...] | list[R]") -> "Group[R]":
        """Return the same product made of other (changed) exposures."""
        return Group(self.name, tuple(members), self.association)

    def in_time_order(self) -> list[tuple[int, R]]:
        """Return the exposures, and segments of them, from first to last, with their places in `members`.

        Raises
        ------
        KeywordMissing, KeywordInvalid
            One does not say when it began.
        """
        begun = [
            (member.meta.number("exposure.start_time"), member.meta.first_integration, place)
            for place, member in enumerate(self.members)
        ]
        return [(place, self.members[place]) for _, _, place in sorted(begun)]


__all__ = [
    "Catalog",
    "Flags",
    "Float",
    "Group",
    "GroupFlags",
    "Image",
    "Layer",
    "Mosaic",
    "Ramp",
    "Rate",
    "Segmentation",
    "Table",
]
