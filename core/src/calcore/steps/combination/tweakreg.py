"""Align exposures with each other, and with a catalogue, by the stars they see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np

from calcore.errors import FileInvalid, StepSkipped
from calcore.flags import DQ
from calcore.kernels.sources import Finder, Stars, find_stars
from calcore.model import Group, Image
from calcore.model.combine import by_exposure
from calcore.parameters import Doc, File, Range, Unit
from calcore.steps.approximation import ApproximatingStep
from calcore.steps.search import SearchingStep
from calcore.userfiles import read_catalogue, read_pairs
from calcore.wcs.alignment import Aligned, Geometry, Matching, Sighting, align

Arcsec = Unit("arcsec")


@dataclass(frozen=True, kw_only=True)
class TweakReg(SearchingStep, ApproximatingStep):
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
    catfile: Annotated[str, File(), Doc("Text file: image and catalogue of stars on each line.")] = ""
    enforce_user_order: Annotated[bool, Doc("Align in the given order, not by overlap.")] = False
    expand_refcat: Annotated[bool, Doc("Compare also with what aligned images saw.")] = False
    weighted: Annotated[bool, Doc("Weigh stars by how well their place is known.")] = False
    minobj: Annotated[int, Range(1), Doc("Fewest matched stars.")] = 15
    fitgeometry: Annotated[Geometry, Doc("What is fitted.")] = "rshift"
    nclip: Annotated[int, Range(0), Doc("Rounds of clipping.")] = 3
    sigma: Annotated[float, Range(0), Unit("rms"), Doc("Clipping limit.")] = 3.0
    searchrad: Annotated[float, Range(0), Arcsec, Doc("Largest offset looked for.")] = 2.0
    rematch: Annotated[
        float, Range(0), Arcsec, Doc("Match again as closely as this after a first fit; 0: do not.")
    ] = 0.0
    use2dhist: Annotated[bool, Doc("Find the offset in a histogram first.")] = True
    separation: Annotated[float, Range(0), Arcsec, Doc("Least distance of stars.")] = 1.0
    tolerance: Annotated[float, Range(0), Arcsec, Doc("How well matches must agree.")] = 0.7
    xoffset: Annotated[float, Arcsec, Doc("Offset without histogram.")] = 0.0
    yoffset: Annotated[float, Arcsec, Doc("Offset without histogram.")] = 0.0
    abs_refcat: Annotated[
        str, File(), Doc("File of a catalogue (RA, DEC) to align with; none if empty.")
    ] = ""
    abs_minobj: Annotated[int, Range(1), Doc("The same for the catalogue.")] = 15
    abs_fitgeometry: Annotated[Geometry, Doc("The same for the catalogue.")] = "rshift"
    abs_nclip: Annotated[int, Range(0), Doc("The same for the catalogue.")] = 3
    abs_sigma: Annotated[float, Range(0), Doc("The same for the catalogue.")] = 3.0
    abs_searchrad: Annotated[float, Range(0), Arcsec, Doc("The same for the catalogue.")] = 6.0
    abs_use2dhist: Annotated[bool, Doc("The same for the catalogue.")] = True
    abs_separation: Annotated[float, Range(0), Arcsec, Doc("The same for the catalogue.")] = 1.0
    abs_tolerance: Annotated[float, Range(0), Arcsec, Doc("The same for the catalogue.")] = 0.7

    def apply(self, group: Group[Image]) -> Group[Image]:
        """Return the exposures with aligned coordinates."""
        exposures = by_exposure([member.meta for member in group.members])
        if len(exposures) < 2 and not self.abs_refcat:
            raise StepSkipped("there is but one exposure, and no catalogue to align it with")
        number_of = {member: n for n, exposure in enumerate(exposures) for member in exposure}
        catalogues = self._catalogues(group.members)
        seen = [
            self._sighting(member, number_of[n], stars)
            for n, (member, stars) in enumerate(zip(group.members, catalogues, strict=True))
        ]
        wcs = [sighting.wcs for sighting in seen]
        if len(exposures) > 1:
            aligned = align(
                seen, self._matching(), ordered=self.enforce_user_order, expand=self.expand_refcat
            )
            wcs = [image.wcs for image in (aligned if self.abs_refcat else _demand(aligned))]
        if self.abs_refcat:
            sky = read_catalogue(self.abs_refcat, ("ra", "radeg"), ("dec", "dedeg"))
            moved = [replace(one, wcs=place) for one, place in zip(seen, wcs, strict=True)]
            aligned = align(moved, self._absolute(), reference=(sky[0], sky[1]))
            wcs = [image.wcs for image in _demand(aligned)]
        pairs = zip(group.members, wcs, strict=True)
        return group.with_members(
            [m.replace(wcs=place, meta=self.with_coordinates(m.meta, place)) for m, place in pairs]
        )

    def _catalogues(self, members: Sequence[Image]) -> list[Stars]:
        """Return the stars of each image, found or from the user's files."""
        listed = dict(read_pairs(self.catfile)) if self.catfile else {}
        found = []
        for member in members:
            name = str(member.meta.get("filename", ""))
            file = listed.get(name) or member.meta.get("tweakreg_catalog")
            if self.use_custom_catalogs and file:
                path = Path(self.catfile).parent / str(file)
                x, y = read_catalogue(str(path), ("x", "xcentroid"), ("y", "ycentroid"))
                found.append(Stars(x, y, np.ones_like(x), np.ones_like(x)))
            elif self.use_custom_catalogs and self.catfile:
                raise FileInvalid(self.catfile, f"names no catalogue for {name}; add a line")
            else:
                hidden = ((member.dq & DQ.DO_NOT_USE) != 0) | ~np.isfinite(member.data)
                found.append(find_stars(member.data, hidden, self.search))
        return found

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
        )

    def _matching(self) -> Matching:
        return Matching(
            radius=self.searchrad, separation=self.separation, tolerance=self.tolerance,
            histogram=self.use2dhist, offset=(self.xoffset, self.yoffset), least=self.minobj,
            geometry=self.fitgeometry, clips=self.nclip, sigma=self.sigma, rematch=self.rematch,
        )  # fmt: skip

    def _absolute(self) -> Matching:
        return Matching(
            radius=self.abs_searchrad, separation=self.abs_separation,
            tolerance=self.abs_tolerance, histogram=self.abs_use2dhist, offset=(0.0, 0.0),
            least=self.abs_minobj, geometry=self.abs_fitgeometry, clips=self.abs_nclip,
            sigma=self.abs_sigma, rematch=self.rematch,
        )  # fmt: skip


def _demand(aligned: Sequence[Aligned]) -> Sequence[Aligned]:
    """Return what became of the images; skip the step if none could be aligned."""
    if not any(image.status == "SUCCESS" for image in aligned):
        reasons = sorted({image.status for image in aligned} - {"REFERENCE"})
        raise StepSkipped(f"no exposure could be aligned: {'; '.join(reasons)}")
    return aligned
