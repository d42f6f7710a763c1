"""Find pixels of image slicers that stand out from their neighbours in every exposure."""

from collections.abc import Sequence
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
_APART_DEG = 0.1 / 3600
"""A source that moves by less stays in its pixel."""
_LARGEST = 99
"""Sides of a median's window; larger ones would take hours, and are not local."""


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
    unmoved: Annotated[
        Literal["leave", "judge"],
        Doc("Exposures of a detector that all saw one place, where sources are alike in all."),
    ] = "leave"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._window()

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Group[Image]:
        """Return the exposures with outliers flagged, and NaN in place of all that is not usable."""
        if len(group.members) < 2:
            raise StepSkipped("it takes at least two exposures to tell bad pixels from sources")
        detectors: dict[str, list[Image]] = {}
        for member in group.members:
            detectors.setdefault(member.meta.detector, []).append(member)
        found = {
            detector: self._outliers(members, room)
            for detector, members in detectors.items()
            if self.unmoved == "judge" or _moved([member.meta for member in members])
        }
        if not found:
            raise StepSkipped(
                "it takes exposures of two places to tell bad pixels from sources; set "
                "outlier_detection.unmoved=judge to look for them in one"
            )

        def flagged(member: Image) -> Image:
            outliers = found.get(member.meta.detector, np.zeros((), np.bool_))
            flags = np.where(outliers, np.uint32(DQ.OUTLIER | DQ.DO_NOT_USE), np.uint32(0))
            member = member.loaded()
            planes = {
                name: getattr(member, name)
                for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
            }
            result = member.replace(**reconcile(member.dq | flags, planes))
            return result.with_planes(room.kept)

        return group.with_members(list(room.ahead(flagged, group.members)))

    def _outliers(self, members: Sequence[Image], room: Room) -> NDArray[np.bool_]:
        """Return which pixels of a detector stand out in all its exposures."""
        shapes = {member.data.shape for member in members}
        if len(shapes) > 1:
            raise BadParameter(
                f"exposures of {members[0].meta.detector} differ in shape ({sorted(shapes)}); combine those of one "
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
        if not all(1 <= size <= _LARGEST and size % 2 for size in (rows, columns)):
            raise BadParameter(
                f"outlier_detection.kernel_size is {self.kernel_size!r}; give two odd numbers up to "
                f"{_LARGEST}, such as '7 7'"
            )
        return rows, columns


def _moved(metas: Sequence[Meta]) -> bool:
    """Return whether exposures saw different places of the sky, or do not tell."""
    told = [meta.get(f"wcsinfo.{name}") for name in ("ra_ref", "dec_ref") for meta in metas]
    if len(metas) < 2 or None in told:
        return len(metas) > 1
    ra, dec = np.array(told, np.float64).reshape(2, -1)
    east = ((ra - ra[0] + 180) % 360 - 180) * np.cos(np.radians(dec[0]))
    return bool(np.hypot(east, dec - dec[0]).max() > _APART_DEG)


def _axis_across(meta: Meta) -> int:
    """Return the axis of arrays that is square to the dispersion: 0 is y, 1 is x."""
    return int(meta.facts.exposure_type.data["dispersion_axis"]) - 1
