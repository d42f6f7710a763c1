"""Find pixels that only one exposure of several sees: hits and bad pixels that were missed so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, StepSkipped
from calcore.flags import interpret
from calcore.kernels.blot import blot
from calcore.kernels.combining import Patch, masked, median_of, merged
from calcore.kernels.drizzling import Drizzled, Drop
from calcore.kernels.outlier_rule import HALO, flag_outliers
from calcore.model import Group, Image
from calcore.model.blanked import with_flags
from calcore.model.combine import by_exposure
from calcore.model.mosaic import (
    ROWS_AT_ONCE,
    background,
    drizzled,
    mosaic_grid,
    net,
    weights,
)
from calcore.parameters import Doc, Unit
from calcore.step import ALONE, Room
from calcore.steps.comparing import ComparingStep, with_outliers
from calcore.wcs.mosaic import Layout

Mask = NDArray[np.bool_]
Find = Callable[[int, Image], Mask]
"""Returns the outliers in some rows of a member, given its number and these rows."""


@dataclass(frozen=True, kw_only=True)
class OutlierDetection(ComparingStep):
    """Flag pixels that differ from the median of all exposures (Fruchter & Hook 2002, section 5).

    Each exposure is drizzled onto a common grid without distortion; the median of all is
    interpolated back to the pixels of each, and what differs by more than noise and misalignment
    explain is flagged OUTLIER and DO_NOT_USE. Fewer than two exposures cannot be compared.
    """

    cites = ("Fruchter & Hook 2002, PASP 114, 144",)

    backg: Annotated[
        float, Unit("BUNIT"), Doc("Sky that is in exposures but not in their median.")
    ] = 0.0
    resample_data: Annotated[bool, Doc("If false, compare pixels as they are.")] = True

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Group[Image]:
        """Return the exposures with outliers flagged, and NaN in place of all that is not usable."""
        exposures = by_exposure([member.meta for member in group.members])
        if len(exposures) < 2:
            raise StepSkipped("it takes at least two exposures to tell what only one has seen")
        find = self._on_common_grid if self.resample_data else self._pixel_by_pixel
        outliers = find(group.members, exposures, room)

        def flagged(number: int) -> Image:
            member = group.members[number]
            dq = np.empty(member.data.shape, np.uint32)
            for band in member.frame.tiles(ROWS_AT_ONCE, member.data.shape[-1]):
                around = band.grown(HALO)
                part = member.replace(area=None).cut(around)
                dq[band.rows] = with_outliers(part, outliers(number, part))[band.within(around)]
            return with_flags(member, dq, room.kept)

        return group.with_members(list(room.ahead(flagged, range(len(group.members)))))

    def _on_common_grid(
        self, members: Sequence[Image], exposures: Sequence[Sequence[int]], room: Room
    ) -> Find:
        """Return what finds the outliers of a member by way of a median without distortion."""
        grid = mosaic_grid(members, Layout())
        places = [grid.map_from(member.wcs, member.data.shape) for member in members]
        drop = Drop(self.kernel, self.pixfrac)

        def on_grid(number: int) -> Drizzled:
            image, at = members[number], places[number]
            return drizzled(image, lambda p: [net(p)], self._weights, at, grid.shape, drop)

        def patch(exposure: Sequence[int]) -> Patch:
            parts = [on_grid(number) for number in exposure]
            found = masked(merged(parts), self.maskpt)
            return replace(found, image=room.kept(found.image))

        patches = list(room.ahead(patch, exposures))
        typical = median_of(patches, grid.shape, lesser_of_two=self.rule == "peaks", each=room.each)

        def outliers(number: int, part: Image) -> Mask:
            model = blot(typical, places[number].on_rows(part.frame.row_start, part.frame.row_stop))
            level = background(part.meta) or self.backg
            return flag_outliers(part.data, model, part.err, level, self.allowed)

        return outliers

    def _weights(self, part: Image) -> NDArray[np.float32]:
        return weights(part, self.weight_type, interpret(self.good_bits))

    def _pixel_by_pixel(
        self, members: Sequence[Image], exposures: Sequence[Sequence[int]], room: Room
    ) -> Find:
        """Return what finds the outliers of a member as it is; all see the same sky."""
        del exposures
        shapes = {member.data.shape for member in members}
        if len(shapes) > 1:
            raise BadParameter(
                "outlier_detection.resample_data is False, but exposures differ in shape "
                f"({sorted(shapes)}); set it to True"
            )

        def patch(member: Image) -> Patch:
            member = member.loaded()
            image = np.where(self._weights(member) > 0, net(member), np.float32(np.nan))
            return Patch(slice(0, image.shape[0]), slice(0, image.shape[1]), room.kept(image))

        typical = median_of(list(room.ahead(patch, members)), shapes.pop(), each=room.each)
        threshold = self.allowed.snr[0]

        def outliers(number: int, part: Image) -> Mask:
            del number
            off = np.abs(net(part) - typical[part.frame.rows])
            return np.asarray(off > threshold * np.nan_to_num(part.err))

        return outliers
