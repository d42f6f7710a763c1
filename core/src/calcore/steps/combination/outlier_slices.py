"""Find pixels of image slicers that stand out from their neighbours in every exposure."""

from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, StepSkipped
from calcore.flags import DQ
from calcore.kernels.invalid import reconcile
from calcore.kernels.neighbour_differences import (
    above_percentile,
    nearest_difference,
    prominence,
)
from calcore.model import Group, Image, Meta
from calcore.parameters import Doc, Range
from calcore.step import ALONE, Room, Step

F4 = NDArray[np.float32]
_BORDER = 4
"""Rows and columns at the edges that do not tell what is usual [pixel]."""


@dataclass(frozen=True, kw_only=True)
class OutlierSlices(Step):
    """Flag pixels of image slicers that differ from their neighbours in all exposures alike.

    Bad pixels of such detectors come and go within days, and an image slicer's exposures cannot be
    compared on a common grid. Of each pixel's differences to its two neighbours across the
    dispersion the lesser is taken, and of these the least of all exposures of a detector. What
    exceeds the local median of these most is flagged OUTLIER and DO_NOT_USE in all of them.
    """

    kernel_size: Annotated[str, Doc("Rows and columns of the median's window [pixel].")] = "7 7"
    threshold_percent: Annotated[
        float, Range(0, 100), Doc("Flag what exceeds this percentile of the ratio to the median.")
    ] = 99.8
    ifu_second_check: Annotated[
        bool, Doc("Flag pixels, too, that have no neighbour to differ from in any exposure.")
    ] = False
    beyond: Annotated[
        Literal["missing", "zero"],
        Doc("Pixels beyond the detector's edges are missing, or are 0."),
    ] = "missing"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._window()

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Group[Image]:
        """Return the exposures with outliers flagged, and NaN in place of all that is not usable."""
        if len(group.members) < 2:
            raise StepSkipped("it takes at least two exposures to tell bad pixels from sources")
        found = {
            detector: self._outliers(group, detector, room)
            for detector in dict.fromkeys(member.meta.detector for member in group.members)
        }

        def flagged(member: Image) -> Image:
            flags = np.where(
                found[member.meta.detector],
                np.uint32(DQ.OUTLIER | DQ.DO_NOT_USE),
                np.uint32(0),
            )
            member = member.loaded()
            planes = {
                name: getattr(member, name)
                for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
            }
            result = member.replace(**reconcile(member.dq | flags, planes))
            return result.with_planes(room.kept)

        return group.with_members(list(room.ahead(flagged, group.members)))

    def _outliers(self, group: Group[Image], detector: str, room: Room) -> NDArray[np.bool_]:
        """Return which pixels of a detector stand out in all its exposures."""
        members = [member for member in group.members if member.meta.detector == detector]
        shapes = {member.data.shape for member in members}
        if len(shapes) > 1:
            raise BadParameter(
                f"exposures of {detector} differ in shape ({sorted(shapes)}); combine those of one "
                "sub-array, or leave outlier_detection out with --skip outlier_detection"
            )
        least = reduce(np.fmin, room.ahead(self._differences, members))
        ratio = prominence(least, self._window(), self.beyond)
        outliers = above_percentile(ratio, self.threshold_percent, _BORDER)
        return outliers | np.isnan(least) if self.ifu_second_check else outliers

    def _differences(self, member: Image) -> F4:
        member = member.loaded("data", "dq")
        data = np.where(member.dq & DQ.DO_NOT_USE, np.float32(np.nan), member.data)
        return nearest_difference(data, _axis_across(member.meta), self.beyond)

    def _window(self) -> tuple[int, int]:
        """Return the window's rows and columns, given as text."""
        try:
            rows, columns = (int(word) for word in self.kernel_size.replace(",", " ").split())
        except ValueError:
            rows = columns = 0
        if rows < 1 or columns < 1 or not rows % 2 or not columns % 2:
            raise BadParameter(
                f"outlier_detection.kernel_size is {self.kernel_size!r}; give two odd numbers, such "
                "as '7 7'"
            )
        return rows, columns


def _axis_across(meta: Meta) -> int:
    """Return the axis of arrays that is square to the dispersion: 0 is y, 1 is x."""
    return int(meta.facts.exposure_type.data["dispersion_axis"]) - 1
