"""Find the level of the sky in each exposure, so that exposures agree where they overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError, StepSkipped
from calcore.flags import interpret
from calcore.kernels.ordered import Ordered, OrderedImage
from calcore.kernels.sky import Clipping, Statistic, joint_level, level, offsets
from calcore.model import Group, Image
from calcore.model.combine import by_exposure
from calcore.parameters import Doc, File, Range, Unit
from calcore.step import ALONE, Room, Step
from calcore.userfiles import read_levels
from calcore.wcs.outline import outline, overlaps


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

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Group[Image]:
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
            found = self._levels([[members[n] for n in numbers] for numbers in exposures], room)
            number_of = {member: n for n, numbers in enumerate(exposures) for member in numbers}
            levels = found[[number_of[member] for member in range(len(members))]]
        return group.with_members(
            [self._with_level(m, float(v)) for m, v in zip(members, levels, strict=True)]
        )

    def _levels(self, exposures: Sequence[Sequence[Image]], room: Room) -> NDArray[np.float64]:
        """Return one level for each exposure."""
        size, matching = len(exposures), "match" in self.skymethod
        if size < 2 and self.skymethod == "match":
            raise StepSkipped("there is but one exposure, which needs no matching")
        outlines = [[outline(m.wcs, self.stepsize) for m in exposure] for exposure in exposures]
        looks = [(n, *p) for n, e in enumerate(exposures) for p in zip(e, outlines[n], strict=True)]

        def seen(detector: tuple[int, Image, Any]) -> list[tuple[float, int]]:
            """Return the sky of a detector where each exposure looks; of its own, all of it."""
            number, member, own = detector
            pixels = OrderedImage.of(self._counting(member))
            found = [(np.nan, 0)] * size
            found[number] = self._level(Ordered(pixels.whole))
            others = [other for other in range(size) if matching and other != number]
            common = overlaps(member.wcs, member.data.shape, own, [outlines[n] for n in others])
            for other, spans in zip(others, common, strict=True):
                found[other] = self._level(pixels.within(spans))
            return found

        table = np.array(list(room.ahead(seen, looks)))  # (detector, exposure, level and count)
        owner = np.array([number for number, *_ in looks])
        own = table[np.arange(len(owner)), owner, 0]
        local = np.array([np.fmin.reduce(own[owner == n]) for n in range(size)])
        parts = [table[owner == n] for n in range(size)]
        total = self._matched(parts) if matching else np.zeros(size)
        if self.skymethod == "match":
            return total
        if not np.isfinite(local).any():
            raise StepSkipped("no exposure has a pixel to find the sky from")
        local = np.where(np.isfinite(local), local, np.nanmin(local))
        return local if self.skymethod == "local" else total + np.min(local - total)

    def _matched(self, detectors: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return offsets that make exposures agree where they overlap."""
        joint = [[joint_level(*look.T) for look in np.moveaxis(part, 0, 1)] for part in detectors]
        seen, counts = np.moveaxis(np.array(joint), -1, 0)
        both = (counts > 0) & (counts.T > 0) & ~np.eye(len(counts), dtype=bool)
        weight = np.where(both, (counts + counts.T) / 2, 0.0)
        if not both.any():
            raise StepSkipped("no two exposures overlap")
        found = offsets(np.where(both, seen - seen.T, 0.0), weight)
        lowest = np.nanmin(found) if self.match_down else np.nanmax(found)
        return np.where(np.isfinite(found), found - lowest, 0.0)

    def _level(self, part: Ordered) -> tuple[float, int]:
        clips = Clipping(self.nclip, self.lsigma, self.usigma)
        return level(part, self.skystat, clips, self.binwidth)

    def _counting(self, member: Image) -> NDArray[np.float32]:
        """Return the data of a member; NaN where a pixel does not count."""
        member = member.loaded("data", "dq")
        harm = np.uint32(~interpret(self.dqbits) & 0xFFFFFFFF)
        good = np.isfinite(member.data) & ((member.dq & harm) == 0)
        good &= member.data >= (-np.inf if self.lower is None else self.lower)
        good &= member.data <= (np.inf if self.upper is None else self.upper)
        return np.where(good, member.data, np.float32(np.nan))

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
