"""Parameters of steps that align exposures: how stars are matched, what is fitted and believed."""

import warnings
from dataclasses import dataclass
from typing import Annotated, Literal

from calcore.errors import Doubtful
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step
from calcore.wcs.alignment import Geometry, Matching
from calcore.wcs.solution import Limits, Solution

Arcsec = Unit("arcsec")


@dataclass(frozen=True, kw_only=True)
class AligningStep(Step):
    """Base of steps that align exposures with each other, and with a catalogue."""

    enforce_user_order: Annotated[bool, Doc("Align in the given order, not by overlap.")] = False
    expand_refcat: Annotated[
        bool, Doc("Compare also with what aligned images saw; always so with abs_refcat.")
    ] = False
    weighted: Annotated[bool, Doc("Weigh stars by how well their place is known.")] = False
    minobj: Annotated[int, Range(1), Doc("Fewest matched stars.")] = 15
    fitgeometry: Annotated[Geometry, Doc("What is fitted.")] = "rshift"
    nclip: Annotated[int, Range(0), Doc("Rounds of clipping.")] = 3
    sigma: Annotated[float, Range(0), Unit("rms"), Doc("Clipping limit.")] = 3.0
    searchrad: Annotated[float, Range(0), Arcsec, Doc("Largest offset looked for.")] = 2.0
    rematch: Annotated[
        float, Range(0), Arcsec, Doc("Match again as closely as this after a first fit; 0: do not.")
    ] = 0.0
    pixel_phase: Annotated[
        bool,
        Doc("Before that, correct places for the phase in the pixel, as exposures differ in it."),
    ] = False
    use2dhist: Annotated[bool, Doc("Find the offset in a histogram first.")] = True
    separation: Annotated[float, Range(0), Arcsec, Doc("Least distance of stars.")] = 1.0
    tolerance: Annotated[float, Range(0), Arcsec, Doc("How well matches must agree.")] = 0.7
    xoffset: Annotated[float, Arcsec, Doc("Offset without histogram.")] = 0.0
    yoffset: Annotated[float, Arcsec, Doc("Offset without histogram.")] = 0.0
    max_shift: Annotated[
        float | None, Range(0), Arcsec, Doc("A fit that moves an exposure farther is refused.")
    ] = None
    max_rotation: Annotated[
        float | None, Range(0), Unit("deg"), Doc("One that turns it by more is refused.")
    ] = None
    max_scale: Annotated[
        float | None, Range(0), Doc("One that changes its scale by a larger part is refused.")
    ] = None
    max_rms: Annotated[
        float | None, Range(0), Arcsec, Doc("One that leaves larger residuals (rms) is refused.")
    ] = None
    unaligned: Annotated[
        Literal["keep", "leave_out"],
        Doc("Exposures that lie among aligned ones, and are not: as they are, or not combined."),
    ] = "keep"
    abs_minobj: Annotated[int, Range(1), Doc("The same for the catalogue.")] = 15
    abs_fitgeometry: Annotated[Geometry, Doc("The same for the catalogue.")] = "rshift"
    abs_nclip: Annotated[int, Range(0), Doc("The same for the catalogue.")] = 3
    abs_sigma: Annotated[float, Range(0), Doc("The same for the catalogue.")] = 3.0
    abs_searchrad: Annotated[float, Range(0), Arcsec, Doc("The same for the catalogue.")] = 6.0
    abs_use2dhist: Annotated[bool, Doc("The same for the catalogue.")] = True
    abs_separation: Annotated[float, Range(0), Arcsec, Doc("The same for the catalogue.")] = 1.0
    abs_tolerance: Annotated[float, Range(0), Arcsec, Doc("The same for the catalogue.")] = 0.7

    @property
    def matching(self) -> Matching:
        """How exposures are matched with each other."""
        return Matching(
            radius=self.searchrad, separation=self.separation, tolerance=self.tolerance,
            histogram=self.use2dhist, offset=(self.xoffset, self.yoffset), least=self.minobj,
            geometry=self.fitgeometry, clips=self.nclip, sigma=self.sigma, rematch=self.rematch,
            phase=self.pixel_phase,
        )  # fmt: skip

    @property
    def absolute(self) -> Matching:
        """How all of them are matched with a catalogue."""
        return Matching(
            radius=self.abs_searchrad, separation=self.abs_separation,
            tolerance=self.abs_tolerance, histogram=self.abs_use2dhist, offset=(0.0, 0.0),
            least=self.abs_minobj, geometry=self.abs_fitgeometry, clips=self.abs_nclip,
            sigma=self.abs_sigma, rematch=self.rematch,
        )  # fmt: skip

    @property
    def is_strict(self) -> bool:
        """Whether exposures that are not where the others say are left out."""
        return self.unaligned == "leave_out"

    @property
    def limits(self) -> Limits:
        """What is believed of a fit."""
        return Limits(
            shift_arcsec=self.max_shift, rotation_deg=self.max_rotation,
            scale=self.max_scale, rms_arcsec=self.max_rms,
        )  # fmt: skip

    def tell(self, solution: Solution) -> None:
        """Warn of each exposure that could not be aligned, where others could."""
        for placed in solution.exposures.values():
            if placed.is_placed or not solution.is_found:
                continue
            if not placed.lost:
                end = "it lies on none of those that could, and stays where it was"
            elif self.is_strict:
                end = (
                    "it is left out (tweakreg.unaligned=keep keeps it where it was); look at its "
                    "stars and pointing, or change searchrad, minobj or snr_threshold"
                )
            else:
                end = (
                    "it stays where it was, and others may have moved; look at its stars and "
                    "pointing, or leave it out with tweakreg.unaligned=leave_out"
                )
            told = f"{placed.name} could not be aligned: {placed.reason}; {end}"
            warnings.warn(told, Doubtful, stacklevel=2)
