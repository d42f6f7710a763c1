"""Find pixels of spectra that only one exposure of several sees."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.flags import interpret
from calcore.kernels.blot import blot
from calcore.kernels.combining import masked, median_of
from calcore.kernels.drizzling import Drizzled, Drop
from calcore.kernels.outlier_rule import flag_outliers
from calcore.model import Group
from calcore.model.blanked import with_flags
from calcore.model.combine import by_exposure
from calcore.model.rectified import grid_of, within_slit
from calcore.model.slit import Slit
from calcore.parameters import Doc
from calcore.step import ALONE, Room
from calcore.steps.averaging import Average, Averaging
from calcore.steps.comparing import ComparingStep, with_outliers
from calcore.wcs.rectified import Measure

Plane = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class OutlierSpectra(ComparingStep):
    """Flag pixels of spectra that differ from the median of all exposures of the slit.

    Each exposure is drizzled onto a common grid of places and wavelengths; the median of all is
    interpolated back to the pixels of each, and what differs by more than noise and misalignment
    explain is flagged OUTLIER and DO_NOT_USE (Fruchter & Hook 2002, section 5). The noise is the
    median of the exposures' errors there: an outlier's own error may be as wrong as its signal. Fewer
    than two exposures cannot be compared.
    """

    cites = ("Fruchter & Hook 2002, PASP 114, 144",)

    along: Annotated[Measure, Doc("How places along the slit are measured; see resample_spec.")] = (
        "axis"
    )

    def apply(self, group: Group[Slit], *, room: Room = ALONE) -> Group[Slit]:
        """Return the exposures with outliers flagged, and NaN in place of all that is not usable."""
        exposures = by_exposure([member.meta for member in group.members])
        if len(exposures) < 2:
            raise StepSkipped("it takes at least two exposures to tell what only one has seen")
        grid = grid_of(group.members, self.along)
        averaging = Averaging(
            drop=Drop(self.kernel, self.pixfrac), weight_type=self.weight_type,
            good_bits=interpret(self.good_bits), context=False,
        )  # fmt: skip
        parts = [
            averaging.of([within_slit(group.members[n]) for n in exposure], grid, room)
            for exposure in exposures
        ]
        data = self._typical([(part, part.data) for part in parts], room)
        noise = self._typical([(part, _error(part)) for part in parts], room)

        def flagged(member: Slit) -> Slit:
            member = member.loaded()
            rows, columns = member.data.shape
            places = grid.map_from(member.wcs, (rows, columns)).on_rows(0, rows)
            model, err = blot(data, places), blot(noise, places)
            found = flag_outliers(member.data, model, err, 0.0, self.allowed)
            return with_flags(member, with_outliers(member, found)).with_planes(room.kept)

        return group.with_members(list(room.ahead(flagged, group.members)))

    def _typical(self, planes: list[tuple[Average, Plane]], room: Room) -> Plane:
        """Return the median of exposures, where each has weight enough."""
        patches = []
        for part, plane in planes:
            whole = slice(0, plane.shape[0]), slice(0, plane.shape[1])
            patches.append(masked(Drizzled(*whole, plane[None], part.wht), self.maskpt))
        return median_of(
            patches, planes[0][1].shape, lesser_of_two=self.rule == "peaks", each=room.each
        )


def _error(part: Average) -> Plane:
    """Return the errors of an exposure; 0 where nothing is known of them."""
    return np.zeros_like(part.data) if part.err is None else np.asarray(part.err, np.float32)
