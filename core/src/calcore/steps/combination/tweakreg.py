"""Align exposures with each other, and with a catalogue, by the stars they see."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np

from calcore.errors import Doubtful, FileInvalid, StepSkipped
from calcore.flags import DQ
from calcore.kernels.sources import Finder, Stars, find_stars
from calcore.model import Catalog, Group, Image
from calcore.model.alignment_table import alignment_table
from calcore.model.combine import by_exposure
from calcore.parameters import Doc, File, Range, Unit
from calcore.steps.aligning import AligningStep
from calcore.steps.approximation import ApproximatingStep
from calcore.steps.search import SearchingStep
from calcore.steps.star_files import read_stars
from calcore.userfiles import read_catalogue, read_pairs
from calcore.wcs.sightings import Sighting
from calcore.wcs.solution import Solution, solve, solve_by_majority


@dataclass(frozen=True, eq=False)
class TweakRegResult:
    """The aligned exposures, and the table of residuals."""

    group: Group[Image]
    tweakreg: Catalog


@dataclass(frozen=True, kw_only=True)
class TweakReg(SearchingStep, AligningStep, ApproximatingStep):
    """Move the world coordinates of exposures so that their stars agree.

    Stars are found in each image; detectors read at the same time move as one. One exposure stays
    where it is, unless all are then moved as one to a catalogue. Corrections become a frame
    ``v2v3corr`` of the coordinates; S_REGION and the FITS approximation follow.
    """

    starfinder: Annotated[Finder, Doc("How stars are found.")] = "iraf"
    snr_threshold: Annotated[float, Range(0), Doc("Threshold over the background's noise.")] = 10.0
    bkg_boxsize: Annotated[int, Range(1), Unit("pixel"), Doc("Boxes of the background.")] = 400
    kernel_fwhm: Annotated[float, Range(0.1), Unit("pixel"), Doc("Width of stars.")] = 2.5
    npixels: Annotated[int, Range(1), Doc("Segments: least number of pixels.")] = 10
    use_custom_catalogs: Annotated[bool, Doc("Take stars from files.")] = False
    catfile: Annotated[
        str, File(), Doc("Text file: image and catalogue of stars on each line.")
    ] = ""
    abs_refcat: Annotated[
        str, File(), Doc("File of a catalogue (RA, DEC) to align with; none if empty.")
    ] = ""

    def apply(self, group: Group[Image]) -> TweakRegResult:
        """Return the exposures with aligned coordinates."""
        exposures = by_exposure([member.meta for member in group.members])
        if len(exposures) < 2 and not self.abs_refcat:
            raise StepSkipped("there is but one exposure, and no catalogue to align it with")
        number_of = {member: n for n, exposure in enumerate(exposures, 1) for member in exposure}
        listed = dict(read_pairs(self.catfile)) if self.catfile else {}
        seen = [
            self._sighting(member, number_of[k], self._stars(member, listed))
            for k, member in enumerate(group.members)
        ]
        members = list(group.members)
        found: dict[str, Solution] = {}
        if len(exposures) > 1:
            solution = self._relative(seen)
            found["exposures"] = solution
            gone = solution.lost if self._is_strict else []
            self.tell(solution)
            kept = [k for k, one in enumerate(seen) if one.exposure not in gone]
            members = [members[k] for k in kept]
            seen = [solution.seen[k] for k in kept]
        if self.abs_refcat:
            together = [replace(one, exposure=0) for one in seen]
            solution = self._absolute(together, alone=len(exposures) < 2)
            found["catalogue"] = solution
            seen = solution.seen
        aligned = [
            member.replace(wcs=one.wcs, meta=self.with_coordinates(member.meta, one.wcs))
            for member, one in zip(members, seen, strict=True)
        ]
        return TweakRegResult(group.with_members(aligned), alignment_table(found))

    def _relative(self, seen: Sequence[Sighting]) -> Solution:
        """Align exposures with each other."""
        work = solve_by_majority if self._is_strict else solve
        solution = work(
            seen, self.matching, self.limits,
            ordered=self.enforce_user_order, expand=self.expand_refcat,
        )  # fmt: skip
        if solution.is_agreed if self._is_strict else solution.is_found:
            return solution
        few = "too few agree with each other" if solution.is_found else "none could be aligned"
        said = f"of {len(solution.exposures)} exposures {few}, and all stay where they were"
        if not self.abs_refcat:
            raise StepSkipped(f"{said}: {solution.reasons}")
        warnings.warn(f"{said}: {solution.reasons}", Doubtful, stacklevel=2)
        return solution.undone(seen)

    @property
    def _is_strict(self) -> bool:
        return self.unaligned == "leave_out"

    def _absolute(self, seen: Sequence[Sighting], *, alone: bool) -> Solution:
        """Align all exposures as one with the catalogue."""
        reference = read_catalogue(self.abs_refcat, ("ra", "radeg"), ("dec", "dedeg"))
        solution = solve(seen, self.absolute, self.limits, reference=(reference[0], reference[1]))
        if not solution.is_found:
            said = f"the exposures could not be aligned with {self.abs_refcat}: {solution.reasons}"
            if alone:
                raise StepSkipped(said)
            warnings.warn(f"{said}; they agree with each other alone", Doubtful, stacklevel=2)
        return solution

    def _stars(self, member: Image, listed: Mapping[str, str]) -> Stars:
        """Return the stars of an image, found or from the user's files."""
        name = str(member.meta.get("filename", ""))
        file = listed.get(name) or member.meta.get("tweakreg_catalog")
        if self.use_custom_catalogs and file:
            return read_stars(Path(self.catfile).parent / str(file))
        if self.use_custom_catalogs and self.catfile and name not in listed:
            raise FileInvalid(self.catfile, f"names no catalogue for {name}; add a line")
        hidden = ((member.dq & DQ.DO_NOT_USE) != 0) | ~np.isfinite(member.data)
        return find_stars(member.data, hidden, self.search)

    def _sighting(self, member: Image, exposure: int, stars: Stars) -> Sighting:
        (x_low, x_high), (y_low, y_high) = member.wcs.bounding_box.bounding_box(order="F")
        inside = (stars.x >= x_low) & (stars.x <= x_high) & (stars.y >= y_low) & (stars.y <= y_high)
        return Sighting(
            name=str(member.meta.get("filename", exposure)),
            exposure=exposure,
            wcs=member.wcs,
            v2_arcsec=float(member.meta["wcsinfo.v2_ref"]),
            v3_arcsec=float(member.meta["wcsinfo.v3_ref"]),
            roll_deg=float(member.meta["wcsinfo.roll_ref"]),
            x=stars.x[inside],
            y=stars.y[inside],
            weight=1 / stars.error[inside] ** 2 if self.weighted else None,
            snr=stars.snr[inside],
        )
