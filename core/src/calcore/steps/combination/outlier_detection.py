"""Find pixels that only one exposure of several sees: hits and bad pixels that were missed so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, StepSkipped
from calcore.flags import DQ, interpret
from calcore.kernels.blot import blot
from calcore.kernels.combining import Patch, masked, median_of, merged
from calcore.kernels.drizzling import Drizzled, Drop
from calcore.kernels.outlier_rule import flag_outliers
from calcore.model import Group, Image
from calcore.model.combine import by_exposure
from calcore.model.mosaic import WeightType, background, drizzled, mosaic_grid, usable, weights
from calcore.parameters import Doc, Range, Unit
from calcore.step import ALONE, Room
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

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Group[Image]:
        """Return the exposures with outliers flagged, and NaN in place of all that is not usable."""
        exposures = by_exposure([member.meta for member in group.members])
        if len(exposures) < 2:
            raise StepSkipped("it takes at least two exposures to tell what only one has seen")
        if self.resample_data:
            outliers = self._on_common_grid(group.members, exposures, room)
        else:
            outliers = self._pixel_by_pixel(group.members, room)

        def flagged(member: Image) -> Image:
            member = member.loaded()
            return _flagged(member, outliers(member)).with_planes(room.kept)

        return group.with_members(list(room.ahead(flagged, group.members)))

    def _on_common_grid(
        self, members: Sequence[Image], exposures: Sequence[Sequence[int]], room: Room
    ) -> Callable[[Image], Mask]:
        """Return what finds the outliers of a member by way of a median without distortion."""
        grid = mosaic_grid(members, Layout())

        def patch(exposure: Sequence[int]) -> Patch:
            parts = [self._part(members[number].loaded(), grid) for number in exposure]
            found = masked(merged(parts), self.maskpt)
            return replace(found, image=room.kept(found.image))

        patches = list(room.ahead(patch, exposures))
        typical = median_of(patches, grid.shape, lesser_of_two=self.rule == "peaks", each=room.each)

        def outliers(member: Image) -> Mask:
            model = blot(typical, grid.map_from(member.wcs, member.data.shape))
            level = background(member.meta) or self.backg
            return flag_outliers(member.data, model, member.err, level, self.allowed)

        return outliers

    def _part(self, member: Image, grid: Grid) -> Drizzled:
        """Return one member on the grid, without its sky."""
        data = member.data - np.float32(background(member.meta))
        weight = weights(member, self.weight_type, interpret(self.good_bits))
        return drizzled(member, [data], weight, grid, Drop(self.kernel, self.pixfrac))

    def _pixel_by_pixel(self, members: Sequence[Image], room: Room) -> Callable[[Image], Mask]:
        """Return what finds the outliers of a member as it is; all see the same sky."""
        shapes = {member.data.shape for member in members}
        if len(shapes) > 1:
            raise BadParameter(
                "outlier_detection.resample_data is False, but exposures differ in shape "
                f"({sorted(shapes)}); set it to True"
            )

        def patch(member: Image) -> Patch:
            member = member.loaded()
            good = weights(member, self.weight_type, interpret(self.good_bits)) > 0
            image = member.data - np.float32(background(member.meta))
            image = np.where(good, image, np.float32(np.nan))
            return Patch(slice(0, image.shape[0]), slice(0, image.shape[1]), room.kept(image))

        typical = median_of(list(room.ahead(patch, members)), shapes.pop(), each=room.each)
        threshold = self.allowed.snr[0]

        def outliers(member: Image) -> Mask:
            net = member.data - np.float32(background(member.meta))
            return np.asarray(np.abs(net - typical) > threshold * np.nan_to_num(member.err))

        return outliers


def _flagged(member: Image, outliers: Mask) -> Image:
    """Return a member with outliers flagged, and all unusable pixels flagged and NaN alike."""
    dq = member.dq | np.where(outliers, np.uint32(DQ.OUTLIER | DQ.DO_NOT_USE), np.uint32(0))
    bad = ~usable(member.replace(dq=dq))
    dq |= np.where(bad, np.uint32(DQ.DO_NOT_USE), np.uint32(0))
    planes = {
        name: _spoiled(plane, bad)
        for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
        if (plane := getattr(member, name)) is not None
    }
    return member.replace(dq=dq, **planes)


def _spoiled(plane: NDArray[np.float32], bad: Mask) -> NDArray[np.float32]:
    """Return a plane with NaN in some places."""
    spoiled = plane.copy()
    spoiled[bad] = np.nan
    return spoiled
