"""Combine exposures of a slit into one rectified spectrum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from calcore.errors import BadParameter
from calcore.flags import DQ
from calcore.kernels.drizzling import Drop
from calcore.model import Group, Meta, Reference
from calcore.model.combine import by_exposure, header_table
from calcore.model.mosaic import WeightType
from calcore.model.rectified import grid_of, rectified_meta, within_slit
from calcore.model.slit import RectifiedSlit, Slit
from calcore.parameters import Doc, File, Range, Unit
from calcore.step import ALONE, Room, Step
from calcore.steps.averaging import Averaging, fill_value
from calcore.steps.combinable import check_exposure, check_usable
from calcore.wcs.rectified import Measure, RectifiedGrid

_FLUXES = frozenset({"MJy"})
"""Units of what a pixel catches; others are surface brightness."""


@dataclass(frozen=True, kw_only=True)
class ResampleSpec(Step):
    """Drizzle all exposures of a slit onto one grid of places and wavelengths (Fruchter & Hook 2002).

    Pixels of the grid are those of the first exposure as they would be if its trace were straight.
    Variances are combined as those of a weighted mean of exposures, each first averaged onto the
    grid by its square root: neighbouring pixels are correlated, and the errors of a sum over pixels
    come out as if they were not.
    """

    cites = ("Fruchter & Hook 2002, PASP 114, 144",)
    pixfrac: Annotated[float, Range(0, 1), Doc("Side of the drop over that of its pixel.")] = 1.0
    kernel: Annotated[Literal["square", "point"], Doc("Shape of the drop.")] = "square"
    fillval: Annotated[str, Doc("Value where nothing fell: NAN, INDEF (also NaN) or a number.")] = (
        "NAN"
    )
    weight_type: Annotated[
        WeightType | None, Doc("Inverse variance by read noise, exposure time, or none.")
    ] = "ivm"
    pixel_scale_ratio: Annotated[
        float, Range(1e-3, 1e3), Doc("Pixels along the slit for each pixel of an exposure.")
    ] = 1.0
    pixel_scale: Annotated[
        float | None, Range(1e-6), Unit("arcsec"), Doc("Size of pixels along the slit.")
    ] = None
    output_wcs: Annotated[
        str, File(), Doc("ASDF file with the gWCS of the spectrum under the key wcs.")
    ] = ""
    output_shape: Annotated[
        tuple[int, int] | None, Doc("Columns and rows; None: what output_wcs says.")
    ] = None
    single: Annotated[Literal[False], Doc("One spectrum of all; not each on its own.")] = False
    blendheaders: Annotated[bool, Doc("Keep all headers as a table, and blend them.")] = True
    propagate_dq: Annotated[bool, Doc("Join the flags of all that contributed.")] = False
    along: Annotated[
        Measure,
        Doc(
            "How places are measured: along the slit, so that all pixels have one; or along the axis "
            "of the sky that is closer to it, about the first exposure's mean position, so that "
            "pixels at an end may have none."
        ),
    ] = "axis"

    def __post_init__(self) -> None:
        super().__post_init__()
        fill_value("resample_spec", self.fillval)
        if self.output_shape is not None and not self.output_wcs:
            raise BadParameter(
                "resample_spec.output_shape is the size of what output_wcs describes; give that, too, or "
                "leave it out"
            )

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Leave out exposures that are not to be combined."""
        del references
        check_exposure(meta)

    def apply(self, group: Group[Slit], *, room: Room = ALONE) -> RectifiedSlit:
        """Return the spectrum of all members."""
        check_usable(group)
        grid = grid_of(
            group.members,
            self.along,
            fineness=self.pixel_scale_ratio,
            scale_arcsec=self.pixel_scale,
            path=self.output_wcs,
            shape=self.output_shape,
        )
        members = [within_slit(member) for member in group.members]
        averaging = Averaging(
            drop=Drop(self.kernel, self.pixfrac), weight_type=self.weight_type,
            fill=fill_value("resample_spec", self.fillval), flags=self.propagate_dq,
            variance_divisor=1 / grid.fineness,
        )  # fmt: skip
        average = averaging.of(members, grid, room)
        share = 1.0
        if members[0].meta.get("bunit_data") in _FLUXES:
            share = 1 / grid.fineness  # a pixel catches what falls on its part of the slit
        empty = np.where(average.wht == 0, np.uint32(DQ.DO_NOT_USE | DQ.NON_SCIENCE), np.uint32(0))
        planes: dict[str, Any] = {
            name: plane * np.float32(share**2) for name, plane in average.variances.items()
        }
        err = average.err
        return RectifiedSlit(
            meta=self._meta([member.meta for member in members], grid),
            data=average.data * np.float32(share),
            err=np.full_like(average.wht, np.nan) if err is None else err * np.float32(share),
            dq=empty if average.dq is None else empty | average.dq,
            wht=average.wht,
            con=average.con,
            wavelength=grid.wavelength,
            hdrtab=header_table([m.meta for m in members]) if self.blendheaders else None,
            wcs=grid.wcs,
            **planes,
        )

    def _meta(self, metas: Sequence[Meta], grid: RectifiedGrid) -> Meta:
        """Return the metadata of the spectrum."""
        own = ("weight_type", "pixfrac", "kernel", "fillval")
        changes: dict[str, Any] = {f"resample.{name}": getattr(self, name) for name in own}
        changes["resample.pointings"] = len(by_exposure(metas))
        changes["resample.pixel_scale_ratio"] = grid.fineness
        return rectified_meta(metas, grid, mixed=self.blendheaders).set(changes)
