"""Extract a spectrum from a cube."""

from dataclasses import dataclass
from math import pi
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from calcore.kernels.cube_extraction import Sums, circles, everything
from calcore.model.cube import Cube
from calcore.model.reference import CubeApertureCorrection, CubeApertures
from calcore.model.spectrum import Spectra, Spectrum
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step
from calcore.steps import _cube_apertures as on_cube
from calcore.steps._spaxels import Spaxels, flags_of, measured, spaxels_of, unmeasured_as_zero
from calcore.steps._spectra import columns_of

_ENOUGH = 0.5
"""Of an aperture, this much must be seen."""
_FWHM = 2.0
"""Radius that references give a circle [FWHM]."""


@dataclass(frozen=True, kw_only=True)
class ExtractCube(Step):
    """Extract a spectrum from a cube: of a point source in a circle, or of all that is there.

    The circle's radius, and that of the ring around it, where the background is measured, change
    with wavelength; a point source's flux is corrected for what the circle misses. Of extended
    sources, everything is summed, and the background is told, but not subtracted.
    """

    cites: ClassVar[tuple[str, ...]] = ("Law et al. 2023, AJ 166, 45",)
    model: ClassVar[str] = "MultiSpecModel"  # DATAMODL of its products
    subtract_background: Annotated[
        bool | None, Doc("Subtract what is in the ring; None: as the reference says.")
    ] = None
    apply_apcorr: Annotated[bool, Doc("Correct for what the circle misses.")] = True
    center_xy: Annotated[
        tuple[float, float] | None, Unit("spaxel"), Doc("Column and row of the source, from 0.")
    ] = None
    ifu_autocen: Annotated[bool, Doc("Take the brightest source of the field.")] = False
    bkg_sigma_clip: Annotated[
        float, Range(0), Unit("standard deviation"), Doc("Outliers of the background.")
    ] = 3.0
    ifu_set_srctype: Annotated[
        Literal["POINT", "EXTENDED"] | None, Doc("How to extract; None: as the header says.")
    ] = None
    ifu_rscale: Annotated[
        float | None, Range(0.5, 3), Unit("FWHM"), Doc("Radius; None: that of the reference, 2.")
    ] = None
    ifu_covar_scale: Annotated[float, Range(0), Doc("Errors are multiplied by this, too.")] = 1.0
    correlation: Annotated[
        Literal["measured", "ignored"],
        Doc("Errors grow by what spaxels have in common, as the cube says, or do not."),
    ] = "measured"
    centre: Annotated[
        Literal["exact", "spaxel"],
        Doc("Where the circle lies: about the source, or the middle of its spaxel."),
    ] = "exact"
    spaxels: Annotated[
        Literal["heed", "trust"],
        Doc(
            "heed: spaxels that are NaN or flagged DO_NOT_USE are filled from planes beside, and "
            "less than half an aperture gives NaN. trust: NaN spoils the flux, and it is 0 where "
            "nothing fell."
        ),
    ] = "heed"
    longest_gap: Annotated[int, Range(0), Doc("So many planes are filled at most.")] = 3
    clipping: Annotated[
        Literal["ring", "plane"],
        Doc("Outliers of the background are those of the ring, or of the plane, and count as 0."),
    ] = "ring"
    partial: Annotated[
        Literal["squared", "linear"],
        Doc("Of spaxels partly inside, that part of the error counts, or of its square."),
    ] = "squared"

    def apply(
        self, cube: Cube, *, extract1d: CubeApertures, apcorr: CubeApertureCorrection | None = None
    ) -> Spectra:
        """Return the spectrum."""
        kind = self.ifu_set_srctype or cube.meta.get("target.source_type")
        planes = np.arange(len(cube.data))
        spaxels = spaxels_of(cube, heed=self.spaxels == "heed", longest_gap=self.longest_gap)
        x, y = on_cube.middle_of(cube)
        if kind == "POINT":
            exact = self.centre == "exact"
            x, y = on_cube.centre_of(cube, self.center_xy, search=self.ifu_autocen, exact=exact)
        where = cube.wcs(0 * planes + x, 0 * planes + y, planes, with_bounding_box=False)
        wavelength, factor, ring = np.asarray(where[2]), np.ones(planes.size), None
        if kind == "POINT":
            rings = on_cube.rings_of(extract1d, wavelength, (self.ifu_rscale or _FWHM) / _FWHM)
            side = on_cube.scale_at(cube, (x, y))
            radius, *around = rings.scaled(1 / side)
            ring = on_cube.Ring(*around) if self._has_ring(extract1d) else None
            sums = self._circles(spaxels, (x, y), radius, ring, extract1d)
            whole = pi * radius**2
            if apcorr is not None and self.apply_apcorr:
                factor = on_cube.correction(apcorr, wavelength, rings.radius)
        else:
            sums = everything(spaxels.data, spaxels.err, spaxels.seen, self.bkg_sigma_clip)
            whole = np.full(planes.size, float(spaxels.seen[0].size))
        if self.spaxels == "heed":
            sums = measured(sums, whole * (_ENOUGH if kind == "POINT" else 0.0))
            unusable = np.isnan(sums.total)
        else:
            unusable, sums = sums.area == 0, unmeasured_as_zero(sums, whole)
        scale, variance = 1.0, sums.variance
        if self.correlation == "measured":
            scale = on_cube.in_common(cube)
            added = on_cube.shared(cube, spaxels, np.sqrt(whole / pi), ring)
            # A ring takes out what is shared: half of the noise where background and exposure are alike.
            variance = np.maximum(variance + added, variance / 2)
        columns = columns_of(
            sums.total, sums.area, (variance,), sums.area * sums.level,
            (sums.area**2 * sums.level_variance,),
            steradian=float(cube.meta["photometry.pixelarea_steradians"]), factor=factor,
            subtracted=kind == "POINT", error_scale=self.ifu_covar_scale * scale,
        )  # fmt: skip
        columns["DQ"] = flags_of(spaxels, unusable, (x, y), np.sqrt(whole / pi))
        meta = on_cube.described(cube, kind or "EXTENDED", (x, y))
        spectrum = Spectrum.of(meta, WAVELENGTH=wavelength, **columns)
        meta = on_cube.of_spectra(cube.meta, self.model)
        return Spectra(meta=meta, spectra=(self.completed(spectrum, cube),))

    def completed(self, spectrum: Spectrum, cube: Cube) -> Spectrum:
        """Return the spectrum with what an instrument adds to it; here, nothing."""
        del cube
        return spectrum

    def _has_ring(self, extract1d: CubeApertures) -> bool:
        subtract = self.subtract_background
        return bool(extract1d.subtract_background if subtract is None else subtract)

    def _circles(
        self,
        spaxels: Spaxels,
        place: tuple[float, float],
        radius: on_cube.F8,
        ring: on_cube.Ring | None,
        given: CubeApertures,
    ) -> Sums:
        way: Any = str(given.method or "exact").replace("subsample", "subpixel")
        return circles(
            spaxels.data, spaxels.err, spaxels.seen, place, radius, ring,
            overlap=(way, int(given.subpixels or 10)), sigma=self.bkg_sigma_clip,
            by_plane=self.clipping == "plane", linear=self.partial == "linear",
        )  # fmt: skip
