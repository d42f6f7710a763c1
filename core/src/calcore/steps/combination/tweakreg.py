"""Align exposures with each other, and with a catalogue, by the stars they see."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from calcore.errors import Doubtful, FileInvalid, StepSkipped
from calcore.flags import DQ
from calcore.kernels.sources import Finder, Stars, find_stars
from calcore.model import Catalog, Group, Image
from calcore.model.alignment_table import alignment_table, fit_keywords, star_table
from calcore.model.combine import by_exposure
from calcore.parameters import Doc, File, Format, If, Range, Unit
from calcore.sky_catalogue import SkyCatalogue, mean_year, sky_catalogue
from calcore.step import ALONE, Room
from calcore.steps.aligning import AligningStep
from calcore.steps.approximation import ApproximatingStep
from calcore.steps.search import SearchingStep, of_each
from calcore.steps.star_files import read_stars, sighting
from calcore.userfiles import read_pairs
from calcore.wcs.outline import outline
from calcore.wcs.sightings import Sighting
from calcore.wcs.solution import Solution, placed, solve, solve_by_majority


@dataclass(frozen=True, eq=False)
class TweakRegResult:
    """The aligned exposures, and tables: residuals, stars of each image, the sky's catalogue."""

    group: Group[Image]
    tweakreg: Catalog
    cat: Annotated[Group[Catalog] | None, If("save_catalogs"), Format("catalog_format")] = None
    refcat: Annotated[Catalog | None, If("save_abs_catalog")] = None


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
        str, File(lists=True), Doc("Text file: image and catalogue of stars on each line.")
    ] = ""
    abs_refcat: Annotated[
        str, File(), Doc("Catalogue to align with: a file (RA, DEC), or GAIADR3, GAIADR2, GAIADR1.")
    ] = ""
    save_catalogs: Annotated[bool, Doc("Write the stars of each image.")] = False
    catalog_format: Annotated[Literal["ecsv", "csv", "fits"], Doc("Of what format.")] = "ecsv"
    save_abs_catalog: Annotated[bool, Doc("Write the catalogue that was aligned with.")] = False

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> TweakRegResult:
        """Return the exposures with aligned coordinates."""
        exposures = by_exposure([member.meta for member in group.members])
        if len(exposures) < 2 and not self.abs_refcat:
            raise StepSkipped("there is but one exposure, and no catalogue to align it with")
        number_of = {member: n for n, exposure in enumerate(exposures, 1) for member in exposure}
        listed = dict(read_pairs(self.catfile)) if self.catfile else {}
        found = of_each(lambda member: self._stars(member, listed), group.members, room)
        named = enumerate(group.members)
        seen = [sighting(one, number_of[k], found[k], weighted=self.weighted) for k, one in named]
        solutions, kept = dict[str, Solution](), list(range(len(seen)))
        if len(exposures) > 1:
            solutions["exposures"] = solution = self._relative(seen)
            self.tell(solution)
            seen, gone = list(solution.seen), solution.lost if self.is_strict else []
            kept = [k for k, one in enumerate(seen) if one.exposure not in gone]
        sky = self._sky([seen[k] for k in kept], group) if self.abs_refcat else None
        if sky is not None:
            together = [replace(seen[k], exposure=0) for k in kept]
            solutions["catalogue"] = solution = self._absolute(together, sky, solutions)
            for k, one in zip(kept, solution.seen, strict=True):
                seen[k] = one
        members = []
        for k in kept:
            own, wcs = group.members[k], seen[k].wcs
            fit = fit_keywords(own.wcs, wcs, placed(solutions, number_of[k]))
            meta = self.with_coordinates(own.meta, wcs).set(fit)
            members.append(own.replace(wcs=wcs, meta=meta))
        tables = tuple(Catalog(star_table(one), self.catalog_format) for one in seen)
        return TweakRegResult(
            group.with_members(members),
            alignment_table(solutions),
            cat=Group(group.name, tables) if self.save_catalogs else None,
            refcat=Catalog(sky.table()) if sky is not None and self.save_abs_catalog else None,
        )

    def _relative(self, seen: Sequence[Sighting]) -> Solution:
        """Align exposures with each other."""
        work = solve_by_majority if self.is_strict else solve
        solution = work(
            seen, self.matching, self.limits,
            ordered=self.enforce_user_order, expand=self.expand_refcat or bool(self.abs_refcat),
        )  # fmt: skip
        if solution.is_agreed if self.is_strict else solution.is_found:
            return solution
        few = "too few agree with each other" if solution.is_found else "none could be aligned"
        said = f"of {len(solution.exposures)} exposures {few}, and all stay where they were: "
        said += solution.reasons
        if not self.abs_refcat:
            raise StepSkipped(said, tweakreg=alignment_table({"exposures": solution.undone(seen)}))
        warnings.warn(said, Doubtful, stacklevel=2)
        return solution.undone(seen)

    def _sky(self, seen: Sequence[Sighting], group: Group[Image]) -> SkyCatalogue:
        """Return the catalogue as it was when the exposures were taken."""
        corners = np.concatenate([outline(one.wcs) for one in seen]).T
        return sky_catalogue(
            self.abs_refcat,
            epoch_year=mean_year(m.meta.get("exposure.mid_time") for m in group.members),
            outline=(corners[0], corners[1]),
        )

    def _absolute(
        self, seen: Sequence[Sighting], sky: SkyCatalogue, others: Mapping[str, Solution]
    ) -> Solution:
        """Align all exposures as one with the catalogue."""
        solution = solve(seen, self.absolute, self.limits, reference=sky.columns)
        if not solution.is_found:
            said = f"the exposures could not be aligned with {self.abs_refcat}: {solution.reasons}"
            if not any(other.is_found for other in others.values()):
                table = alignment_table({**others, "catalogue": solution})
                raise StepSkipped(said, tweakreg=table)
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
