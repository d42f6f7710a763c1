"""Combine exposures on one grid without distortion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from calcore.kernels.drizzling import Drop, Shape
from calcore.model import Group, Image, Meta, Mosaic, Reference
from calcore.model.combine import by_exposure, header_table
from calcore.model.mosaic import WeightType, mosaic_grid, mosaic_meta
from calcore.model.mosaic_noise import correlation, in_words, layers
from calcore.parameters import Doc, Range
from calcore.step import ALONE, Room
from calcore.steps.averaging import Averaging, fill_value
from calcore.steps.combinable import check_exposure, check_members
from calcore.steps.gridding import GriddingStep
from calcore.wcs.mosaic import Grid


@dataclass(frozen=True, kw_only=True)
class Resample(GriddingStep):
    """Drizzle all exposures of a product onto one grid (Fruchter & Hook 2002, PASP 114, 144).

    The sky level that skymatch found and left in an exposure is subtracted. Variances are combined
    as those of a weighted mean of exposures, each first averaged onto the grid by its square root:
    neighbouring pixels of the mosaic are correlated, and the errors of a sum over pixels come out
    as if they were not.
    """

    cites = ("Fruchter & Hook 2002, PASP 114, 144",)
    pixfrac: Annotated[float, Range(0, 1), Doc("Side of the drop over that of its pixel.")] = 1.0
    kernel: Annotated[Shape, Doc("Shape of the drop.")] = "square"
    fillval: Annotated[str, Doc("Value where nothing fell: NAN, INDEF (also NaN) or a number.")] = (
        "NAN"
    )
    weight_type: Annotated[
        WeightType | None, Doc("Inverse variance by read noise, exposure time, or none.")
    ] = "ivm"
    single: Annotated[Literal[False], Doc("One mosaic of all; not each on its own.")] = False
    blendheaders: Annotated[bool, Doc("Keep all headers as a table, and blend them.")] = True
    enable_ctx: Annotated[bool, Doc("Record which exposures contributed where.")] = True
    enable_err: Annotated[bool, Doc("Compute errors.")] = True
    report_var: Annotated[bool, Doc("Keep the variances that errors are made of.")] = True
    measure_correlation: Annotated[
        bool, Doc("Measure how the noise of neighbouring pixels is correlated.")
    ] = False
    propagate_dq: Annotated[bool, Doc("Join the flags of all that contributed.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        fill_value("resample", self.fillval)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Leave out exposures that are not to be combined."""
        del references
        check_exposure(meta)

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Mosaic:
        """Return the mosaic of all members."""
        members = group.members
        grid = mosaic_grid(members, self.layout, self.output_wcs)
        check_members(group)
        averaging = Averaging(
            drop=Drop(self.kernel, self.pixfrac, grid.pixel_scale_ratio),
            weight_type=self.weight_type, fill=fill_value("resample", self.fillval),
            variances=self.enable_err, variance_divisor=grid.pixel_scale_ratio**2,
            context=self.enable_ctx, flags=self.propagate_dq,
        )  # fmt: skip
        average = averaging.of(members, grid, room)
        reported: dict[str, Any] = dict(average.variances) if self.report_var else {}
        return Mosaic(
            meta=self._meta(members, grid),
            data=average.data,
            err=average.err,
            wht=average.wht,
            dq=average.dq,
            con=average.con,
            hdrtab=header_table([m.meta for m in members]) if self.blendheaders else None,
            wcs=grid.wcs,
            **reported,
        )

    def _meta(self, members: Sequence[Image], grid: Grid) -> Meta:
        """Return the metadata of the mosaic."""
        metas = [member.meta for member in members]
        meta = mosaic_meta(metas, [m.wcs for m in members], grid, mixed=self.blendheaders)
        own = ("weight_type", "pixfrac", "kernel", "fillval")
        changes = {f"resample.{name}": getattr(self, name) for name in own}
        changes["resample.pointings"] = len(by_exposure(metas))
        changes["resample.pixel_scale_ratio"] = grid.pixel_scale_ratio
        if self.measure_correlation:
            drop = Drop(self.kernel, self.pixfrac, grid.pixel_scale_ratio)
            changes |= in_words(correlation(layers(members, grid), grid, drop))
        return meta.set(changes)
