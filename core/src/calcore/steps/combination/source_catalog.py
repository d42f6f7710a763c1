"""Find the sources of a mosaic and measure them."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.kernels.apertures import above_ring, neighbours, sharpness_and_roundness
from calcore.kernels.sources import Finder, Found, find_sources
from calcore.model import Catalog, Mosaic, Segmentation
from calcore.model.apertures import Apertures, ab_minus_vega, apertures
from calcore.model.mosaic_noise import told
from calcore.model.reference import AbVegaOffset, ApertureCorrection
from calcore.model.source_table import source_table, with_magnitudes
from calcore.parameters import Doc, If, Range, Unit
from calcore.step import ALONE, Room
from calcore.steps.search import SearchingStep

F8 = NDArray[np.float64]
Energy = Annotated[int, Range(1, 99), Unit("percent"), Doc("Encircled energy of a circle.")]


@dataclass(frozen=True, eq=False)
class SourceCatalogResult:
    """The table of sources, and which pixel belongs to which (segments only)."""

    cat: Catalog
    segm: Annotated[Segmentation | None, If("starfinder", "segmentation")] = None


@dataclass(frozen=True, kw_only=True)
class SourceCatalog(SearchingStep):
    """Make a catalogue of the sources of a mosaic.

    Fluxes are measured in three circles, sized by the part of a star's light they hold, above the
    sky in a ring around them, and over the pixels that belong to a source, above the background.
    """

    starfinder: Annotated[Finder, Doc("How sources are found.")] = "segmentation"
    snr_threshold: Annotated[float, Range(0), Doc("Threshold over the background's noise.")] = 3.0
    bkg_boxsize: Annotated[int, Range(1), Unit("pixel"), Doc("Boxes of the background.")] = 1000
    kernel_fwhm: Annotated[float, Range(0.1), Unit("pixel"), Doc("Width of stars.")] = 2.0
    npixels: Annotated[int, Range(1), Doc("Segments: least number of pixels.")] = 25
    aperture_ee1: Energy = 30
    aperture_ee2: Energy = 50
    aperture_ee3: Energy = 70
    ci1_star_threshold: Annotated[float, Doc("Concentration 2 over 1 of extended sources.")] = 2.0
    ci2_star_threshold: Annotated[float, Doc("Concentration 3 over 2 of extended sources.")] = 1.8

    errors: Annotated[
        Literal["independent", "correlated"],
        Doc("Noise of pixels is independent; or correlated, and that of the sky counts, too."),
    ] = "independent"

    def apply(
        self, mosaic: Mosaic, *, apcorr: ApertureCorrection, abvegaoffset: AbVegaOffset,
        room: Room = ALONE,
    ) -> SourceCatalogResult:  # fmt: skip
        """Return the catalogue."""
        err = mosaic.err
        if err is None:
            raise StepSkipped("the mosaic has no errors; set resample.enable_err to true")
        hidden = ~np.isfinite(mosaic.data) | ~np.isfinite(err) | (mosaic.wht == 0)
        circles = apertures(apcorr.table, mosaic.meta, self._energies)
        offset = ab_minus_vega(abvegaoffset.table, mosaic.meta)
        found = find_sources(mosaic.data, err, hidden, self.search, room.each)
        if found is None or found.x.size == 0:
            raise StepSkipped("no source was found")
        values = self._measured(mosaic, err, hidden, found, circles, offset)
        facts = {
            "aperture_ee": [int(energy) for energy in self._energies],
            "aperture_radii": [float(radius) for radius in circles.radii],
            "aperture_correction": circles.correction,
            "bkg_aperture_inner_radius": circles.inner,
            "bkg_aperture_outer_radius": circles.outer,
            "abvega_offset": offset,
        }
        table = source_table(values, self._energies, facts)
        segm = None
        if found.segments is not None:
            plain = mosaic.meta.set(bunit_data=None, bunit_err=None)  # labels have no unit
            segm = Segmentation(meta=plain, data=found.segments, wcs=mosaic.wcs)
        return SourceCatalogResult(Catalog(table), segm)

    @property
    def _energies(self) -> tuple[int, int, int]:
        return self.aperture_ee1, self.aperture_ee2, self.aperture_ee3

    def _measured(
        self, mosaic: Mosaic, err: NDArray[np.float32], hidden: NDArray[np.bool_], found: Found,
        circles: Apertures, offset: float,
    ) -> dict[str, Any]:  # fmt: skip
        """Return the columns of the table."""
        jansky = 1e6 * float(mosaic.meta["photometry.pixelarea_steradians"])
        noise = told(mosaic.meta) if self.errors == "correlated" else None
        x, y = found.x, found.y
        ring = circles.inner, circles.outer
        sums, (sky, sky_err) = above_ring(
            mosaic.data, err, hidden, x, y, circles.radii.tolist(), ring, noise
        )
        fluxes: dict[str, Any] = {
            f"aper{energy}": (jansky * total, jansky * total_err)
            for energy, (total, total_err) in zip(self._energies, sums, strict=True)
        }
        low, middle, high = (fluxes[f"aper{energy}"][0] for energy in self._energies)
        largest = fluxes[f"aper{self.aperture_ee3}"]
        fluxes["aper_total"] = tuple(circles.correction * value for value in largest)
        fluxes["isophotal"] = jansky * found.flux, jansky * found.error_of_flux(noise)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = with_magnitudes(fluxes, offset)
            first, second, third = middle / low, high / middle, high / low
        one, two, three = self._energies
        values |= {
            f"CI_{two}_{one}": first,
            f"CI_{three}_{two}": second,
            f"CI_{three}_{one}": third,
        }
        values["is_extended"] = (first > self.ci1_star_threshold) & (
            second > self.ci2_star_threshold
        )
        values["label"] = found.label
        values["xcentroid"], values["ycentroid"] = x, y
        values["sky_centroid"] = _sky(mosaic, x, y)
        values["aper_bkg_flux"], values["aper_bkg_flux_err"] = jansky * sky, jansky * sky_err
        sharp, roundness = sharpness_and_roundness(found.net, x, y, self.kernel_fwhm)
        values["sharpness"], values["roundness"] = sharp, roundness.astype(np.float32)
        near, distance = neighbours(x, y)
        values["nn_label"], values["nn_dist"] = found.label[near], distance
        values |= found.shape
        x_low, x_high, y_low, y_high = found.box
        for name, corner in (
            ("ll", (x_low, y_low)), ("ul", (x_low, y_high)),
            ("lr", (x_high, y_low)), ("ur", (x_high, y_high)),
        ):  # fmt: skip
            values[f"sky_bbox_{name}"] = _sky(mosaic, *corner)
        angle = np.radians(found.shape.get("orientation", np.full(x.size, np.nan)))
        along = _sky(mosaic, x + np.cos(angle), y + np.sin(angle))
        values["sky_orientation"] = values["sky_centroid"].position_angle(along).deg % 180
        return values


def _sky(mosaic: Mosaic, x: F8, y: F8) -> SkyCoord:
    return SkyCoord(*mosaic.wcs(x, y, with_bounding_box=False), unit="deg", frame="icrs")
