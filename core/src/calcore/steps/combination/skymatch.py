"""Find the level of the sky in each exposure, so that exposures agree where they overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError, StepSkipped
from calcore.flags import interpret
from calcore.kernels.sky import Clipping, Statistic, joint_level, level, offsets
from calcore.model import Group, Image
from calcore.model.combine import by_exposure
from calcore.parameters import Doc, File, Range, Unit
from calcore.step import Step
from calcore.userfiles import read_levels
from calcore.wcs.outline import outline, overlap

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SkyMatch(Step):
    """Find levels to subtract from exposures; detectors read at the same time share one.

    ``match`` finds the offsets that make exposures agree best where they overlap; ``local`` the sky
    of each, in its darkest detector; ``global`` the lowest of these for all; ``global+match`` both;
    ``user`` takes levels from a file. Levels stand in the header (BKGLEVEL, BKGSUB, BKGMETH), and later steps heed them.
    """

    skymethod: Annotated[
        Literal["match", "local", "global", "global+match", "user"], Doc("How levels are found.")
    ] = "match"
    match_down: Annotated[bool, Doc("Match to the lowest exposure rather than the highest.")] = True
    subtract: Annotated[bool, Doc("Subtract the level from the data.")] = False
    skylist: Annotated[
        str | None,
        File(),
        Doc("Text file for skymethod user: file name and level on each line."),
    ] = None
    stepsize: Annotated[
        int | None, Range(1), Unit("pixel"), Doc("Spacing of outline points; None: corners.")
    ] = None
    skystat: Annotated[Statistic, Doc("What is taken for the level of many pixels.")] = "mode"
    dqbits: Annotated[str, Doc("Flags that do not harm.")] = "~DO_NOT_USE+NON_SCIENCE"
    lower: Annotated[float | None, Unit("BUNIT"), Doc("Lowest value that counts.")] = None
    upper: Annotated[float | None, Unit("BUNIT"), Doc("Highest value that counts.")] = None
    nclip: Annotated[int, Range(0), Doc("Rounds of clipping.")] = 5
    lsigma: Annotated[float, Range(0), Unit("sigma"), Doc("Lower clipping limit.")] = 4.0
    usigma: Annotated[float, Range(0), Unit("sigma"), Doc("Upper clipping limit.")] = 4.0
    binwidth: Annotated[
        float, Range(0), Unit("sigma"), Doc("Bin of the histogram for mode and midpt.")
    ] = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        interpret(self.dqbits)

    def apply(self, group: Group[Image]) -> Group[Image]:
        """Return the exposures with their levels in the header, subtracted if that is asked for."""
        members = group.members
        for member in members:
            if member.meta.get("background.subtracted", False) and not self.subtract:
                raise CalcoreError(
                    f"the sky of {member.meta.get('filename', 'an exposure')} was subtracted before "
                    "(BKGSUB); set skymatch.subtract to true, or skip skymatch"
                )
        if self.skymethod == "user":
            if not self.skylist:
                raise CalcoreError("skymethod is user: give skymatch.skylist, a file of levels")
            names = [str(member.meta.get("filename", "")) for member in members]
            levels = np.array(read_levels(self.skylist, names))
        else:
            exposures = by_exposure([member.meta for member in members])
            found = self._levels([[members[n] for n in numbers] for numbers in exposures])
            levels = np.empty(len(members))
            for numbers, value in zip(exposures, found, strict=True):
                levels[numbers] = value
        return group.with_members(
            [self._with_level(m, float(v)) for m, v in zip(members, levels, strict=True)]
        )

    def _levels(self, exposures: Sequence[Sequence[Image]]) -> NDArray[np.float64]:
        """Return one level for each exposure."""
        good = [[self._good(member) for member in exposure] for exposure in exposures]
        total = np.zeros(len(exposures))
        if "match" in self.skymethod:
            if len(exposures) < 2 and self.skymethod == "match":
                raise StepSkipped("there is but one exposure, which needs no matching")
            total = self._matched(exposures, good)
        if self.skymethod == "match":
            return total
        pairs = zip(exposures, good, strict=True)
        local = np.array([np.fmin.reduce(self._each(*pair)[0]) for pair in pairs])
        if not np.isfinite(local).any():
            raise StepSkipped("no exposure has a pixel to find the sky from")
        local = np.where(np.isfinite(local), local, np.nanmin(local))
        return local if self.skymethod == "local" else total + np.min(local - total)

    def _matched(
        self, exposures: Sequence[Sequence[Image]], good: Sequence[Sequence[Mask]]
    ) -> NDArray[np.float64]:
        """Return offsets that make exposures agree where they overlap."""
        size = len(exposures)
        outlines = [[outline(m.wcs, self.stepsize) for m in exposure] for exposure in exposures]
        members = list(zip(exposures, good, outlines, strict=True))
        seen = np.full((size, size), np.nan)
        counts = np.zeros((size, size))
        for i in range(size):
            for j in range(size):
                if i != j:
                    common = [
                        mask & overlap(member.wcs, mask.shape, own, outlines[j])
                        for member, mask, own in zip(*members[i], strict=True)
                    ]
                    seen[i, j], counts[i, j] = joint_level(*self._each(exposures[i], common))
        both = (counts > 0) & (counts.T > 0)
        weight = np.where(both, (counts + counts.T) / 2, 0.0)
        if not both.any():
            raise StepSkipped("no two exposures overlap")
        found = offsets(np.where(both, seen - seen.T, 0.0), weight)
        lowest = np.nanmin(found) if self.match_down else np.nanmax(found)
        return np.where(np.isfinite(found), found - lowest, 0.0)

    def _each(self, exposure: Sequence[Image], masks: Sequence[Mask]) -> NDArray[np.float64]:
        """Return the sky's level in some pixels of each detector, and how many they are, (2, n)."""
        clipping = Clipping(self.nclip, self.lsigma, self.usigma, self.lower, self.upper)
        values = [member.data[mask] for member, mask in zip(exposure, masks, strict=True)]
        return np.array([level(v, self.skystat, clipping, self.binwidth) for v in values]).T

    def _good(self, member: Image) -> Mask:
        harm = np.uint32(~interpret(self.dqbits) & 0xFFFFFFFF)
        return np.asarray(np.isfinite(member.data) & ((member.dq & harm) == 0))

    def _with_level(self, member: Image, value: float) -> Image:
        changes: dict[str, Any] = {
            "background.method": self.skymethod,
            "background.level": value,
            "background.subtracted": self.subtract,
        }
        if not self.subtract:
            return member.replace(meta=member.meta.set(changes))
        if member.meta.get("background.subtracted", False):
            changes["background.level"] += float(member.meta.get("background.level", 0.0))
        return member.replace(meta=member.meta.set(changes), data=member.data - np.float32(value))
