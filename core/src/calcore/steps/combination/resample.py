"""Combine exposures on one grid without distortion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.flags import interpret
from calcore.kernels.combining import Sums
from calcore.kernels.drizzling import Drizzled, Drop, Shape
from calcore.model import Group, Image, Meta, Mosaic, Reference
from calcore.model.combine import by_exposure, header_table
from calcore.model.mosaic import (
    WeightType,
    background,
    drizzled,
    exposure_time,
    mosaic_grid,
    mosaic_meta,
    weights,
)
from calcore.model.mosaic_noise import correlation, in_words, layers
from calcore.parameters import Doc, Range
from calcore.step import ALONE, Room
from calcore.steps.combinable import check_exposure, check_members
from calcore.steps.gridding import GriddingStep
from calcore.wcs.mosaic import Grid

GOOD_BITS = interpret("~DO_NOT_USE+NON_SCIENCE")
VARIANCES = ("var_rnoise", "var_poisson", "var_flat")


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
        self._fill()

    def _fill(self) -> float:
        if self.fillval.upper() in {"NAN", "INDEF"}:
            return np.nan
        try:
            return float(self.fillval)
        except ValueError:
            raise BadParameter(
                f"resample.fillval must be NAN, INDEF or a number, not {self.fillval!r}"
            ) from None

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Leave out exposures that are not to be combined."""
        del references
        check_exposure(meta)

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Mosaic:
        """Return the mosaic of all members."""
        members = group.members
        grid = mosaic_grid(members, self.layout, self.output_wcs)
        check_members(group)
        names = [
            name
            for name in VARIANCES
            if self.enable_err and all(getattr(member, name) is not None for member in members)
        ]
        sums = Sums.over(grid.shape, len(members), len(names), self.enable_ctx, self.propagate_dq)
        drop = Drop(self.kernel, self.pixfrac, grid.pixel_scale_ratio)

        def part_of(member: Image) -> Drizzled:
            member = member.loaded()
            planes = np.empty((1 + len(names), *member.data.shape), np.float32)
            np.subtract(member.data, np.float32(background(member.meta)), out=planes[0])
            # Averaging square roots is what makes errors add up over correlated pixels.
            for name, root in zip(names, planes[1:], strict=True):
                np.sqrt(getattr(member, name), out=root)
            weight = weights(member, self.weight_type, GOOD_BITS)
            return drizzled(member, planes, weight, grid, drop, flags=self.propagate_dq)

        for number, part in enumerate(room.ahead(part_of, members)):
            weight = self._variance_weight(members[number].meta, part.planes[1:], names)
            sums.add(part, number, weight)
        data, wht, variances = sums.result(self._fill())
        variances = [plane / np.float32(grid.pixel_scale_ratio**2) for plane in variances]
        reported: dict[str, Any] = {}
        if self.report_var:
            reported.update(zip(names, variances, strict=True))
        return Mosaic(
            meta=self._meta(members, grid),
            data=data,
            err=np.sqrt(np.sum(variances, axis=0)) if names else None,
            wht=wht,
            dq=sums.dq,
            con=sums.context,
            hdrtab=header_table([m.meta for m in members]) if self.blendheaders else None,
            wcs=grid.wcs,
            **reported,
        )

    def _variance_weight(
        self, meta: Meta, roots: NDArray[np.float32], names: list[str]
    ) -> NDArray[np.float32] | float:
        """Return the weight of an exposure in the mean of variances."""
        if self.weight_type == "ivm" and "var_rnoise" in names:
            with np.errstate(divide="ignore"):
                return np.asarray(1 / roots[names.index("var_rnoise")] ** 2, np.float32)
        return exposure_time(meta) if self.weight_type == "exptime" else 1.0

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
            changes |= in_words(correlation(layers(members), grid, drop))
        return meta.set(changes)
