"""Find pixels that only one exposure of several sees: hits and bad pixels that were missed so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, StepSkipped
from calcore.flags import DQ, interpret
from calcore.kernels.blot import blot
from calcore.kernels.combining import masked, median_of, merged
from calcore.kernels.drizzling import Drizzled, Drop
from calcore.kernels.median import median
from calcore.kernels.outlier_rule import flag_outliers
from calcore.model import Group, Image
from calcore.model.combine import by_exposure
from calcore.model.mosaic import WeightType, background, drizzled, mosaic_grid, usable, weights
from calcore.parameters import Doc, Range, Unit
from calcore.steps.comparing import ComparingStep
from calcore.wcs.mosaic import Grid, Layout

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class OutlierDetection(ComparingStep):
    """Flag pixels that differ from the median of all exposures (Fruchter & Hook 2002, section 5).

    Each exposure is drizzled onto a common grid without distortion; the median of all is
    interpolated back to the pixels of each, and what differs by more than noise and misalignment
    explain is flagged OUTLIER and DO_NOT_USE. Fewer than two exposures cannot be compared.
    """

    cites = ("Fruchter & Hook 2002, PASP 114, 144",)

    weight_type: Annotated[WeightType, Doc("Inverse variance by read noise, or exposure time.")] = (
        "ivm"
    )
    pixfrac: Annotated[float, Range(0, 1), Doc("Side of the drop over that of its pixel.")] = 1.0
    kernel: Annotated[Literal["square", "point", "turbo"], Doc("Shape of the drop.")] = "square"
    maskpt: Annotated[
        float, Range(0), Doc("Values of less weight than this times the mean weight do not count.")
    ] = 0.7
    backg: Annotated[
        float, Unit("BUNIT"), Doc("Sky that is in exposures but not in their median.")
    ] = 0.0
    resample_data: Annotated[bool, Doc("If false, compare pixels as they are.")] = True
    good_bits: Annotated[str, Doc("Flags that do not harm.")] = "~DO_NOT_USE"

    def __post_init__(self) -> None:
        super().__post_init__()
        interpret(self.good_bits)

    def apply(self, group: Group[Image]) -> Group[Image]:
        """Return the exposures with outliers flagged, and NaN in place of all that is not usable."""
        exposures = by_exposure([member.meta for member in group.members])
        if len(exposures) < 2:
            raise StepSkipped("it takes at least two exposures to tell what only one has seen")
        if self.resample_data:
            found = self._on_common_grid(group.members, exposures)
        else:
            found = self._pixel_by_pixel(group.members)
        flagged = [
            _flagged(member, mask) for member, mask in zip(group.members, found, strict=True)
        ]
        return group.with_members(flagged)

    def _on_common_grid(
        self, members: Sequence[Image], exposures: Sequence[Sequence[int]]
    ) -> list[Mask]:
        """Return the outliers of each member, found by way of a median without distortion."""
        grid = mosaic_grid(members, Layout())
        parts = [
            masked(merged([self._part(members[n], grid) for n in exposure]), self.maskpt)
            for exposure in exposures
        ]
        typical = median_of(parts, grid.shape, lesser_of_two=self.rule == "peaks")
        del parts
        found = []
        for member in members:
            model = blot(typical, grid.map_from(member.wcs, member.data.shape))
            level = background(member.meta)
            found.append(
                flag_outliers(member.data, model, member.err, level or self.backg, self.allowed)
            )
        return found

    def _part(self, member: Image, grid: Grid) -> Drizzled:
        """Return one member on the grid, without its sky."""
        data = member.data - np.float32(background(member.meta))
        weight = weights(member, self.weight_type, interpret(self.good_bits))
        return drizzled(member, [data], weight, grid, Drop(self.kernel, self.pixfrac))

    def _pixel_by_pixel(self, members: Sequence[Image]) -> list[Mask]:
        """Return the outliers of each member, compared as they are; all see the same sky."""
        shapes = {member.data.shape for member in members}
        if len(shapes) > 1:
            raise BadParameter(
                "outlier_detection.resample_data is False, but exposures differ in shape "
                f"({sorted(shapes)}); set it to True"
            )
        stack = [
            np.where(
                weights(member, self.weight_type, interpret(self.good_bits)) > 0,
                member.data - np.float32(background(member.meta)),
                np.float32(np.nan),
            )
            for member in members
        ]
        typical = median(np.stack(stack))
        threshold = self.allowed.snr[0]
        return [
            np.abs(member.data - np.float32(background(member.meta)) - typical)
            > threshold * np.nan_to_num(member.err)
            for member in members
        ]


def _flagged(member: Image, outliers: Mask) -> Image:
    """Return a member with outliers flagged, and all unusable pixels flagged and NaN alike."""
    dq = member.dq | np.where(outliers, np.uint32(DQ.OUTLIER | DQ.DO_NOT_USE), np.uint32(0))
    bad = ~usable(member.replace(dq=dq))
    dq |= np.where(bad, np.uint32(DQ.DO_NOT_USE), np.uint32(0))
    planes = {
        name: np.where(bad, np.float32(np.nan), plane)
        for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
        if (plane := getattr(member, name)) is not None
    }
    return member.replace(dq=dq, **planes)
